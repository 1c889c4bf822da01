import {
  directConversationId,
  err,
  isLobbyId,
  ok,
  type ConversationId,
  type Random,
  type Result,
} from '@millrace/kernel';
import { frameError, type Create, type Created, type FrameError } from '@millrace/protocol';
import type { SearchIndex } from '@millrace/search';
import { conversationKey } from '@millrace/timeline';
import type { ActorCalls } from './actor-calls.ts';
import { answered } from './answered.ts';
import type { ChatService, Principal } from './chat-service.ts';
import type { LookedUp } from './conversation/commands.ts';
import { addInChunks, firstMembers } from './add-members.ts';
import { mayWatch } from './cluster/presence.ts';
import { moderationOver } from './moderation-chat.ts';
import { Asking, orderKey, type AckContent } from './revise/asking.ts';
import type { CurrentReads } from './revise/current.ts';
import { forwardLookedUp, type Forwarded } from './revise/forwarded.ts';
import { InOrder } from './revise/in-order.ts';
import { type FieldRules, noFieldRules } from './indexing/field-rules.ts';
import { replyLookedUp } from './revise/looked-up.ts';
import { reviseOver } from './revise/revise-chat.ts';
import type { DueJobs } from './scheduled/due-jobs.ts';
import { scheduleOver } from './scheduled/schedule-chat.ts';
import { searchOver } from './search/search-chat.ts';
import { extractionBy } from './search/searchable.ts';
import { history } from './sync/history.ts';
import { decodeListCursor, encodeListCursor } from './sync/list-cursor.ts';
import { askPulled, orderedPage, pulledNow, type HeadsOf } from './sync/listing.ts';
import { markRead } from './sync/mark-read.ts';
import type { ReadAhead } from './sync/read-ahead.ts';
import { readers } from './sync/readers.ts';
import { confirmed } from './sync/recount.ts';
import { sync } from './sync/sync.ts';
import { thread } from './sync/thread.ts';
import { type MessageTrace, noteBrought } from './trace/message-trace.ts';
import { transferOver, type TransferService } from './transfer/transfer-service.ts';

const MEMBERS_DEFAULT = 200;
const CONVERSATIONS_DEFAULT = 100;

/** Where a `create` goes: a direct conversation is named by its two members, any other by its creator or by us. */
function createTarget(
  by: Principal['user'],
  command: Omit<Create, 't' | 'id'>,
  random: Random,
): Result<ConversationId, FrameError> {
  if (command.kind !== 'direct') {
    const prefix = command.kind === 'lobby' ? '~' : 'g-';
    const id = command.conversation ?? (`${prefix}${random.id()}` as ConversationId);
    if (isLobbyId(id) === (command.kind === 'lobby')) return ok(id);
    return err(frameError('bad_request', 'an id that begins with `~` belongs to a lobby, and only to one'));
  }
  const [peer, ...others] = command.members.filter((user) => user !== by);
  if (peer === undefined || others.length > 0) {
    return err(frameError('bad_request', 'a direct conversation is created with exactly one other user in members'));
  }
  const id = directConversationId(by, peer);
  if (command.conversation !== undefined && command.conversation !== id) {
    return err(
      frameError('bad_request', `a direct conversation has no id of your choosing: leave it out, or give ${id}`),
    );
  }
  return ok(id);
}

/**
 * Without the id that we chose, the same `create` again would make a second conversation when the first one was made
 * after all.
 */
function namedHere(error: FrameError, id: ConversationId): FrameError {
  if (error.code !== 'unavailable') return error;
  return { ...error, message: `${error.message} (it may exist by now: give conversation ${id} when you try again)` };
}

/** The conversation is there, but not all of its members are. */
const madeAlready = (error: FrameError, id: ConversationId): FrameError => ({
  ...error,
  message: `${error.message} (conversation ${id} exists: give it when you try again)`,
});

/** What concerns the sockets of this node, and no actor's command. */
type OfSockets = 'attach' | 'away' | 'open' | 'connected' | 'detach' | 'watch' | 'unwatch';

/** Where what is stored is read from, past the actors' own memory. */
export interface ChatReads extends CurrentReads {
  readonly heads: HeadsOf;
}

