import {
  isDirectConversationId,
  sequenceId,
  type ConversationId,
  type Generation,
  type SequenceId,
  type UserId,
} from '@millrace/kernel';
import {
  goneBehind,
  goneFields,
  mentionsBehind,
  mentionsUser,
  noGone,
  unreadOf,
  withMentions,
  type ConversationHead,
  type ConversationKind,
  type ConversationSummary,
  type DiffusionModeName,
  type Gone,
  type Message,
} from '@millrace/protocol';
import type { ChangeRecorder, DeviceContext, Effect } from './effects.ts';
import { comparePositions, type Position } from './position.ts';
import { applyReply, applyRevision } from './revise.ts';

/**
 * One conversation as the device knows it.
 *
 * (C1) `applied` is the last message that was delivered; every later delivery is past it, generation first.
 * (C2) `tail` holds every message that this user may see from `tailFrom` up to `applied`, in order.
 * (C3) `held` messages are past `applied`, in order, and wait because one before the first of them may be missing.
 * (C4) `msgNo` and `own` count everything up to `applied`, and nothing past it.
 */
export interface ConversationState {
  readonly conversation: ConversationId;
  kind: ConversationKind;
  title: string;
  peer: UserId | null;
  member: boolean;
  /** `read`: what comes next is pulled by sync, not pushed. */
  diffusion: DiffusionModeName;
  /** Kind and title came from the server. */
  described: boolean;
  lastAt: number;
  /** False until the first message or summary told where the conversation stands for this user. */
  anchored: boolean;
  applied: Position;
  msgNo: number;
  readSeq: SequenceId;
  readMsgNo: number;
  own: number;
  /** Behind `readSeq`, what mentions this user: as in a summary. */
  mentions: readonly SequenceId[];
  /** Behind `readSeq`, what does not count: recalled, or deleted by this user. */
  gone: Gone;
  /** Messages here of which is known that they are others now, and not what: they are read again. Rising. */
  doubted: readonly SequenceId[];
  tail: Message[];
  tailFrom: SequenceId;
  held: Message[];
  /** Where it stands, as the server has told, when that is past `applied`: something is still to be pulled. */
  ahead: Ahead | null;
}

export type Ahead = Pick<ConversationHead, 'gen' | 'seq' | 'msgNo'>;

/** What a step over one conversation works with. */
export interface StepTools {
  readonly context: DeviceContext;
  readonly effects: Effect[];
  readonly changes: ChangeRecorder;
  readonly cachedMessages: number;
}

/**
 * Where a message came from decides what a hole before it means. In the inbox's order (`inbox`) it is a message that
 * this user may not see, or one of this device's own whose ack is under way; in a page of the conversation (`page`)
 * it can only be the former; before an acknowledged message of its own (`own`), and before what comes `live`, which no
 * inbox has, others' may still be on their way.
 */
export type MessageSource = 'inbox' | 'page' | 'own' | 'live';

export function newConversation(conversation: ConversationId, gen: Generation, user: UserId): ConversationState {
  const direct = isDirectConversationId(conversation);
  return {
    conversation,
    kind: direct ? 'direct' : 'group',
    title: '',
    peer: direct ? otherOf(conversation, user) : null,
    member: true,
    diffusion: 'write',
    described: direct,
    lastAt: 0,
    anchored: false,
    applied: { gen, seq: sequenceId(0) },
    msgNo: 0,
    readSeq: sequenceId(0),
    readMsgNo: 0,
    own: 0,
    mentions: [],
    gone: noGone,
    doubted: [],
    tail: [],
    tailFrom: sequenceId(1),
    held: [],
    ahead: null,
  };
}

function otherOf(conversation: ConversationId, user: UserId): UserId {
  const [one = '', other = ''] = conversation.split('!');
  return (one === user ? other : one) as UserId;
}

/** What the server has told that is not here yet. */
export const aheadOf = ({ ahead, applied, member }: ConversationState): Ahead | null =>
  ahead !== null && member && comparePositions(ahead, applied) > 0 ? ahead : null;

/** Unread also counts what is not here yet, and there what this user's other devices have sent, until it is here. */
export function summaryOf(state: ConversationState): ConversationSummary {
  const { conversation, kind, title, peer, member, diffusion, applied, lastAt, readSeq, readMsgNo, own } = state;
  const msgNo = Math.max(state.msgNo, aheadOf(state)?.msgNo ?? 0);
  const inputs = { msgNo, readMsgNo, own, ...goneFields(state.gone) };
  const counts = { readSeq, ...inputs, unread: unreadOf(inputs) };
  const { gen, seq } = applied;
  const told = state.mentions.filter((each) => !state.gone.seqs.includes(each));
  const mentions = told.length === 0 ? {} : { mentions: told };
  return { conversation, kind, title, peer, member, diffusion, gen, seq, lastAt, ...counts, ...mentions };
}

