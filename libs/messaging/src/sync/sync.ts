import {
  err,
  MalformedBytes,
  ok,
  sequenceId,
  type ConversationId,
  type Result,
  type SequenceId,
} from '@millrace/kernel';
import {
  frameError,
  type ConversationDelta,
  type ConversationSummary,
  type FrameError,
  type Reached,
  type Sync,
  type Synced,
  type WireEntry,
} from '@millrace/protocol';
import {
  conversationKey,
  cursorStatus,
  StoreUnavailable,
  userKey,
  type Position,
  type TimelineEntry,
  type TimelineHead,
  type TimelineReader,
} from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';
import type { Principal } from '../chat-service.ts';
import type { ChatReads } from '../chat.ts';
import type { MessageTrace } from '../trace/message-trace.ts';
import type { UserReply } from '../user/commands.ts';
import {
  cutDelta,
  isInLostRecord,
  joinPointers,
  withReached,
  type InboxDelta,
  type ReachedSlots,
} from './inbox-delta.ts';
import { orderedPage, pulledNow, type PulledNow } from './listing.ts';
import { cursorAtHead, planPulls } from './pulls.ts';
import {
  ANSWER_BYTES_MAX,
  positionsOf,
  readDense,
  survivingPart,
  wireEntry,
  type EntryRange,
} from './read-messages.ts';
import { confirmed } from './recount.ts';
import { decodeSyncToken, encodeSyncToken, noCursors, withSeen, type SyncToken } from './sync-token.ts';

type SyncedContent = Omit<Synced<WireEntry>, 't' | 'id'>;
type Query = Omit<Sync, 't' | 'id'>;

