import {
  generation,
  parseConversationId,
  parseUserId,
  partitionId,
  sequenceId,
  type ConversationId,
  type PartitionId,
  type Result,
  type UserId,
} from '@millrace/kernel';
import { expect } from 'vitest';
import type {
  Change,
  IndexBatch,
  IndexVersion,
  ScopedConversation,
  SearchDocument,
  SearchHit,
  SearchIndex,
  SearchPage,
  SearchQuery,
} from '../search-index.ts';

/** What only a value can be; an error fails the test and shows itself. */
export function valueOf<T>(result: Result<T, unknown>): T {
  if (result.ok) return result.value;
  throw new Error(`expected a value, got ${JSON.stringify(result.error)}`);
}

export const conversationId = (name: string): ConversationId => valueOf(parseConversationId(name));
export const userId = (name: string): UserId => valueOf(parseUserId(name));

export const room = conversationId('room');
export const other = conversationId('other');
export const ann = userId('ann');
export const bob = userId('bob');
export const partition: PartitionId = partitionId(17);

export type Draft = Partial<Omit<SearchDocument, 'seq' | 'gen'>> & { readonly gen?: number };

/** A message of ann's in the room, at a time that rises with its seq. */
export function messageOf(seq: number, text: string, { gen = 1, ...draft }: Draft = {}): SearchDocument {
  return {
    conversation: room,
    gen: generation(gen),
    seq: sequenceId(seq),
    rev: 0,
    sender: ann,
    type: 'text',
    at: 1_700_000_000_000 + seq * 1_000,
    text,
    mentions: [],
    mentionAll: false,
    fields: {},
    ...draft,
  };
}

export const put = (seq: number, text: string, draft: Draft = {}): Change => ({
  kind: 'put',
  document: messageOf(seq, text, draft),
});

export const remove = (seq: number, rev: number, conversation = room, gen = 1): Change => ({
  kind: 'remove',
  conversation,
  gen: generation(gen),
  seq: sequenceId(seq),
  rev,
});

export const cut = (gen: number, from: number, conversation = room): Change => ({
  kind: 'cut',
  conversation,
  gen: generation(gen),
  from: sequenceId(from),
});

export const erase = (sender: UserId, upTo: number, conversation = room): Change => ({
  kind: 'erase',
  conversation,
  sender,
  upTo: sequenceId(upTo),
});

export const forget = (conversation = room): Change => ({ kind: 'forget', conversation });

export const through = (gen: number, seq: number, conversation = room): IndexBatch['through'][number] => ({
  conversation,
  gen: generation(gen),
  seq: sequenceId(seq),
});

let batches = 0;

/** Applies changes behind whatever was applied before. */
export async function apply(
  index: SearchIndex,
  changes: readonly Change[],
  more: { readonly through?: IndexBatch['through']; readonly into?: IndexVersion; readonly cursor?: string } = {},
): Promise<void> {
  const into = more.into ?? 'live';
  const after = valueOf(await index.cursor(partition, into));
  batches += 1;
  const cursor = more.cursor ?? `batch-${String(batches)}`;
  valueOf(await index.apply({ partition, after, cursor, changes, through: more.through ?? [] }, into));
}

/** All of these conversations, from their beginning on. */
export const everything = (...conversations: readonly ConversationId[]): readonly ScopedConversation[] =>
  (conversations.length === 0 ? [room] : conversations).map((conversation) => ({
    conversation,
    visible: [{ from: sequenceId(1), to: sequenceId(Number.MAX_SAFE_INTEGER) }],
  }));

export const seen = (
  conversation: ConversationId,
  intervals: readonly (readonly [number, number])[],
  hidden: readonly number[] = [],
): ScopedConversation => ({
  conversation,
  visible: intervals.map(([from, to]) => ({ from: sequenceId(from), to: sequenceId(to) })),
  hidden: hidden.map(sequenceId),
});

export const queryOf = (query: Partial<SearchQuery>): SearchQuery => ({
  scope: everything(),
  sort: 'time',
  limit: 100,
  ...query,
});

export const nameOf = ({ conversation, seq }: Pick<SearchHit, 'conversation' | 'seq'>): string =>
  conversation === room ? String(seq) : `${conversation}-${String(seq)}`;

export const pageOf = async (index: SearchIndex, query: Partial<SearchQuery>): Promise<SearchPage> =>
  valueOf(await index.search(queryOf(query)));

/** The seqs that a query finds, in its order; those of other conversations with their names. */
export async function found(index: SearchIndex, text: string, query: Partial<SearchQuery> = {}): Promise<string[]> {
  return (await pageOf(index, { text, ...query })).hits.map(nameOf);
}

/** All hits, page by page; checks what holds of every page. */
export async function allPages(index: SearchIndex, query: SearchQuery): Promise<readonly SearchPage[]> {
  const pages: SearchPage[] = [];
  let cursor: string | null | undefined;
  while (cursor !== null) {
    const page: SearchPage = valueOf(await index.search(cursor === undefined ? query : { ...query, cursor }));
    pages.push(page);
    expect(page.hits.length).toBeLessThanOrEqual(query.limit);
    if (page.next !== null) expect(page.hits.length).toBe(query.limit);
    cursor = page.next;
  }
  return pages;
}
