import fc, { type Arbitrary } from 'fast-check';
import {
  generation,
  sequenceId,
  type ConversationId,
  type DeviceId,
  type Generation,
  type SequenceId,
  type UserId,
} from '@millrace/kernel';
import { encodeEntry, messageTypes, WireEntry } from '../entry.ts';
import { errorRetry, type ErrorCode } from '../errors.ts';
import type {
  ClientFrame,
  ConversationSummary,
  ErrorFrame,
  Message,
  PushItem,
  ServerFrame,
  UnreadInputs,
} from '../frames.ts';
import { ackedLevels, ackLevels } from '../json/server-frame-decoders.ts';
import { requestIdMax } from '../limits.ts';

// Every frame that protocol v1 allows, as fast-check arbitraries.

const id = fc.integer({ min: 1, max: requestIdMax });
const count = fc.oneof(fc.integer({ min: 0, max: 200 }), fc.maxSafeNat());
const positive = fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }));
const seq: Arbitrary<SequenceId> = count.map(sequenceId);
const storedSeq: Arbitrary<SequenceId> = positive.map(sequenceId);
const gen: Arbitrary<Generation> = count.map(generation);
const name = fc.stringMatching(/^[A-Za-z0-9._~@:%+=-]{1,64}$/);
const user = name as Arbitrary<UserId>;
const device = name as Arbitrary<DeviceId>;
const conversation = fc.oneof(
  name,
  fc.tuple(name, name).map(([one, other]) => `${one}!${other}`),
) as Arbitrary<ConversationId>;
const text = (maxLength: number): Arbitrary<string> => fc.string({ unit: 'binary', maxLength });
const body = fc.oneof(
  text(100),
  fc.constantFrom('', '\uFEFFa text may begin with U+FEFF', '你好，世界', '👩‍👩‍👧‍👦', '\u0000\u2028"\\'),
  fc.uint8Array({ maxLength: 100 }),
);
const position = fc.record({ gen, seq });
const token = text(60);

/** Fields that are there or absent, never undefined. */
const partly = <T extends object>(fields: { [Name in keyof T]: Arbitrary<T[Name]> }): Arbitrary<Partial<T>> =>
  fc.record(fields, { requiredKeys: [] }) as Arbitrary<Partial<T>>;

const withPartly = <Base extends object, More extends object>(
  base: Arbitrary<Base>,
  more: { [Name in keyof More]: Arbitrary<More[Name]> },
): Arbitrary<Base & Partial<More>> => fc.tuple(base, partly(more)).map(([left, right]) => ({ ...left, ...right }));

const limit = (max: number): Arbitrary<number> => fc.integer({ min: 1, max });
const someUsers = fc.array(user, { minLength: 1, maxLength: 10 });
const c = <const T extends string>(t: T): Arbitrary<T> => fc.constant(t);

const yes = fc.constant<true>(true);

const reached = fc.array(fc.record({ conversation, gen, seq }), { maxLength: 3 });

const mentionAllBy = fc.constantFrom('admins', 'members');

