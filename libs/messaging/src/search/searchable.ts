import type { Message } from '@millrace/protocol';
import type { FieldValue, Filtered } from '@millrace/search';
import { found, noFieldRules, type FieldRules } from '../indexing/field-rules.ts';

/** What of a message's body is searched: what a person reads of it, and the application's own fields. */
export interface Extracted {
  readonly text: string;
  readonly fields: Readonly<Record<string, FieldValue>>;
}

/** One rule for what goes into the index and for what is held against a query without it. */
export type Extraction = (message: Pick<Message, 'type' | 'body'>) => Extracted;

/** A message as it is searched. */
export interface Searchable extends Filtered {
  readonly text: string;
}

/** A body that is an object or a list of JSON; undefined for any other. */
function jsonOf(body: Message['body']): unknown {
  if (typeof body !== 'string' || !/^\s*[[{]/.test(body)) return undefined;
  try {
    return JSON.parse(body) as unknown;
  } catch {
    return undefined;
  }
}

/** Without a rule, or where the body is no JSON: a text is read, and what another type means is the application's. */
export const extractionBy =
  (all: FieldRules): Extraction =>
  ({ type, body }) => {
    const rules = all[type];
    const json = rules === undefined ? undefined : jsonOf(body);
    if (rules !== undefined && json !== undefined) return found(json, rules);
    return { text: type === 'text' && typeof body === 'string' ? body : '', fields: {} };
  };

export const extractText = extractionBy(noFieldRules);

/** Null for what nobody finds: what the server itself says, and a message that is gone, for all or for the reader. */
export function searchableOf(message: Message, extract: Extraction): Searchable | null {
  const { from, type, at, recalled, deleted, erased, mentions = [], mentionAll = false } = message;
  if (from === null || type === 'control' || type === 'void') return null;
  if (recalled !== undefined || deleted === true || erased === true) return null;
  return { ...extract(message), sender: from, type, at, mentions, mentionAll };
}
