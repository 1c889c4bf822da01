import { err, isLobbyId, ok, type ConversationId, type Result } from '@millrace/kernel';
import type { ChatService, MessageTrace } from '@millrace/messaging';
import {
  frameError,
  protocolLimits,
  type Close,
  type ClientFrame,
  type FrameError,
  type Open,
  type ServerFrame,
  type WireEntry,
} from '@millrace/protocol';
import type { LiveRooms } from '../live/live-rooms.ts';
import type { PresenceWatch } from '../outbound/presence-watch.ts';
import type { Session } from '../outbound/session.ts';
import type { Turnstile } from './turnstile.ts';

/** A frame of a connected session, other than those that concern the session itself. */
export type ChatFrame = Exclude<ClientFrame, { readonly t: 'connect' | 'refresh' }>;

/** What a client waits when a bound was reached and nothing tells when there will be room. */
const OVERLOAD_MS = 200;

/** Requests whose answers are long. */
const queries: ReadonlySet<ChatFrame['t']> = new Set([
  'sync',
  'history',
  'search',
  'thread',
  'conversations',
  'members',
  'readers',
  'bans',
  'scheduled',
]);
const isQuery = ({ t }: ChatFrame): boolean => queries.has(t);

export interface SubmitParts {
  readonly chat: ChatService;
  readonly presence: PresenceWatch;
  readonly trace: MessageTrace;
  readonly nowMs: () => number;
  readonly requestsInFlightMax: number;
  readonly queriesInFlightMax: number;
  /** Of all sessions of the node. */
  readonly syncs: Turnstile;
  readonly searches: Turnstile;
  /** @returns 0, or when the session's user may search again. */
  readonly takeSearch: (session: Session) => number;
  readonly rooms: Pick<LiveRooms, 'shown' | 'hidden'>;
  /** A session may have been the user's last one here that had it open. */
  readonly lobbyClosed: (session: Session, lobby: ConversationId) => void;
  /** A bug of ours; the request is answered `internal`. */
  readonly onDefect: (error: unknown) => void;
}

const overloaded = (why: string): FrameError => frameError('overloaded', why, { retryAfterMs: OVERLOAD_MS });

/** Why a request is not taken now, null when it is (I9). */
function overload(
  parts: SubmitParts,
  session: Session,
  frame: Exclude<ChatFrame, { readonly t: 'typing' }>,
): FrameError | null {
  if (session.isBlocked) return overloaded('this device does not read its answers: read them first');
  if (session.inFlight >= parts.requestsInFlightMax) {
    return overloaded(`at most ${String(parts.requestsInFlightMax)} requests may be unanswered`);
  }
  if (session.queriesInFlight >= parts.queriesInFlightMax && isQuery(frame)) {
    return overloaded(`at most ${String(parts.queriesInFlightMax)} queries may be unanswered`);
  }
  const retryAfterMs = frame.t === 'search' ? parts.takeSearch(session) : 0;
  return retryAfterMs === 0 ? null : frameError('rate_limited', 'too many searches', { retryAfterMs });
}

/**
 * Asks the chat as the session's user (I11) and answers when it has answered.
 *
 * @param heardMs - when the frame came in, monotonic.
 */
export function submit(parts: SubmitParts, session: Session, frame: ChatFrame, heardMs: number): void {
  if (frame.t === 'typing') {
    parts.chat.typing(session.principal, frame);
    return;
  }
  if (frame.t === 'ping') {
    session.answer({ t: 'pong', id: frame.id, serverTime: parts.nowMs() });
    return;
  }
  const problem = overload(parts, session, frame);
  if (problem !== null) {
    session.refuse(frame.id, problem);
    if (isNumbered(frame)) session.sendGate.refused(frame);
  } else if (isNumbered(frame)) submitNumbered(parts, session, frame, heardMs);
  else void submitRequest(parts, session, frame);
}

/** Messages, and changes of some: a device's are in order together. */
type NumberedFrame = Extract<ChatFrame, { readonly t: 'send' | 'forward' | 'edit' | 'react' | 'recall' }>;
const isNumbered = (frame: ChatFrame): frame is NumberedFrame =>
  frame.t === 'send' || frame.t === 'forward' || frame.t === 'edit' || frame.t === 'react' || frame.t === 'recall';