/** One message from anywhere: delivered now, held until what is before it is here, or dropped as a repeat. */
export function applyMessage(
  state: ConversationState,
  message: Message,
  source: MessageSource,
  tools: StepTools,
): void {
  const { context, effects } = tools;
  const mine = message.from === context.user && message.deviceTag === context.deviceTag && message.n > 0;
  if (mine && source !== 'own') effects.push({ do: 'settle', conversation: state.conversation, message });
  if (!state.anchored) {
    // The first that is heard of a conversation may be the ack of an own message; the inbox tells where it begins.
    if (source === 'own') {
      hold(state, message, tools);
      return;
    }
    anchor(state, { gen: message.gen, seq: sequenceId(message.seq - 1) });
  }
  if (comparePositions(message, state.applied) <= 0) return;
  if (message.gen > state.applied.gen && message.seq <= state.applied.seq) {
    regress(state, sequenceId(message.seq - 1), tools);
  }
  const contiguous = message.seq === state.applied.seq + 1;
  const mayMiss =
    source === 'own' || source === 'live' || (source === 'inbox' && context.sendsPending(state.conversation));
  if (!contiguous && mayMiss) {
    hold(state, message, tools);
    return;
  }
  deliverHeldBefore(state, message, tools);
  deliver(state, message, tools);
  releaseContiguous(state, tools);
}

/**
 * Delivers what is held up to `completeTo`, over holes: what is missing there is not for this user to see. Null: all of
 * it.
 */
export function releaseHeld(state: ConversationState, completeTo: SequenceId | null, tools: StepTools): void {
  for (let first = state.held[0]; first !== undefined; first = state.held[0]) {
    if (completeTo !== null && first.seq > completeTo) break;
    if (!state.anchored) anchor(state, { gen: first.gen, seq: sequenceId(first.seq - 1) });
    state.held.shift();
    deliver(state, first, tools);
  }
  releaseContiguous(state, tools);
}

export function anchor(state: ConversationState, position: Position): void {
  state.anchored = true;
  state.applied = position;
  state.tailFrom = sequenceId(position.seq + 1);
}

function hold(state: ConversationState, message: Message, tools: StepTools): void {
  const at = state.held.findIndex((other) => comparePositions(other, message) >= 0);
  const other = state.held[at];
  if (other !== undefined && comparePositions(other, message) === 0) return;
  state.held.splice(at === -1 ? state.held.length : at, 0, message);
  tools.changes.conversation(state.conversation);
  tools.effects.push({ do: 'fill', conversation: state.conversation });
}

function deliverHeldBefore(state: ConversationState, message: Message, tools: StepTools): void {
  for (let first = state.held[0]; first !== undefined; first = state.held[0]) {
    const order = comparePositions(first, message);
    if (order > 0) return;
    state.held.shift();
    // A held message of an older generation whose seq was given away again was lost with it.
    const lost = first.gen < message.gen && first.seq >= message.seq;
    if (order < 0 && !lost) deliver(state, first, tools);
  }
}

/** Delivers the held messages that nothing is missing before any more. */
export function releaseContiguous(state: ConversationState, tools: StepTools): void {
  for (let first = state.held[0]; first?.seq === state.applied.seq + 1; first = state.held[0]) {
    state.held.shift();
    deliver(state, first, tools);
  }
}

function deliver(state: ConversationState, message: Message, tools: StepTools): void {
  const { context, effects, changes } = tools;
  const { seq: before } = state.applied;
  state.applied = { gen: message.gen, seq: message.seq };
  state.msgNo = message.msgNo;
  state.lastAt = Math.max(state.lastAt, message.at);
  if (message.countable && message.from === context.user && message.seq > state.readSeq) state.own += 1;
  if (message.seq > state.readSeq && mentionsUser(message, context.user)) {
    state.mentions = withMentions(state.mentions, [message.seq]);
  }
  applyReply(state, message, tools);
  if (message.type === 'control' && applyControl(state, message, tools)) {
    beginReading(state, message);
    if (message.seq > before + 1) beginAnew(state, before, message, tools);
  }
  if (tools.cachedMessages > 0) {
    state.tail.push(message);
    changes.cached(state.conversation, message);
  }
  trimTail(state, tools);
  changes.conversation(state.conversation);
  // What this user has deleted is not shown, and takes its place only.
  if (message.deleted !== true) effects.push({ do: 'deliver', conversation: state.conversation, message });
  effects.push({ do: 'changed', conversation: state.conversation });
  if (!state.described) effects.push({ do: 'describe', conversation: state.conversation });
}

/**
 * The user is back, and was told of nothing meanwhile: neither of what they may see by now, nor of what became of messages
 * that are here. So none of those is kept (C2).
 */