export const clientFrames: { readonly [T in ClientFrame['t']]: Arbitrary<Extract<ClientFrame, { t: T }>> } = {
  connect: withPartly(fc.record({ t: c('connect'), id, token: fc.base64String({ minLength: 4 }), device }), {
    client: text(30),
  }),
  refresh: fc.record({ t: c('refresh'), id, token: fc.base64String({ minLength: 4 }) }),
  send: positive.chain((n) =>
    withPartly(
      fc.record({
        t: c('send'),
        id,
        conversation,
        n: fc.constant(n),
        sentAt: count,
        type: fc.constantFrom('text', 'image', 'file', 'custom'),
        body,
      }),
      { after: fc.oneof(fc.constant(n - 1), fc.nat({ max: n - 1 })), mentions: someUsers, mentionAll: yes },
    ),
  ),
  sync: withPartly(fc.record({ t: c('sync'), id }), { token, seen: position, reached, limit: limit(1_000) }),
  history: withPartly(
    fc.record({ t: c('history'), id, conversation, direction: fc.constantFrom('forward', 'backward') }),
    { from: storedSeq, gen, limit: limit(1_000) },
  ),
  conversations: withPartly(fc.record({ t: c('conversations'), id }), { after: token, limit: limit(500) }),
  members: withPartly(fc.record({ t: c('members'), id, conversation }), { after: user, limit: limit(1_000) }),
  readers: withPartly(fc.record({ t: c('readers'), id, conversation, seq: storedSeq }), {
    list: fc.constantFrom('read', 'unread', 'delivered', 'undelivered'),
    after: user,
    limit: limit(1_000),
  }),
  create: fc.constantFrom('direct', 'group', 'channel', 'lobby').chain((kind) =>
    withPartly(
      fc.record({
        t: c('create'),
        id,
        kind: fc.constant(kind),
        members: fc.array(user, kind === 'direct' ? { minLength: 1, maxLength: 1 } : { maxLength: 10 }),
      }),
      {
        conversation,
        title: text(60),
        joinPolicy: fc.constantFrom('invite', 'open'),
        historyPolicy: fc.constantFrom('join', 'all'),
        backlog: fc.nat(1_000),
        membersMax: fc.integer({ min: 1, max: 10_000 }),
      },
    ),
  ),
  join: fc.record({ t: c('join'), id, conversation }),
  leave: fc.record({ t: c('leave'), id, conversation }),
  invite: fc.record({ t: c('invite'), id, conversation, users: fc.array(user, { minLength: 1, maxLength: 10 }) }),
  kick: fc.record({ t: c('kick'), id, conversation, users: fc.array(user, { minLength: 1, maxLength: 10 }) }),
  role: fc.record({ t: c('role'), id, conversation, user, role: fc.constantFrom('owner', 'admin', 'member') }),
  settings: fc.record({ t: c('settings'), id, conversation, title: text(60) }).chain((base) =>
    withPartly(fc.constant(base), {
      joinPolicy: fc.constantFrom('invite', 'open'),
      historyPolicy: fc.constantFrom('join', 'all'),
      muted: fc.boolean(),
      slowModeMs: fc.nat(86_400_000),
      mentionAllBy,
    }),
  ),
  mute: withPartly(fc.record({ t: c('mute'), id, conversation, users: someUsers }), {
    until: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER - 1 }),
  }),
  unmute: fc.record({ t: c('unmute'), id, conversation, users: someUsers }),
  ban: fc.record({ t: c('ban'), id, conversation, users: someUsers }),
  unban: fc.record({ t: c('unban'), id, conversation, users: someUsers }),
  promote: fc.record({ t: c('promote'), id, conversation }),
  dissolve: fc.record({ t: c('dissolve'), id, conversation }),
  bans: withPartly(fc.record({ t: c('bans'), id, conversation }), { after: user, limit: limit(1_000) }),
  block: fc.record({ t: c('block'), id, user }),
  unblock: fc.record({ t: c('unblock'), id, user }),
  subscribePresence: fc.record({ t: c('subscribePresence'), id, users: someUsers }),
  unsubscribePresence: fc.record({ t: c('unsubscribePresence'), id, users: someUsers }),
  info: fc.record({ t: c('info'), id, conversation }),
  read: fc.record({ t: c('read'), id, conversation, seq: storedSeq }),
  delivered: fc.record({ t: c('delivered'), id, conversation, seq: storedSeq }),
  open: fc.record({ t: c('open'), id, conversation }),
  close: fc.record({ t: c('close'), id, conversation }),
  typing: fc.record({ t: c('typing'), conversation }),
  ping: fc.record({ t: c('ping'), id }),
};

export const clientFrame: Arbitrary<ClientFrame> = fc.oneof(...Object.values(clientFrames));

