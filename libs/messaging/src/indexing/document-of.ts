import type { ConversationId } from '@millrace/kernel';
import type { Message } from '@millrace/protocol';
import { MENTIONS_MAX, TEXT_UNITS_MAX, type Change, type SearchDocument } from '@millrace/search';
import { extractionBy } from '../search/searchable.ts';
import type { FieldRules } from './field-rules.ts';

/**
 * A message as it is searched for: as it stands now, with what was changed of it.
 *
 * @returns null for an entry that is no message of a user, and for one that is not there any more.
 */
export function documentOf(conversation: ConversationId, message: Message, rules: FieldRules): SearchDocument | null {
  const { gen, seq, rev = 0, type, from, at, recalled, erased, mentions = [], mentionAll = false } = message;
  if (type === 'control' || type === 'void' || from === null) return null;
  if (recalled !== undefined || erased === true) return null;
  const { text, fields } = extractionBy(rules)(message);
  return {
    ...{ conversation, gen, seq, rev, sender: from, type, at },
    text: text.slice(0, TEXT_UNITS_MAX),
    mentions: mentions.slice(0, MENTIONS_MAX),
    mentionAll,
    fields,
  };
}

/** What an index is to know of an entry as it stands now; null for nothing. */
export function changeOf(conversation: ConversationId, message: Message, rules: FieldRules): Change | null {
  const document = documentOf(conversation, message, rules);
  if (document !== null) return { kind: 'put', document };
  const { gen, seq, rev, recalled, erased } = message;
  return recalled === undefined && erased !== true ? null : { kind: 'remove', conversation, gen, seq, rev: rev ?? 0 };
}
