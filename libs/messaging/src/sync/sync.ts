import { err, MalformedBytes, ok, sequenceId, type Result, type SequenceId } from '@millrace/kernel';
import { frameError, type FrameError, type Reached, type Sync } from '@millrace/protocol';
import { cursorStatus, userKey, type Position } from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';
import type { Principal } from '../chat-service.ts';
import type { ChatReads } from '../chat.ts';
import { noteBrought, type MessageTrace } from '../trace/message-trace.ts';
import type { UserReply } from '../user/commands.ts';
import { inboxRecord, type InboxRecord } from '../user/inbox-entry.ts';
import { Answering, upToDate, type Prepared, type SyncedContent } from './answering.ts';
import { cutDelta, isInLostRecord, withReached, type InboxDelta, type ReachedSlots } from './inbox-delta.ts';
import { askPulled, orderedPage, pulledNow } from './listing.ts';
import { cutMissed, endOf, missedBehind, RECORDS_MAX, type InboxReads, type Missed } from './missed.ts';
import { cursorAtHead } from './pulls.ts';
import type { ReadAhead } from './read-ahead.ts';
import { positionsOf, readDense } from './read-messages.ts';
import { confirmed } from './recount.ts';
import { decodeSyncToken, encodeSyncToken, withSeen, type SyncToken } from './sync-token.ts';

type Query = Omit<Sync, 't' | 'id'>;

const LIMIT_DEFAULT = 500;
/** Conversations in the snapshot of a device that is too far behind; the rest are paged by `conversations`. */
const SNAPSHOT_MAX = 1_000;

/** Answers what a device has missed, from where its token says that it is. */
export async function sync(
  calls: ActorCalls,
  reads: ChatReads,
  by: Principal,
  query: Query,
  trace: Pick<MessageTrace, 'told' | 'pulled' | 'brought' | 'holds'>,
  ahead: ReadAhead,
): Promise<Result<SyncedContent, FrameError>> {
  const { timelines } = reads;
  const told = query.reached ?? [];
  const inbox = await confirmed(calls, timelines, by.user, () =>
    calls.user(by.user, { t: 'inbox', slotsOf: told.map(({ conversation }) => conversation) }),
  );
  if (!inbox.ok) return inbox;
  const { head, oldest, switched, slots } = inbox.value;
  const afresh = (regressed: boolean): ReturnType<typeof sync> => snapshot(calls, reads, by, regressed, trace);
  if (query.token === undefined) return afresh(false);
  const decoded = decodeSyncToken(by.user, query.token);
  if (!decoded.ok) return decoded;
  const reached = reachedSlots(told, slots);
  const stored = withReached(decoded.value, reached);
  const moved = withSeen(stored, query.seen);
  trace.told(by, moved.position);
  told.forEach(({ conversation, gen, seq }, index) => {
    if (typeof slots[index] === 'number') trace.holds(by, conversation, { gen, seq }, 'reached');
  });
  for (const known of [query.seen ?? moved.position, moved.position, moved.window?.to ?? moved.position]) {
    if (cursorStatus(head, known).kind === 'regressed') return afresh(true);
  }
  if (moved.position.seq + 1 < oldest) return afresh(false);
  const at = { partition: calls.partitionOf(userKey(by.user)), actor: userKey(by.user) };
  const limit = query.limit ?? LIMIT_DEFAULT;
  const read = async (after: SequenceId, upTo: SequenceId, most = RECORDS_MAX): Promise<readonly InboxRecord[]> => {
    const [from, to] = [sequenceId(after + 1), sequenceId(Math.min(upTo, after + most))];
    if (from > to) return [];
    return (await readDense(timelines, at, positionsOf(head, { from, to }), 'forward')).map(inboxRecord);
  };
  const inboxReads: InboxReads = {
    ...{ last: head.seq, limit },
    records: (after, most) => read(after, head.seq, most),
    mayGather: () => ahead.hasWindowRoom(),
  };
  try {
    let token = moved;
    if (moved.position.seq > stored.position.seq && switched > stored.position.seq) {
      // Conversations are pulled since, or not any more: what was seen by push tells which.
      if (stored.position.seq + 1 < oldest) return await afresh(false);
      const { window: _window, ...plain } = { ...stored, offset: 0 };
      token = { ...moved, cursors: await followed(plain, moved.position.seq, reached, read) };
    }
    const known = await ahead.take(by, token, head);
    // There was nothing when it was looked ahead, and there is something now.
    const isOld = known !== null && endOf(token, known.missed) === token.position.seq && head.seq > token.position.seq;
    const behind = known === null || isOld ? await missedBehind(token, inboxReads) : { token, missed: known.missed };
    ({ token } = behind);
    const { missed } = behind;
    if ('records' in missed && isInLostRecord(token, missed.records)) return await afresh(true);
    const isLast = endOf(token, missed) >= head.seq;
    const cut = (most: number): InboxDelta => cutMissed(token, missed, most, reached);
    const answering = new Answering(calls, reads, by, head, isLast, isOld ? null : (known?.prepared ?? null));
    const whole = cut(limit);
    const asked = await answering.ask(whole, limit);
    if (!asked.ok) return asked;
    if (asked.value.isLost) return await afresh(true);
    let most = limit;
    let plan = answering.plan(whole, most);
    const beginNext = (fits: boolean): void => {
      const now = plan;
      const { next } = now;
      const readNext = async (): Promise<Missed> =>
        next.window === undefined ? (await missedBehind(next, inboxReads)).missed : missed;
      const prepare = (found: Missed): Prepared =>
        answering.prepare(now, cutMissed(next, found, limit, reached), limit);
      ahead.begin(by, next, head, fits, readNext, prepare);
    };
    const isBegun = plan.hasMore && known?.fits === true;
    let answered = answering.answer(plan, most);
    // Behind what this answer asks of the store, and not behind the answer: the store is at work meanwhile.
    if (isBegun) beginNext(true);
    for (;;) {
      const answer = await answered;
      if (!answer.isTooLarge || most === 1) {
        const fits = most === limit;
        if (!plan.hasMore) ahead.end(by);
        else if (!(isBegun && fits)) beginNext(fits);
        for (const { slot, summary } of answering.pulled) {
          const cursor = token.cursors.get(slot);
          if (cursor !== undefined) trace.holds(by, summary.conversation, cursor, 'token');
        }
        for (const { summary, messages } of answer.content.conversations) {
          if (summary.diffusion === 'read') noteBrought(trace, by, summary.conversation, messages);
        }
        trace.pulled(by, answer.content.inbox, false);
        return ok(answer.content);
      }
      most = answer.fitting;
      plan = answering.plan(cut(most), most);
      answered = answering.answer(plan, most);
    }
  } catch (error) {
    if (!(error instanceof MalformedBytes)) throw error;
    return err(frameError('bad_request', 'this is no sync token of this user: sync without one'));
  }
}

