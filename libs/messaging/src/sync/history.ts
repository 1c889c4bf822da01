import { lastVisible } from '@millrace/diffusion';
import { err, isLobbyId, ok, sequenceId, type Result, type SequenceId, type UserId } from '@millrace/kernel';
import { frameError, type FrameError, type History, type Page, type WireEntry } from '@millrace/protocol';
import {
  ByteBudget,
  conversationKey,
  cursorStatus,
  generationOf,
  keptFrom,
  type TimelineEntry,
  type TimelineHead,
} from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';
import { current, type CurrentReads } from '../revise/current.ts';
import { ANSWER_BYTES_MAX, planPage, positionsOf, readDense, withinBytes } from './read-messages.ts';

export const PAGE_DEFAULT = 50;

/** What the reader holds of the generation that they name, and is lost; null when nothing is. */
export function lostBefore(
  head: TimelineHead,
  { direction, from, gen }: Pick<History, 'direction' | 'from' | 'gen'>,
): { readonly from: SequenceId; readonly message: string } | null {
  if (gen === undefined || from === undefined) return null;
  // Going forward the reader has what is before `from`; going backward it has `from` itself.
  const seq = sequenceId(Math.max(0, direction === 'forward' ? from - 1 : from));
  const status = cursorStatus(head, { gen, seq });
  if (status.kind !== 'regressed') return null;
  return {
    from: status.from,
    message: `what came after seq ${String(status.from)} in generation ${String(gen)} was lost`,
  };
}

/** A page of a conversation, in either direction, of what the asker may see (I7, I11). */
export async function history(
  calls: ActorCalls,
  reads: CurrentReads,
  user: UserId | null,
  query: Omit<History, 't' | 'id'>,
): Promise<Result<Omit<Page<WireEntry>, 't' | 'id'>, FrameError>> {
  const { conversation, direction } = query;
  if (isLobbyId(conversation)) {
    const { conversation: _conversation, ...asked } = query;
    const kept = await calls.conversation(conversation, { t: 'kept', user, query: asked });
    if (!kept.ok) return kept;
    if (kept.value !== null) return ok(kept.value);
  }
  const seen = await calls.conversation(conversation, { t: 'visible', user });
  if (!seen.ok) return seen;
  const { head, intervals } = seen.value;
  const lost = lostBefore(head, query);
  if (lost !== null) return err(frameError('regressed', lost.message, { from: lost.from }));
  const from = query.from ?? (direction === 'forward' ? sequenceId(1) : head.seq);
  const { ranges, hasMore } = planPage({ head, intervals, direction, from, limit: query.limit ?? PAGE_DEFAULT });
  const actor = conversationKey(conversation);
  const at = { partition: calls.partitionOf(actor), actor };
  const budget = new ByteBudget(ANSWER_BYTES_MAX + 1);
  const pages = Promise.all(
    ranges.map((range) => readDense(reads.timelines, at, positionsOf(head, range), direction, budget)),
  );
  const fitting = pages.then((read) => withinBytes(uncut(read, ranges)));
  // What was edited may be longer now than it was stored.
  const messages = withinBytes(await current(calls, reads, conversation, user, fitting, seen.value));
  const wanted = ranges.reduce((sum, range) => sum + range.to - range.from + 1, 0);
  const last = lastVisible(intervals, head.seq);
  return ok({
    conversation,
    messages,
    hasMore: hasMore || messages.length < wanted,
    head: { gen: generationOf(head, last) ?? head.gen, seq: last },
    ...(keptFrom(head) > 1 ? { first: keptFrom(head) } : {}),
  });
}

/** What was read of the ranges: what comes behind one that was cut short would leave a hole. */
function uncut(
  pages: readonly (readonly TimelineEntry[])[],
  ranges: readonly { readonly from: SequenceId; readonly to: SequenceId }[],
): readonly TimelineEntry[] {
  const cut = pages.findIndex((page, index) => {
    const range = ranges[index];
    return range !== undefined && page.length < range.to - range.from + 1;
  });
  return (cut < 0 ? pages : pages.slice(0, cut + 1)).flat();
}