function submitNumbered({ chat, trace }: SubmitParts, session: Session, frame: NumberedFrame, heardMs: number): void {
  const { id, n } = frame;
  const { sendGate } = session;
  const expected = sendGate.holdsBack(frame, heardMs);
  if (expected !== null) {
    const message = `n ${String(n)} was sent, but what follows on n ${String(expected - 1)} was refused and must come first`;
    session.refuse(id, frameError('out_of_order', message, { expected }));
    return;
  }
  const gated = sendGate.sent(frame);
  session.inFlight += 1;
  const answered: Parameters<ChatService['publish']>[2] = (outcome) => {
    session.inFlight -= 1;
    sendGate.answered(gated, outcome, outcome.ok && outcome.value.duplicate);
    if (!outcome.ok) {
      session.refuse(id, outcome.error);
      return;
    }
    const { conversation, gen, seq, msgNo, at, level, duplicate } = outcome.value;
    session.answer({ t: 'ack', id, conversation, n: outcome.value.n, gen, seq, msgNo, at, level, duplicate });
    trace.accepted(session.principal, session.id, outcome.value, heardMs);
  };
  if (frame.t === 'send') chat.publish(session.principal, frame, answered);
  else if (frame.t === 'forward') chat.forward(session.principal, frame, answered);
  else if (frame.t === 'edit') chat.edit(session.principal, frame, answered);
  else if (frame.t === 'react') chat.react(session.principal, frame, answered);
  else chat.recall(session.principal, frame, answered);
}

async function submitRequest(parts: SubmitParts, session: Session, frame: Asked): Promise<void> {
  const { chat, presence, rooms, onDefect } = parts;
  const queries = isQuery(frame) ? 1 : 0;
  session.inFlight += 1;
  session.queriesInFlight += queries;
  if (frame.t === 'sync') session.syncStarted();
  const crowd = crowdOf(parts, frame);
  const entered = crowd?.enter() ?? null;
  const ticket = entered instanceof Promise ? await entered : entered;
  const outcome = await answerOf(chat, presence, session, frame, onDefect);
  if (ticket !== null) crowd?.leave(ticket);
  session.inFlight -= 1;
  session.queriesInFlight -= queries;
  if (outcome.ok) session.answer(outcome.value);
  else session.refuse(frame.id, outcome.error);
  const lobby = lobbyOf(frame, outcome);
  if (lobby !== null && frame.t === 'leave' && isOut(outcome)) session.shown.close(lobby);
  // Behind the answer, which says that it is open.
  if (lobby !== null) settleLobby(parts, session, lobby);
  else if (frame.t === 'open') rooms.shown(session, frame.conversation);
  else if (frame.t === 'close') rooms.hidden(session, frame.conversation);
  if (frame.t === 'subscribePresence' && outcome.ok) presence.tellKnown(session, frame.users);
  if (frame.t !== 'sync') return;
  // Behind the answer: what was held while the chat looked goes on from where the answer ends.
  if (outcome.ok && outcome.value.t === 'synced') session.synced(outcome.value.inbox, outcome.value.hasMore);
  else session.syncFailed();
}

/** Of what comes in crowds, where it waits for its turn. */
function crowdOf({ syncs, searches }: SubmitParts, { t }: Asked): Turnstile | null {
  if (t === 'sync') return syncs;
  return t === 'search' ? searches : null;
}

/** The lobby that the frame opens or closes on this device, if any. */
function lobbyOf(frame: Asked, outcome: Awaited<Answered>): ConversationId | null {
  if (frame.t === 'create' && frame.kind === 'lobby')
    return outcome.ok && outcome.value.t === 'created' ? outcome.value.conversation : (frame.conversation ?? null);
  const isMeant = frame.t === 'join' || frame.t === 'open' || frame.t === 'close' || frame.t === 'leave';
  return isMeant && isLobbyId(frame.conversation) ? frame.conversation : null;
}

/** Whether who asked to leave is not in it any more, or never was. */
const isOut = (outcome: Awaited<Answered>): boolean =>
  outcome.ok || outcome.error.code === 'not_found' || outcome.error.code === 'not_member';

/** Behind the answer: the device is told what comes from here on, or nothing any more. */
function settleLobby({ rooms, lobbyClosed }: SubmitParts, session: Session, lobby: ConversationId): void {
  if (session.isOpen && session.shown.has(lobby)) rooms.shown(session, lobby);
  else {
    rooms.hidden(session, lobby);
    session.shown.close(lobby);
    lobbyClosed(session, lobby);
  }
}

async function answerOf(
  chat: ChatService,
  presence: PresenceWatch,
  session: Session,
  frame: Asked,
  onDefect: (error: unknown) => void,
): Answered {
  try {
    return await ask(chat, presence, session, frame);
  } catch (error) {
    onDefect(error);
    return err(frameError('internal', 'this hit a defect of the server; it has been logged'));
  }
}

type Asked = Exclude<ChatFrame, { readonly t: NumberedFrame['t'] | 'typing' | 'ping' }>;
type Answered = Promise<Result<ServerFrame<WireEntry>, FrameError>>;

/** Makes an answer's content a frame. */
async function as<Content>(
  t: ServerFrame<WireEntry>['t'],
  id: number,
  answer: Promise<Result<Content, FrameError>>,
): Answered {
  const outcome = await answer;
  return outcome.ok ? { ok: true, value: { t, id, ...outcome.value } as unknown as ServerFrame<WireEntry> } : outcome;
}

async function open(chat: ChatService, { principal, shown }: Session, frame: Open): Promise<Result<null, FrameError>> {
  const { conversation } = frame;
  const opening = shown.begin(conversation);
  if (opening === null) return err(tooManyOpen());
  let isAllowed = false;
  try {
    const allowed = await chat.open(principal, frame);
    isAllowed = allowed.ok;
    return allowed;
  } finally {
    shown.end(conversation, opening, isAllowed);
  }
}

