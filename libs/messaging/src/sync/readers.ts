import { sees } from '@millrace/diffusion';
import { err, type Result, type UserId } from '@millrace/kernel';
import { decodeEntry, frameError, type FrameError, type ListReaders, type Readers } from '@millrace/protocol';
import { conversationKey, generationOf, type TimelineReader } from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';
import { readEntry, tooOldError } from './read-messages.ts';

const LIMIT_DEFAULT = 200;

/**
 * Who has read one entry, for one who may see it (I7, I11). Its author does not count, and is looked up in the Timeline,
 * outside of the actor, which does no I/O.
 *
 * @param user - who asks; null for the deployment's backend.
 */
export async function readers(
  calls: ActorCalls,
  timelines: TimelineReader,
  user: UserId | null,
  { conversation, seq, list, after, limit }: Omit<ListReaders, 't' | 'id'>,
): Promise<Result<Omit<Readers, 't' | 'id'>, FrameError>> {
  const seen = await calls.conversation(conversation, { t: 'visible', user });
  if (!seen.ok) return seen;
  const { head, intervals } = seen.value;
  const tooOld = tooOldError(conversation, head, seq);
  if (tooOld !== null && sees(intervals, seq)) return err(tooOld);
  const gen = generationOf(head, seq);
  if (gen === null || !sees(intervals, seq)) {
    return err(frameError('not_found', `there is no entry ${String(seq)} in ${conversation} that you may see`));
  }
  const actor = conversationKey(conversation);
  const entry = await readEntry(timelines, { partition: calls.partitionOf(actor), actor }, { gen, seq });
  const author = decodeEntry(entry.data).from;
  const page = { list: list ?? null, after: after ?? null, limit: limit ?? LIMIT_DEFAULT };
  return calls.conversation(conversation, { t: 'readers', by: user, seq, author, ...page });
}