export const message: Arbitrary<Message> = withPartly(
  fc.record({
    gen,
    seq: storedSeq,
    msgNo: count,
    countable: fc.boolean(),
    from: fc.option(user),
    deviceTag: fc.integer({ min: 0, max: 0xffff_ffff }),
    n: count,
    sentAt: count,
    at: count,
    type: fc.constantFrom(...messageTypes),
    body,
  }),
  { mentions: someUsers, mentionAll: yes },
);

const messages = fc.array(message, { maxLength: 4 });
const unreadFields = { msgNo: count, readSeq: seq, readMsgNo: count, own: count, unread: count } satisfies {
  [Name in keyof UnreadInputs]: Arbitrary<UnreadInputs[Name]>;
};

const summary: Arbitrary<ConversationSummary> = withPartly(
  fc.record({
    conversation,
    kind: fc.constantFrom('direct', 'group', 'channel'),
    title: text(30),
    peer: fc.option(user),
    member: fc.boolean(),
    diffusion: fc.constantFrom('write', 'read'),
    gen,
    seq,
    lastAt: count,
    ...unreadFields,
  }),
  { mentions: fc.array(storedSeq, { minLength: 1, maxLength: 3 }) },
);

const pushItem: Arbitrary<PushItem> = fc.oneof(
  fc.record({ conversation, messages }),
  fc.record({ conversation, read: fc.record({ readSeq: seq, readMsgNo: count, own: count }) }),
);
const hint: Arbitrary<PushItem> = fc.record({
  conversation,
  hint: fc.record({ gen, seq: storedSeq, why: fc.constantFrom('mention', 'control') }),
});
/** Hints stand behind everything else, as a binary push has them. */
const pushItems = fc
  .tuple(fc.array(pushItem, { maxLength: 3 }), fc.array(hint, { maxLength: 2 }))
  .map(([items, hints]) => [...items, ...hints]);

const receiptFields = { gen, seq: storedSeq, recipients: count, delivered: count, read: count };

type ErrorDetails = Pick<Required<ErrorFrame>, 'id' | 'retryAfterMs' | 'expected' | 'from'>;

/** `out_of_order` always says what is expected, `regressed` what has survived. */
function errorOf(code: ErrorCode): Arbitrary<ErrorFrame> {
  const base = fc.record({
    t: c('error'),
    code: fc.constant(code),
    message: text(60),
    retry: fc.constant(errorRetry[code]),
    ...(code === 'out_of_order' ? { expected: positive } : {}),
    ...(code === 'regressed' ? { from: count } : {}),
  });
  return withPartly<ErrorFrame, Pick<ErrorDetails, 'id' | 'retryAfterMs'>>(base, { id, retryAfterMs: count });
}

