import { addTo, type ConversationId } from '@millrace/kernel';
import type { SearchHit } from '@millrace/search';
import { conversationKey } from '@millrace/timeline';
import { current } from '../revise/current.ts';
import { matchIn, type Match } from './match.ts';
import { readSingles } from './read-singles.ts';
import { messageKey, type SearchReads } from './read-tail.ts';
import type { AskedQuery } from './search-query.ts';
import { seesEntry, type SeenConversation } from './seen-conversation.ts';

/** Candidates that are read at a time. */
const AT_ONCE = 50;

/**
 * Holds what the index has found against the messages as they stand now: what was recalled, edited, deleted or lost since
 * is no hit, whatever the index says.
 *
 * @param covered - messages that were looked at already.
 * @returns in their order; null for one that is no hit.
 *
 * Rejects with StoreUnavailable.
 */
export async function checkCandidates(
  parts: SearchReads,
  query: AskedQuery,
  seen: ReadonlyMap<ConversationId, SeenConversation>,
  covered: ReadonlySet<string>,
  candidates: readonly SearchHit[],
): Promise<readonly (Match | null)[]> {
  const matches = new Map<string, Match>();
  for (let from = 0; from < candidates.length; from += AT_ONCE) {
    const byConversation = new Map<SeenConversation, SearchHit[]>();
    for (const hit of candidates.slice(from, from + AT_ONCE)) {
      const its = seen.get(hit.conversation);
      if (its === undefined || !seesEntry(its, hit) || covered.has(messageKey(hit.conversation, hit.seq))) continue;
      addTo(byConversation, its, hit);
    }
    const found = await Promise.all([...byConversation].map(([its, hits]) => matchesOf(parts, query, its, hits)));
    for (const match of found.flat()) matches.set(messageKey(match.conversation, match.entry.seq), match);
  }
  return candidates.map(({ conversation, seq }) => matches.get(messageKey(conversation, seq)) ?? null);
}

async function matchesOf(
  { calls, reads, user, extract }: SearchReads,
  query: AskedQuery,
  { conversation, head, intervals }: SeenConversation,
  hits: readonly SearchHit[],
): Promise<readonly Match[]> {
  const actor = conversationKey(conversation);
  const reading = readSingles(reads.timelines, { partition: calls.partitionOf(actor), actor }, hits);
  const entries = await current(calls, reads, conversation, user, reading, { head, intervals });
  return entries.map((entry) => matchIn(query, extract, conversation, entry)).filter((match) => match !== null);
}