function close({ shown }: Session, { conversation }: Close): Result<null, FrameError> {
  shown.close(conversation);
  return ok(null);
}

/** Comes into a lobby, which opens it on this device: one of the conversations that it may have open. */
async function enter<T extends { readonly conversation: ConversationId }>(
  { shown }: Session,
  lobby: ConversationId | undefined,
  ask: () => Promise<Result<T, FrameError>>,
): Promise<Result<T, FrameError>> {
  const name = lobby ?? NO_NAME_YET;
  const opening = shown.begin(name);
  if (opening === null) return err(tooManyOpen());
  let entered: T | null = null;
  try {
    const outcome = await ask();
    if (outcome.ok) entered = outcome.value;
    return outcome;
  } finally {
    shown.end(name, opening, entered !== null && lobby !== undefined);
    if (entered !== null && lobby === undefined) shown.open(entered.conversation);
  }
}

/** Stands for a lobby whose id is the server's choice, while it is being made. No id is empty. */
const NO_NAME_YET = '' as ConversationId;

const tooManyOpen = (): FrameError =>
  frameError('limit_reached', `${String(protocolLimits.openConversations)} conversations are open: close one first`);

/** A request without what only the wire needs. */
function content<Frame extends { readonly t: string; readonly id: number }>(frame: Frame): Omit<Frame, 't' | 'id'> {
  const { t: _t, id: _id, ...rest } = frame;
  return rest;
}

function ask(chat: ChatService, presence: PresenceWatch, session: Session, frame: Asked): Answered {
  const { id } = frame;
  const { principal } = session;
  switch (frame.t) {
    case 'sync':
      return as('synced', id, chat.sync(principal, frame));
    case 'history':
      return as('page', id, chat.history(principal, frame));
    case 'search':
      return as('found', id, chat.search(principal, content(frame)));
    case 'thread':
      return as('page', id, chat.thread(principal, frame));
    case 'conversations':
      return as('conversations', id, chat.conversations(principal, frame));
    case 'members':
      return as('members', id, chat.members(principal, frame));
    case 'readers':
      return as('readers', id, chat.readers(principal, frame));
    case 'delete':
      return as('ok', id, chat.delete(principal, frame));
    case 'create':
      if (frame.kind !== 'lobby') return as('created', id, chat.create(principal, frame));
      return as(
        'created',
        id,
        enter(session, frame.conversation, () => chat.create(principal, frame)),
      );
    case 'join':
      if (!isLobbyId(frame.conversation)) return as('changed', id, chat.join(principal, frame));
      return as(
        'changed',
        id,
        enter(session, frame.conversation, () => chat.join(principal, frame)),
      );
    case 'leave':
      return as('changed', id, chat.leave(principal, frame));
    case 'invite':
      return as('changed', id, chat.invite(principal, frame));
    case 'kick':
      return as('changed', id, chat.kick(principal, frame));
    case 'role':
      return as('changed', id, chat.setRole(principal, frame));
    case 'settings':
      return as('changed', id, chat.changeSettings(principal, content(frame)));
    case 'mute':
      return as('changed', id, chat.mute(principal, frame));
    case 'unmute':
      return as('changed', id, chat.unmute(principal, frame));
    case 'ban':
      return as('changed', id, chat.ban(principal, frame));
    case 'unban':
      return as('changed', id, chat.unban(principal, frame));
    case 'pin':
      return as('changed', id, chat.pin(principal, frame));
    case 'unpin':
      return as('changed', id, chat.unpin(principal, frame));
    case 'promote':
      return as('changed', id, chat.promote(principal, frame));
    case 'dissolve':
      return as('ok', id, chat.dissolve(principal, frame));
    case 'bans':
      return as('bans', id, chat.bans(principal, frame));
    case 'block':
      return as('ok', id, chat.block(principal.user, frame));
    case 'unblock':
      return as('ok', id, chat.unblock(principal.user, frame));
    case 'schedule':
      return as('scheduled', id, chat.schedule(principal.user, content(frame)));
    case 'unschedule':
      return as('ok', id, chat.unschedule(principal.user, frame));
    case 'scheduled':
      return as('scheduled', id, chat.scheduled(principal.user, frame));
    case 'subscribePresence':
      return as('ok', id, presence.subscribe(session, frame.users));
    case 'unsubscribePresence':
      presence.unsubscribe(session, frame.users);
      return Promise.resolve(ok({ t: 'ok', id }));
    case 'info':
      return as('info', id, chat.infoFor(principal, frame));
    case 'read':
      return as('read', id, chat.read(principal, frame));
    case 'delivered':
      return as('ok', id, chat.delivered(principal, frame));
    case 'open':
      return as('ok', id, open(chat, session, frame));
    case 'close':
      return as('ok', id, Promise.resolve(close(session, frame)));
  }
}