function beginAnew(state: ConversationState, after: SequenceId, { gen, seq }: Message, tools: StepTools): void {
  const { conversation } = state;
  dropTail(state, sequenceId(0), tools);
  state.tailFrom = seq;
  tools.effects.push({ do: 'gap', conversation, gen, after, to: sequenceId(seq - 1) });
}

function trimTail(state: ConversationState, { cachedMessages, changes }: StepTools): void {
  if (cachedMessages === 0) state.tailFrom = sequenceId(state.applied.seq + 1);
  // In steps, so that a busy conversation does not move its whole array for each message.
  if (state.tail.length <= cachedMessages + Math.min(64, cachedMessages)) return;
  for (const old of state.tail.splice(0, state.tail.length - cachedMessages)) {
    changes.dropped(state.conversation, old);
    state.tailFrom = sequenceId(old.seq + 1);
  }
}

export function dropTail(state: ConversationState, after: SequenceId, { changes }: StepTools): void {
  const kept = state.tail.findIndex((message) => message.seq > after);
  if (kept === -1) return;
  for (const lost of state.tail.splice(kept)) changes.dropped(state.conversation, lost);
}

/** The server lost what came after `from`: the next message follows it, in a newer generation. */
export function regress(state: ConversationState, from: SequenceId, tools: StepTools): void {
  const { gen } = state.applied;
  if (from >= state.applied.seq) return;
  dropTail(state, from, tools);
  const { readSeq } = state;
  state.applied = { gen, seq: from };
  state.tailFrom = sequenceId(Math.min(state.tailFrom, from + 1));
  state.msgNo = state.tail.at(-1)?.msgNo ?? Math.min(state.msgNo, state.readMsgNo);
  state.readSeq = sequenceId(Math.min(readSeq, from));
  state.readMsgNo = Math.min(state.readMsgNo, state.msgNo);
  state.own = ownInTail(state, tools.context.user) ?? 0;
  state.mentions = state.mentions.filter((seq) => seq <= from);
  // The server says anew what of it is left.
  state.gone = noGone;
  state.doubted = state.doubted.filter((seq) => seq <= from);
  state.described = false;
  tools.changes.conversation(state.conversation);
  tools.effects.push({ do: 'regressed', conversation: state.conversation, gen, from });
  tools.effects.push({ do: 'changed', conversation: state.conversation });
}

interface ControlFields {
  readonly control?: unknown;
  readonly kind?: unknown;
  readonly title?: unknown;
  readonly users?: unknown;
  readonly mode?: unknown;
  readonly seq?: unknown;
  readonly author?: unknown;
  readonly body?: unknown;
  readonly bodyBase64?: unknown;
  readonly emoji?: unknown;
  readonly on?: unknown;
}

/** Reading begins with the entry that tells of the join: what was there before does not count as unread. */
export function beginReading(state: ConversationState, { seq, msgNo }: Pick<Message, 'seq' | 'msgNo'>): void {
  if (seq <= state.readSeq) return;
  state.readSeq = seq;
  state.readMsgNo = msgNo;
  state.own = 0;
  state.mentions = mentionsBehind(state.mentions, seq);
  state.gone = goneBehind(state.gone, seq);
}

/**
 * A control entry of a newer kind, or one that cannot be read, changes nothing here.
 *
 * @returns whether this user is a member from this entry on.
 */
function applyControl(state: ConversationState, message: Message, tools: StepTools): boolean {
  const body = parseControl(message.body);
  if (body === null) return false;
  const { user } = tools.context;
  applyRevision(state, message, body, user, tools);
  const concernsMe = Array.isArray(body.users) && body.users.includes(user);
  const { control, kind } = body;
  const isBegun = control === 'created' || control === 'promoted';
  if (isBegun && (kind === 'direct' || kind === 'group' || kind === 'channel')) {
    state.kind = kind;
    state.title = typeof body.title === 'string' ? body.title : '';
    state.described = true;
  }
  if (control === 'settings' && typeof body.title === 'string') state.title = body.title;
  const joined = isBegun || (control === 'joined' && concernsMe);
  if (joined) state.member = true;
  // Who comes again comes into what it is by now: only the list tells its title, and whether it is pulled.
  if (control === 'joined' && concernsMe) state.described = false;
  if ((control === 'left' || control === 'kicked') && concernsMe) {
    state.member = false;
    state.diffusion = 'write';
  }
  if (control === 'diffusion' && (body.mode === 'read' || body.mode === 'write')) state.diffusion = body.mode;
  return joined;
}

function parseControl(body: string | Uint8Array): ControlFields | null {
  if (typeof body !== 'string') return null;
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' ? value : null;
  } catch {
    return null;
  }
}

/** This user's countable messages after `readSeq`, when the tail reaches back that far. */
export function ownInTail(state: ConversationState, user: UserId): number | null {
  if (!state.anchored || state.tailFrom > state.readSeq + 1) return null;
  return state.tail.filter(({ seq, countable, from }) => countable && from === user && seq > state.readSeq).length;
}