export const serverFrames: { readonly [T in ServerFrame['t']]: Arbitrary<Extract<ServerFrame, { t: T }>> } = {
  connected: fc.record({
    t: c('connected'),
    id,
    user,
    device,
    session: text(40),
    serverTime: count,
    ackLevel: fc.constantFrom(...ackLevels),
    inbox: position,
    limits: fc.record({ frameBytes: positive, bodyBytes: positive, sendWindow: positive, idleMs: positive }),
  }),
  ok: fc.record({ t: c('ok'), id }),
  ack: fc.record({
    t: c('ack'),
    id,
    conversation,
    n: count,
    gen,
    seq: storedSeq,
    msgNo: count,
    at: count,
    level: fc.constantFrom(...ackedLevels),
    duplicate: fc.boolean(),
  }),
  synced: fc.record({
    t: c('synced'),
    id,
    tooLong: fc.boolean(),
    regressed: fc.boolean(),
    conversations: fc.array(fc.record({ summary, messages }), { maxLength: 3 }),
    hasMore: fc.boolean(),
    inbox: position,
    token,
  }),
  page: withPartly(fc.record({ t: c('page'), id, conversation, messages, hasMore: fc.boolean(), head: position }), {
    first: storedSeq,
  }),
  conversations: fc.record({
    t: c('conversations'),
    id,
    conversations: fc.array(summary, { maxLength: 3 }),
    next: fc.option(token),
  }),
  members: fc.record({
    t: c('members'),
    id,
    conversation,
    count,
    members: fc.array(
      withPartly(
        fc.record({ user, role: fc.constantFrom('owner', 'admin', 'member'), readSeq: seq, deliveredSeq: seq }),
        { mutedUntil: fc.option(positive) },
      ),
      { maxLength: 3 },
    ),
    next: fc.option(user),
  }),
  bans: fc.record({
    t: c('bans'),
    id,
    conversation,
    count,
    users: fc.array(user, { maxLength: 3 }),
    next: fc.option(user),
  }),
  info: withPartly(
    fc.record({
      t: c('info'),
      id,
      conversation,
      kind: fc.constantFrom('direct', 'group', 'channel', 'lobby'),
      title: text(30),
      joinPolicy: fc.constantFrom('invite', 'open'),
      historyPolicy: fc.constantFrom('join', 'all'),
      muted: fc.boolean(),
      slowModeMs: count,
      mentionAllBy,
      memberCount: count,
      role: fc.constantFrom('owner', 'admin', 'member'),
    }),
    { mutedUntil: fc.option(positive), blocked: fc.boolean() },
  ),
  readers: fc.record({
    t: c('readers'),
    id,
    conversation,
    ...receiptFields,
    users: fc.array(fc.record({ user, readSeq: seq, deliveredSeq: seq }), { maxLength: 3 }),
    next: fc.option(user),
  }),
  created: fc.record({ t: c('created'), id, conversation, gen, seq, fresh: fc.boolean() }),
  changed: fc.record({ t: c('changed'), id, conversation, gen, seq }),
  read: fc.record({ t: c('read'), id, conversation, ...unreadFields }),
  pong: fc.record({ t: c('pong'), id, serverTime: count }),
  push: fc.record({ t: c('push'), gen, prev: seq, seq, items: pushItems }),
  live: fc.record({ t: c('live'), conversation, gen, prev: seq, seq: storedSeq, messages }),
  heads: fc.record({
    t: c('heads'),
    heads: fc.array(fc.record({ conversation, gen, seq, msgNo: count }), { maxLength: 3 }),
  }),
  ended: fc.record({ t: c('ended'), conversation }),
  receipt: fc.record({ t: c('receipt'), conversation, user, readSeq: seq, deliveredSeq: seq }),
  presence: fc.record({
    t: c('presence'),
    users: fc.array(fc.record({ user, online: fc.boolean() }), { maxLength: 3 }),
  }),
  receipts: fc.record({
    t: c('receipts'),
    conversation,
    readers: fc.array(fc.record(receiptFields), { maxLength: 3 }),
  }),
  typing: fc.record({ t: c('typing'), conversation, user }),
  resync: fc.record({ t: c('resync'), reason: fc.constantFrom('slow', 'moved', 'regressed', 'incomplete') }),
  drain: fc.record({ t: c('drain'), deadlineMs: count }),
  error: fc.oneof(...(Object.keys(errorRetry) as ErrorCode[]).map(errorOf)),
};

export const serverFrame: Arbitrary<ServerFrame> = fc.oneof(...Object.values(serverFrames));

const wired = ({ gen: inGen, seq: at, ...fields }: Message): WireEntry => new WireEntry(inGen, at, encodeEntry(fields));

/** The frame as a server holds it: its messages in their stored form. */
export function toWire(frame: ServerFrame): ServerFrame<WireEntry> {
  switch (frame.t) {
    case 'push':
      return {
        ...frame,
        items: frame.items.map((item) => ('messages' in item ? { ...item, messages: item.messages.map(wired) } : item)),
      };
    case 'live':
    case 'page':
      return { ...frame, messages: frame.messages.map(wired) };
    case 'synced':
      return {
        ...frame,
        conversations: frame.conversations.map((delta) => ({ ...delta, messages: delta.messages.map(wired) })),
      };
    default:
      return frame;
  }
}
