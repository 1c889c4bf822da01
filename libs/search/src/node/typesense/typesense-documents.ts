import type { ConversationId, PartitionId } from '@millrace/kernel';
import type { Cut, Through } from '../../newest-wins.ts';
import type { SearchDocument } from '../../search-index.ts';
import { unitsOf } from '../../text/units.ts';
import { keyOf, laneOf } from './encoded.ts';
import { codesOf } from './text-codes.ts';

/** The layout of a collection; its number is in the collection's name, and another layout is another collection. */
export const LAYOUT = 1;

/** No user id is it: what mentions all. */
export const ALL = '*';

interface Field {
  readonly name: string;
  readonly type: string;
  readonly facet?: boolean;
  readonly optional?: boolean;
  readonly index?: boolean;
  readonly range_index?: boolean;
  readonly sort?: boolean;
}

/** The fields of every collection. Those without an index only come back with a hit. */
export const FIELDS: readonly Field[] = [
  { name: 'kind', type: 'string' },
  { name: 'conversation', type: 'string', facet: true },
  { name: 'lane', type: 'int64', sort: true },
  { name: 'seq', type: 'int64', sort: true, range_index: true },
  { name: 'gen', type: 'int64' },
  { name: 'rev', type: 'int64' },
  { name: 'sender', type: 'string' },
  { name: 'type', type: 'string' },
  { name: 'at', type: 'int64', sort: true, range_index: true },
  { name: 'words', type: 'string' },
  { name: 'mentions', type: 'string[]' },
  { name: 's_.*', type: 'string', optional: true },
  { name: 'n_.*', type: 'int64', optional: true },
  { name: 'b_.*', type: 'bool', optional: true },
  ...['conversation_id', 'sender_id', 'type_name', 'cuts', 'cursor'].map((name) => ({
    name,
    type: 'string',
    optional: true,
    index: false,
  })),
];

/**
 * A document of a collection. `kind`: `message`; `gone`, where one was removed, so that nothing older brings it back; `mark`,
 * how far a conversation is indexed; `cursor`, of a partition.
 */
export type TypesenseDocument = Readonly<Record<string, string | number | boolean | readonly string[]>> & {
  readonly id: string;
};

const blank = { gen: 0, rev: 0, sender: '', type: '', at: 0, words: '', mentions: [] };

/** Of a message, whatever its generation: a seq has one message. */
export const messageId = (conversation: ConversationId, seq: number): string => `${keyOf(conversation)}_${String(seq)}`;

export function messageDocument(document: SearchDocument): TypesenseDocument {
  const { conversation, seq, gen, rev, sender, type, at, text, mentions, mentionAll, fields } = document;
  const key = keyOf(conversation);
  const own = Object.entries(fields).map(([name, value]) => fieldOf(name, value));
  return {
    id: messageId(conversation, seq),
    kind: 'message',
    conversation: key,
    lane: laneOf(key),
    seq,
    gen,
    rev,
    sender: keyOf(sender),
    type: keyOf(type),
    at,
    words: codesOf(unitsOf(text)).join(' '),
    mentions: [...mentions, ...(mentionAll ? [ALL] : [])].map(keyOf),
    conversation_id: conversation,
    sender_id: sender,
    type_name: type,
    ...Object.fromEntries(own),
  };
}

/** The name and value of an application's field; each kind has names of its own. */
export function fieldOf(name: string, value: string | number | boolean): readonly [string, string | number | boolean] {
  if (typeof value === 'string') return [`s_${name}`, keyOf(value)];
  return [`${typeof value === 'number' ? 'n' : 'b'}_${name}`, value];
}

export function goneDocument(conversation: ConversationId, seq: number, gen: number, rev: number): TypesenseDocument {
  const key = keyOf(conversation);
  const id = messageId(conversation, seq);
  return { ...blank, id, kind: 'gone', conversation: key, lane: laneOf(key), seq, gen, rev };
}

/** What is kept of a conversation itself. */
export interface Mark {
  readonly through: Through | null;
  readonly cuts: readonly Cut[];
}

export const markId = (conversation: ConversationId): string => `mark_${keyOf(conversation)}`;

export function markDocument(conversation: ConversationId, { through, cuts }: Mark): TypesenseDocument {
  const key = keyOf(conversation);
  const { gen, seq } = through ?? { gen: 0, seq: 0 };
  return {
    ...blank,
    id: markId(conversation),
    kind: 'mark',
    conversation: key,
    lane: 0,
    seq,
    gen,
    cuts: JSON.stringify(cuts),
  };
}

export function markOf(document: Readonly<Record<string, unknown>>): Mark {
  const gen = Number(document['gen']);
  const through = gen === 0 ? null : { gen, seq: Number(document['seq']) };
  return { through, cuts: JSON.parse(String(document['cuts'])) as Cut[] };
}

export const cursorId = (partition: PartitionId): string => `cursor_${String(partition)}`;

export const cursorDocument = (partition: PartitionId, cursor: string): TypesenseDocument => ({
  ...blank,
  id: cursorId(partition),
  kind: 'cursor',
  conversation: '',
  lane: 0,
  seq: 0,
  cursor,
});
