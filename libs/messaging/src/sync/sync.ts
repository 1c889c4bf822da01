import { err, MalformedBytes, ok, sequenceId, type Result, type SequenceId } from '@millrace/kernel';
import { frameError, type FrameError, type Reached, type Sync } from '@millrace/protocol';
import { cursorStatus, userKey, type Position, type TimelineEntry } from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';
import type { Principal } from '../chat-service.ts';
import type { ChatReads } from '../chat.ts';
import { noteBrought, type MessageTrace } from '../trace/message-trace.ts';
import type { UserReply } from '../user/commands.ts';
import type { AnswerReads } from './answer-reads.ts';
import { Answering, upToDate, type SyncedContent } from './answering.ts';
import { cutDelta, isInLostRecord, withReached, type InboxDelta, type ReachedSlots } from './inbox-delta.ts';
import { orderedPage, pulledNow } from './listing.ts';
import { cursorAtHead } from './pulls.ts';
import type { ReadAhead } from './read-ahead.ts';
import { positionsOf, readDense } from './read-messages.ts';
import { confirmed } from './recount.ts';
import { decodeSyncToken, encodeSyncToken, withSeen, type SyncToken } from './sync-token.ts';

type Query = Omit<Sync, 't' | 'id'>;

const LIMIT_DEFAULT = 500;
/** Inbox records read at a time: as many as messages are wanted, within these. */
const RECORDS = { min: 100, max: 1_000 };
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
  for (const known of [query.seen ?? moved.position, moved.position]) {
    if (cursorStatus(head, known).kind === 'regressed') return afresh(true);
  }
  if (moved.position.seq + 1 < oldest) return afresh(false);
  const at = { partition: calls.partitionOf(userKey(by.user)), actor: userKey(by.user) };
  const limit = query.limit ?? LIMIT_DEFAULT;
  const read = async (after: SequenceId, upTo: SequenceId, most = RECORDS.max): Promise<readonly TimelineEntry[]> => {
    const [from, to] = [sequenceId(after + 1), sequenceId(Math.min(upTo, after + most))];
    return from > to ? [] : readDense(timelines, at, positionsOf(head, { from, to }), 'forward');
  };
  try {
    let token = moved;
    if (moved.position.seq > stored.position.seq && switched > stored.position.seq) {
      // Conversations are pulled since, or not any more: what was seen by push tells which.
      if (stored.position.seq + 1 < oldest) return await afresh(false);
      token = { ...moved, cursors: await followed({ ...stored, offset: 0 }, moved.position.seq, reached, read) };
    }
    // Each brings a message at least, as a rule: more of them than messages are wanted would be read for nothing.
    const readFrom = (after: SequenceId): Promise<readonly TimelineEntry[]> =>
      read(after, head.seq, Math.min(RECORDS.max, Math.max(RECORDS.min, limit)));
    const known = await ahead.take(by.user, token.position, head);
    const records = known?.records ?? (await readFrom(token.position.seq));
    if (isInLostRecord(token, records)) return await afresh(true);
    const isLast = token.position.seq + records.length >= head.seq;
    const cut = (most: number): InboxDelta => cutDelta(token, records, most, reached);
    const answering = new Answering(calls, reads, by, head, isLast, known?.messages ?? null);
    let delta = cut(limit);
    const asked = await answering.ask(delta, limit);
    if (!asked.ok) return asked;
    if (asked.value.isLost) return await afresh(true);
    const beginNext = (fits: boolean): void => {
      const { next } = delta;
      const readNext = (): Promise<readonly TimelineEntry[]> => readFrom(next.position.seq);
      const messagesOf = (found: readonly TimelineEntry[]): AnswerReads =>
        answering.readAhead(cutDelta(next, found, limit, reached));
      ahead.begin(by.user, next.position, head, fits, readNext, messagesOf);
    };
    const isBegun = !isLast && known?.fits === true;
    let most = limit;
    let answered = answering.answer(delta, most);
    // Behind what this answer asks of the store, and not behind the answer: the store is at work meanwhile.
    if (isBegun) beginNext(true);
    for (;;) {
      const answer = await answered;
      if (!answer.isTooLarge || most === 1) {
        const fits = most === limit;
        if (!isLast && !(isBegun && fits)) beginNext(fits);
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
      delta = cut(most);
      answered = answering.answer(delta, most);
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
  read: (after: SequenceId, upTo: SequenceId) => Promise<readonly TimelineEntry[]>,
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
  const pulled = await pulledNow(heads, by.user, list.value.pulled);
  if (!pulled.ok) return pulled;
  const { conversations } = orderedPage(list.value, pulled.value, null, SNAPSHOT_MAX);
  const cursors = new Map(
    pulled.value.map((each, index) => [
      each.slot,
      cursorAtHead(each, list.value.pulled[index]?.summary ?? each.summary),
    ]),
  );
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