function reachedSlots(told: readonly Reached[], slots: readonly (number | null)[]): ReachedSlots {
  const reached = new Map<number, Position>();
  told.forEach(({ gen, seq }, index) => {
    const slot = slots[index] ?? null;
    if (slot !== null) reached.set(slot, { gen, seq });
  });
  return reached;
}

/** The token's cursors behind the entries up to `upTo`, all of which the device has seen. */
async function followed(
  from: SyncToken,
  upTo: SequenceId,
  reached: ReachedSlots,
  read: (after: SequenceId, upTo: SequenceId) => Promise<readonly InboxRecord[]>,
): Promise<SyncToken['cursors']> {
  let token = from;
  while (token.position.seq < upTo) {
    token = cutDelta(token, await read(token.position.seq, upTo), Number.POSITIVE_INFINITY, reached).next;
  }
  return token.cursors;
}

/** For a device that is new, too far behind, or holds what was lost: where every conversation stands, without messages. */
async function snapshot(
  calls: ActorCalls,
  { timelines, heads }: ChatReads,
  by: Principal,
  regressed: boolean,
  trace: Pick<MessageTrace, 'pulled'>,
): Promise<Result<SyncedContent, FrameError>> {
  const ask = (): Promise<UserReply<'list'>> => calls.user(by.user, { t: 'list', after: null, limit: SNAPSHOT_MAX });
  const list = await confirmed(calls, timelines, by.user, ask);
  if (!list.ok) return list;
  const { head } = list.value;
  const pulled = await askPulled(heads, by.user, list.value.pulled);
  if (!pulled.ok) return pulled;
  const { conversations } = orderedPage(list.value, pulled.value.map(pulledNow), null, SNAPSHOT_MAX);
  const cursors = new Map(pulled.value.map((each) => [each.slot, cursorAtHead(each)]));
  trace.pulled(by, head, true);
  return ok({
    tooLong: true,
    regressed,
    conversations: conversations.map((summary) => ({ summary, messages: [] })),
    hasMore: false,
    inbox: { gen: head.gen, seq: head.seq },
    token: encodeSyncToken(by.user, { ...upToDate(head), cursors }),
  });
}
