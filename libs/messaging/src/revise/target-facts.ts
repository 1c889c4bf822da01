import { sees } from '@millrace/diffusion';
import {
  err,
  ok,
  type ConversationId,
  type Generation,
  type Result,
  type SequenceId,
  type UserId,
} from '@millrace/kernel';
import { decodeEntry, frameError, type FrameError } from '@millrace/protocol';
import { conversationKey, generationOf, StoreUnavailable } from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';
import { tooOldError } from '../sync/read-messages.ts';
import type { CurrentReads } from './current.ts';
import { erasedError, isErased } from '../erase/tombstone.ts';
import { readChanges, readExtent, readRevisions } from './read-revisions.ts';
import { latestErasure, type RevisionFacts, type TargetFacts } from './revision.ts';

const ROUNDS_MAX = 3;

/**
 * Looks the message up, if the user may see it (I7, I11).
 *
 * @param user - null for the deployment's backend.
 * @param readIn - the generation that it was read in; undefined for whatever stands there now.
 * @param erasing - who is being erased: their reactions are told, and of messages that are erased already, too.
 *
 * Rejects with StoreUnavailable.
 */
export async function targetFacts(
  calls: ActorCalls,
  { timelines, records }: CurrentReads,
  conversation: ConversationId,
  user: UserId | null,
  seq: SequenceId,
  readIn?: Generation,
  erasing: UserId | null = null,
): Promise<Result<TargetFacts, FrameError>> {
  const actor = conversationKey(conversation);
  const partition = calls.partitionOf(actor);
  const reacting = erasing ?? user;
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const seen = await calls.conversation(conversation, { t: 'visible', user });
    if (!seen.ok) return seen;
    const { head, intervals, at: since } = seen.value;
    const reads = { records, partitionOf: () => partition, since };
    const tooOld = tooOldError(conversation, head, seq);
    if (tooOld !== null && sees(intervals, seq)) return err(tooOld);
    const gen = generationOf(head, seq);
    if (gen === null || !sees(intervals, seq)) {
      return err(frameError('not_found', `there is no message ${String(seq)} in ${conversation} that you may see`));
    }
    if (readIn !== undefined && readIn !== gen) {
      const message = `message ${String(seq)} of generation ${String(readIn)} in ${conversation} was lost: another one is there`;
      return err(frameError('not_found', message));
    }
    const [stored, { extent, erased }] = await Promise.all([
      timelines.at(partition, actor, { gen, seq }),
      readChanges(reads, conversation),
    ]);
    const found = extent === null ? null : await readRevisions(reads, conversation, reacting, [seq], extent, true);
    if (stored === null) throw new StoreUnavailable(`entry ${String(seq)} of ${actor} cannot be read`);
    const revision = found?.revisions.get(seq) ?? null;
    // What is not acknowledged yet is by the time that the conversation has answered once more, or is gone.
    if (revision !== null && revision.rev > head.seq) continue;
    const entry = decodeEntry(stored.data);
    if (latestErasure(erased) > head.seq) continue;
    if (erasing === null && (entry.erased === true || isErased(erased, entry, seq))) return err(erasedError(seq));
    const { from, at, countable, type, thread = null } = entry;
    const isControl = type === 'control' || type === 'void';
    const isDeleted = found?.deleted.has(seq) ?? false;
    const emojis = found?.emojis.get(seq) ?? [];
    const asOf = { gen: head.gen, asOf: head.seq };
    return ok({ seq, from, at, countable, isControl, revision, isDeleted, emojis, thread, ...asOf });
  }
  throw new StoreUnavailable(`what was changed of ${String(seq)} in ${conversation} cannot be read at the moment`);
}

/**
 * What became of one entry, whoever may see it.
 *
 * Rejects with StoreUnavailable.
 */
export async function revisionFacts(
  calls: ActorCalls,
  { records }: Pick<CurrentReads, 'records'>,
  conversation: ConversationId,
  seq: SequenceId,
): Promise<Result<RevisionFacts, FrameError>> {
  const partition = calls.partitionOf(conversationKey(conversation));
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const seen = await calls.conversation(conversation, { t: 'visible', user: null });
    if (!seen.ok) return seen;
    const { head, at: since } = seen.value;
    const { gen, seq: asOf } = head;
    const reads = { records, partitionOf: () => partition, since };
    const extent = await readExtent(reads, conversation);
    const found = extent === null ? null : await readRevisions(reads, conversation, null, [seq], extent);
    const revision = found?.revisions.get(seq) ?? null;
    if (revision === null || revision.rev <= asOf) return ok({ seq, revision, gen, asOf });
  }
  throw new StoreUnavailable(`what was changed of ${String(seq)} in ${conversation} cannot be read at the moment`);
}
