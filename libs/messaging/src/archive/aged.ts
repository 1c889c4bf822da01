import type { RollAsked, Tiers } from '@millrace/archive';
import { sequenceId, type ConversationId } from '@millrace/kernel';
import { decodeEntry } from '@millrace/protocol';
import { conversationKey, generationOf, type TimelineReader } from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';

/** When an entry was sequenced, by the wall clock of then; null when there is none. Rejects with StoreUnavailable. */
export async function atOf(
  timelines: TimelineReader,
  calls: Pick<ActorCalls, 'partitionOf'>,
  conversation: ConversationId,
  { head }: Tiers,
  seq: number,
): Promise<number | null> {
  const actor = conversationKey(conversation);
  const gen = generationOf(head, sequenceId(seq));
  if (gen === null) return null;
  const entry = await timelines.at(calls.partitionOf(actor), actor, { gen, seq: sequenceId(seq) });
  return entry === null ? null : decodeEntry(entry.data).at;
}

/**
 * How far the entries of a conversation are old: to its end, where it is not spoken in any more, else as many chunks as
 * are old whole. One entry of each chunk is looked at, as far as they are old.
 *
 * @param at - when an entry was sequenced, wall time.
 * @param beforeMs - what was sequenced before that is old.
 */
export async function agedRoll(
  { head, archivedTo }: Tiers,
  at: (seq: number) => Promise<number | null>,
  beforeMs: number,
  { chunkEntries, chunksMax }: Pick<RollAsked, 'chunkEntries' | 'chunksMax'>,
): Promise<RollAsked> {
  const isOld = async (seq: number): Promise<boolean> => ((await at(seq)) ?? Infinity) < beforeMs;
  const asked = { chunkEntries, chunksMax };
  if (head.seq > archivedTo && (await isOld(head.seq))) return { ...asked, upTo: head.seq, isCold: true };
  let upTo: number = archivedTo;
  for (let chunk = 0; chunk < chunksMax && upTo + chunkEntries <= head.seq; chunk += 1) {
    if (!(await isOld(upTo + chunkEntries))) break;
    upTo += chunkEntries;
  }
  return { ...asked, upTo };
}