const LIMIT_DEFAULT = 500;
/** So many messages are read at first: how large they are says how many fit into an answer. */
const FIRST_MESSAGES = 20;
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
  trace: Pick<MessageTrace, 'told' | 'pulled'>,
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
    const records = await read(token.position.seq, head.seq, Math.min(RECORDS.max, Math.max(RECORDS.min, limit)));
    if (isInLostRecord(token, records)) return await afresh(true);
    const isLast = token.position.seq + records.length >= head.seq;
    const cut = (limit: number): InboxDelta => cutDelta(token, records, limit, reached);
    const known = await knownOf(calls, reads, by, cut(limit), isLast);
    if (!known.ok) return known;
    if (known.value.isLost) return await afresh(true);
    let isFirst = limit > FIRST_MESSAGES;
    for (let most = Math.min(limit, FIRST_MESSAGES); ;) {
      const answered = await answer(calls, timelines, by, known.value, cut(most), head, isLast, most);
      const { bytes, count } = sizeOf(answered);
      const fit = count === 0 ? limit : Math.floor((count * ANSWER_BYTES_MAX * 0.8) / Math.max(1, bytes));
      if (isFirst && answered.hasMore && fit > most) {
        isFirst = false;
        most = Math.min(limit, fit);
        continue;
      }
      isFirst = false;
      if (bytes <= ANSWER_BYTES_MAX || count <= 1) {
        trace.pulled(by, answered.inbox, false);
        return ok(answered);
      }
      // Large messages: as many as would fit if all were like these, and some less.
      most = Math.max(1, fit);
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

/** What is known of the conversations of one answer, whatever of them goes into it. */
interface Known {
  readonly summaries: ReadonlyMap<number, ConversationSummary>;
  readonly pulled: readonly PulledNow[];
  /** One of them has lost what the device has of it. */
  readonly isLost: boolean;
}

async function knownOf(
  calls: ActorCalls,
  { timelines, heads }: ChatReads,
  by: Principal,
  { slots, next: { cursors }, complete }: InboxDelta,
  isLast: boolean,
): Promise<Result<Known, FrameError>> {
  // Only a device that has all of the inbox goes on with what is in none.
  const asked = new Set([...slots, ...(complete && isLast ? cursors.keys() : [])]);
  const ask = (): Promise<UserReply<'summaries'>> => calls.user(by.user, { t: 'summaries', slots: [...asked] });
  const found = await confirmed(calls, timelines, by.user, ask);
  if (!found.ok) return found;
  const listed = [...found.value.summaries].map(([slot, summary]) => ({ slot, summary }));
  const pulled = await pulledNow(
    heads,
    by.user,
    listed.filter(({ summary }) => summary.diffusion === 'read'),
  );
  if (!pulled.ok) return pulled;
  const summaries = new Map(found.value.summaries);
  for (const { slot, summary } of pulled.value) summaries.set(slot, summary);
  const isLost = pulled.value.some(({ slot, head }) => {
    const cursor = cursors.get(slot);
    return cursor !== undefined && head !== null && cursorStatus(head.head, cursor).kind === 'regressed';
  });
  return ok({ summaries, pulled: pulled.value, isLost });
}

function sizeOf({ conversations }: SyncedContent): { readonly bytes: number; readonly count: number } {
  let [bytes, count] = [0, 0];
  for (const { messages } of conversations) {
    count += messages.length;
    for (const { data } of messages) bytes += data.length;
  }
  return { bytes, count };
}

async function answer(
  calls: ActorCalls,
  timelines: TimelineReader,
  by: Principal,
  { summaries, pulled }: Known,
  delta: InboxDelta,
  head: TimelineHead,
  isLast: boolean,
  limit: number,
): Promise<SyncedContent> {
  const isAtHead = delta.complete && isLast;
  const { cursors } = delta.next;
  const brought = delta.pointers.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  const plan = isAtHead ? planPulls(cursors, pulled, limit - brought) : { pulls: [], cursors, hasMore: true };
  const ranges = joinPointers(delta.pointers);
  const pulls = new Map(plan.pulls.map(({ slot, range }) => [slot, range]));
  const conversations = await Promise.all(
    [...new Set([...delta.slots, ...pulls.keys()])].map(async (slot): Promise<ConversationDelta<WireEntry> | null> => {
      const summary = summaries.get(slot);
      if (summary === undefined) return null;
      const { conversation } = summary;
      const pages = (ranges.get(slot) ?? []).map((range) => readPointer(calls, timelines, conversation, range));
      const pull = pulls.get(slot);
      if (pull !== undefined) pages.push(readDense(timelines, placeOf(calls, conversation), pull, 'forward'));
      return { summary, messages: (await Promise.all(pages)).flat().map(wireEntry) };
    }),
  );
  const next = isAtHead ? { ...upToDate(head), cursors: plan.cursors } : delta.next;
  return {
    tooLong: false,
    regressed: false,
    conversations: conversations.filter((conversation) => conversation !== null),
    hasMore: plan.hasMore,
    inbox: next.position,
    token: encodeSyncToken(by.user, next),
  };
}

const placeOf = (calls: ActorCalls, conversation: ConversationId) => {
  const actor = conversationKey(conversation);
  return { partition: calls.partitionOf(actor), actor };
};

/**
 * What a pointer points at. The conversation may have lost the end of it while the inbox kept the pointer: then what is
 * left of it is all there will ever be, and what came in its place is told by pointers of the newer generation.
 */
async function readPointer(
  calls: ActorCalls,
  timelines: TimelineReader,
  conversation: ConversationId,
  range: EntryRange,
): Promise<readonly TimelineEntry[]> {
  const at = placeOf(calls, conversation);
  try {
    return await readDense(timelines, at, range, 'forward');
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    const visible = await calls.conversation(conversation, { t: 'visible', user: null });
    const left = visible.ok ? survivingPart(visible.value.head, range) : range;
    if (left === range) throw error;
    return left === null ? [] : await readDense(timelines, at, left, 'forward');
  }
}

const upToDate = (head: TimelineHead): SyncToken => ({
  position: { gen: head.gen, seq: head.seq },
  offset: 0,
  cursors: noCursors,
});

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