/** The service over the actors: says which actor is asked what, and reads Timelines for what may be seen of them. */
export function chatOver(
  calls: ActorCalls,
  reads: ChatReads,
  random: Random,
  trace: MessageTrace,
  ahead: ReadAhead,
  search: SearchIndex | null,
  searchRules: FieldRules = noFieldRules,
  jobs: DueJobs | null = null,
): Omit<ChatService, OfSockets> & TransferService {
  const { timelines } = reads;
  const order = new InOrder();
  const asking = new Asking(calls, order);
  const createAs = async (
    creator: Principal['user'],
    command: Omit<Create, 't' | 'id'>,
  ): Promise<Result<Omit<Created, 't' | 'id'>, FrameError>> => {
    const target = createTarget(creator, command, random);
    if (!target.ok) return target;
    const created = await calls.conversation(target.value, {
      t: 'create',
      creator,
      kind: command.kind,
      title: command.title ?? '',
      members: firstMembers(command.members),
      joinPolicy: command.joinPolicy ?? 'invite',
      historyPolicy: command.historyPolicy ?? 'all',
      ...(command.backlog === undefined ? {} : { backlog: command.backlog }),
      ...(command.membersMax === undefined ? {} : { membersMax: command.membersMax }),
    });
    const isNamedHere = command.kind !== 'direct' && command.conversation === undefined;
    if (!created.ok) return isNamedHere ? err(namedHere(created.error, target.value)) : created;
    const first = firstMembers(command.members).length;
    if (first === command.members.length) return created;
    const added = await addInChunks(calls, target.value, creator, command.members, first);
    return added.ok ? created : err(madeAlready(added.error, target.value));
  };
  const publishKeyed: ChatService['publishKeyed'] = ({ conversation, replyTo, ...send }) => {
    const look = async () =>
      replyTo === undefined ? ok({}) : await replyLookedUp(calls, reads, conversation, send.from, replyTo);
    return asking.looked<LookedUp, AckContent>(look, (looked) =>
      calls.conversation(conversation, { t: 'publishKeyed', ...send, looked }),
    );
  };
  return {
    ...moderationOver(calls),
    ...scheduleOver({ calls, jobs, random, publishKeyed }),
    ...reviseOver(calls, reads, asking),
    ...transferOver(calls, reads, answered),
    ...searchOver(calls, reads, search, extractionBy(searchRules)),
    mayWatch: (by, users) => mayWatch(calls, by.user, users),
    publish(by, send, answer) {
      const { conversation, replyTo } = send;
      if (replyTo !== undefined) {
        const look = () => replyLookedUp(calls, reads, conversation, by.user, replyTo);
        asking.numbered(by, conversation, look, (looked) => ({ t: 'publish', by, send, looked }), answer);
        return;
      }
      const key = conversationKey(send.conversation);
      const go = (): void => {
        calls.post(key, { t: 'publish', by, send }, answer as (outcome: Result<unknown, FrameError>) => void, 'client');
      };
      if (order.size === 0) go();
      else order.run(orderKey(by, send.conversation), go);
    },
    forward(by, { conversation, source, ...numbered }, answer) {
      const look = () => forwardLookedUp(calls, reads, by.user, source);
      const command = ({ looked, ...content }: Forwarded) =>
        ({ t: 'publish', by, send: { conversation, ...numbered, ...content }, looked }) as const;
      asking.numbered(by, conversation, look, command, answer);
    },
    create: (by, command) => createAs(by.user, command),
    join: (by, { conversation }) => calls.conversation(conversation, { t: 'join', user: by.user }),
    leave: (by, { conversation }) => calls.conversation(conversation, { t: 'leave', user: by.user }),
    invite: (by, { conversation, users }) => calls.conversation(conversation, { t: 'invite', by: by.user, users }),
    kick: (by, { conversation, users }) => calls.conversation(conversation, { t: 'kick', by: by.user, users }),
    setRole: (by, { conversation, user, role }) =>
      calls.conversation(conversation, { t: 'role', by: by.user, user, role }),
    async read(by, command) {
      const outcome = await answered(() => markRead(calls, reads, by.user, command));
      if (outcome.ok) trace.receipt(by, command.conversation, command.seq, 'read');
      return outcome;
    },
    async delivered(by, { conversation, seq }) {
      const outcome = await calls.conversation(conversation, { t: 'delivered', user: by.user, seq });
      if (outcome.ok) trace.receipt(by, conversation, seq, 'delivered');
      return outcome;
    },
    typing(by, { conversation }) {
      calls.post(conversationKey(conversation), { t: 'typing', user: by.user }, () => undefined, 'client');
    },
    async history(by, query) {
      const page = await answered(() => history(calls, reads, by.user, query));
      if (page.ok) noteBrought(trace, by, page.value.conversation, page.value.messages);
      return page;
    },
    thread: (by, query) => answered(() => thread(calls, reads, by.user, query)),
    members: (by, { conversation, after, limit }) =>
      calls.conversation(conversation, {
        t: 'members',
        by: by.user,
        after: after ?? null,
        limit: limit ?? MEMBERS_DEFAULT,
      }),
    readers: (by, query) => answered(() => readers(calls, timelines, by.user, query)),
    async conversations(by, { after, limit }) {
      const cursor = after === undefined ? ok(null) : decodeListCursor(after);
      if (!cursor.ok) return cursor;
      const page = { t: 'list', after: cursor.value, limit: limit ?? CONVERSATIONS_DEFAULT } as const;
      return answered(async () => {
        const list = await confirmed(calls, timelines, by.user, () => calls.user(by.user, page));
        if (!list.ok) return list;
        const pulled = await askPulled(reads.heads, by.user, list.value.pulled);
        if (!pulled.ok) return pulled;
        const { conversations, next } = orderedPage(list.value, pulled.value.map(pulledNow), page.after, page.limit);
        return ok({ conversations, next: next === null ? null : encodeListCursor(next) });
      });
    },
    sync: (by, query) => answered(() => sync(calls, reads, by, query, trace, ahead)),
    info: (conversation) => calls.conversation(conversation, { t: 'info' }),
    publishKeyed,
    forwardKeyed({ conversation, source, ...keyed }) {
      const look = () => forwardLookedUp(calls, reads, keyed.from, source);
      return asking.looked<Forwarded, AckContent>(look, (content) =>
        calls.conversation(conversation, { t: 'publishKeyed', ...keyed, ...content }),
      );
    },
    createFor: createAs,
    addMembers: (conversation, users) => addInChunks(calls, conversation, null, users),
    removeMembers: (conversation, users) => calls.conversation(conversation, { t: 'kick', by: null, users }),
    assignRole: (conversation, user, role) => calls.conversation(conversation, { t: 'role', by: null, user, role }),
    listReaders: (query) => answered(() => readers(calls, timelines, null, query)),
    listMembers: ({ conversation, after, limit }) =>
      calls.conversation(conversation, {
        t: 'members',
        by: null,
        after: after ?? null,
        limit: limit ?? MEMBERS_DEFAULT,
      }),
  };
}
