import { err, MalformedBytes, ok, sequenceId, type ConversationId, type Result } from '@millrace/kernel';
import {
  frameError,
  type ConversationDelta,
  type FrameError,
  type Sync,
  type Synced,
  type WireEntry,
} from '@millrace/protocol';
import {
  conversationKey,
  cursorStatus,
  StoreUnavailable,
  userKey,
  type TimelineEntry,
  type TimelineHead,
  type TimelineReader,
} from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';
import type { Principal } from '../chat-service.ts';
import type { MessageTrace } from '../trace/message-trace.ts';
import type { UserReply } from '../user/commands.ts';
import { cutDelta, isInLostRecord, joinPointers, type InboxDelta } from './inbox-delta.ts';
import {
  ANSWER_BYTES_MAX,
  positionsOf,
  readDense,
  survivingPart,
  wireEntry,
  type EntryRange,
} from './read-messages.ts';
import { confirmed } from './recount.ts';
import { decodeSyncToken, encodeSyncToken, withSeen, type SyncToken } from './sync-token.ts';

type SyncedContent = Omit<Synced<WireEntry>, 't' | 'id'>;
type Query = Omit<Sync, 't' | 'id'>;

const LIMIT_DEFAULT = 500;
/** Inbox records looked at for one answer. */
const RECORDS_MAX = 1_000;
/** Conversations in the snapshot of a device that is too far behind; the rest are paged by `conversations`. */
const SNAPSHOT_MAX = 1_000;

/** Answers what a device has missed, from where its token says that it is. */
export async function sync(
  calls: ActorCalls,
  timelines: TimelineReader,
  by: Principal,
  query: Query,
  trace: Pick<MessageTrace, 'told' | 'pulled'>,
): Promise<Result<SyncedContent, FrameError>> {
  const inbox = await confirmed(calls, timelines, by.user, () => calls.user(by.user, { t: 'inbox' }));
  if (!inbox.ok) return inbox;
  const { head, oldest } = inbox.value;
  const afresh = (regressed: boolean): ReturnType<typeof sync> =>
    snapshot(calls, timelines, by, head, regressed, trace);
  if (query.token === undefined) return afresh(false);
  const decoded = decodeSyncToken(by.user, query.token);
  if (!decoded.ok) return decoded;
  const token = withSeen(decoded.value, query.seen);
  trace.told(by, token.position);
  for (const known of [query.seen ?? token.position, token.position]) {
    if (cursorStatus(head, known).kind === 'regressed') return afresh(true);
  }
  if (token.position.seq + 1 < oldest) return afresh(false);
  const from = sequenceId(token.position.seq + 1);
  const to = sequenceId(Math.min(head.seq, from + RECORDS_MAX - 1));
  const at = { partition: calls.partitionOf(userKey(by.user)), actor: userKey(by.user) };
  const records = from > to ? [] : await readDense(timelines, at, positionsOf(head, { from, to }), 'forward');
  if (isInLostRecord(token, records)) return afresh(true);
  try {
    for (let limit = query.limit ?? LIMIT_DEFAULT; ;) {
      const delta = cutDelta(token, records, limit);
      const answered = await answer(calls, timelines, by, delta, head, !delta.complete || to < head.seq);
      if (!answered.ok) return answered;
      const { bytes, count } = sizeOf(answered.value);
      if (bytes <= ANSWER_BYTES_MAX || count <= 1) {
        trace.pulled(by, answered.value.inbox, false);
        return answered;
      }
      // Large messages: as many as would fit if all were like these, and some less.
      limit = Math.max(1, Math.floor((count * ANSWER_BYTES_MAX * 0.8) / bytes));
    }
  } catch (error) {
    if (!(error instanceof MalformedBytes)) throw error;
    return err(frameError('bad_request', 'this is no sync token of this user: sync without one'));
  }
}

function sizeOf({ conversations }: SyncedContent): { readonly bytes: number; readonly count: number } {
  const messages = conversations.flatMap((delta) => delta.messages);
  return { bytes: messages.reduce((sum, { data }) => sum + data.length, 0), count: messages.length };
}

async function answer(
  calls: ActorCalls,
  timelines: TimelineReader,
  by: Principal,
  delta: InboxDelta,
  head: TimelineHead,
  hasMore: boolean,
): Promise<Result<SyncedContent, FrameError>> {
  const ask = (): Promise<UserReply<'summaries'>> => calls.user(by.user, { t: 'summaries', slots: delta.slots });
  const found = await confirmed(calls, timelines, by.user, ask);
  if (!found.ok) return found;
  const ranges = joinPointers(delta.pointers);
  const conversations = await Promise.all(
    delta.slots.map(async (slot): Promise<ConversationDelta<WireEntry> | null> => {
      const summary = found.value.summaries.get(slot);
      if (summary === undefined) return null;
      const pages = await Promise.all(
        (ranges.get(slot) ?? []).map((range) => readPointer(calls, timelines, summary.conversation, range)),
      );
      return { summary, messages: pages.flat().map(wireEntry) };
    }),
  );
  const next = hasMore ? delta.next : upToDate(head);
  return ok({
    tooLong: false,
    regressed: false,
    conversations: conversations.filter((conversation) => conversation !== null),
    hasMore,
    inbox: next.position,
    token: encodeSyncToken(by.user, next),
  });
}

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
  const actor = conversationKey(conversation);
  const at = { partition: calls.partitionOf(actor), actor };
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

const upToDate = (head: TimelineHead): SyncToken => ({ position: { gen: head.gen, seq: head.seq }, offset: 0 });

/** For a device that is new, too far behind, or holds what was lost: where every conversation stands, without messages. */
async function snapshot(
  calls: ActorCalls,
  timelines: TimelineReader,
  by: Principal,
  head: TimelineHead,
  regressed: boolean,
  trace: Pick<MessageTrace, 'pulled'>,
): Promise<Result<SyncedContent, FrameError>> {
  // Asked after the inbox: what comes in between is in the list already, and delivered once more behind the token.
  const ask = (): Promise<UserReply<'list'>> => calls.user(by.user, { t: 'list', after: null, limit: SNAPSHOT_MAX });
  const list = await confirmed(calls, timelines, by.user, ask);
  if (!list.ok) return list;
  trace.pulled(by, head, true);
  return ok({
    tooLong: true,
    regressed,
    conversations: list.value.conversations.map((summary) => ({ summary, messages: [] })),
    hasMore: false,
    inbox: { gen: head.gen, seq: head.seq },
    token: encodeSyncToken(by.user, upToDate(head)),
  });
}
