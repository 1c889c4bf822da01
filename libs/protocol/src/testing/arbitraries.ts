import fc, { type Arbitrary } from 'fast-check';
import type { SequenceId } from '@millrace/kernel';
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
import {
  body,
  c,
  conversation,
  count,
  device,
  gen,
  id,
  limit,
  position,
  positive,
  seq,
  someUsers,
  storedSeq,
  text,
  token,
  user,
  withPartly,
} from './arbitrary-parts.ts';
import { listScheduled, schedule, scheduled, unschedule } from './scheduled-arbitraries.ts';
import { foundWith, search } from './search-arbitraries.ts';

// Every frame that protocol v1 allows, as fast-check arbitraries.

const yes = fc.constant<true>(true);

const reached = fc.array(fc.record({ conversation, gen, seq }), { maxLength: 3 });

const mentionAllBy = fc.constantFrom('admins', 'members');

/** A change of a message: numbered like one. */
function numbered<const T extends string, More extends object = object>(
  t: Arbitrary<T>,
  more: { [Name in keyof More]: Arbitrary<More[Name]> } = {} as { [Name in keyof More]: Arbitrary<More[Name]> },
) {
  return positive.chain((n) => {
    const fixed = fc.record({ t, id, conversation, n: fc.constant(n), sentAt: count, seq: storedSeq });
    const base = fc.tuple(fixed, fc.record(more)).map(([one, other]) => ({ ...one, ...other }));
    return withPartly(base, { after: fc.oneof(fc.constant(n - 1), fc.nat({ max: n - 1 })), gen });
  });
}

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
      {
        after: fc.oneof(fc.constant(n - 1), fc.nat({ max: n - 1 })),
        mentions: someUsers,
        mentionAll: yes,
        replyTo: storedSeq,
      },
    ),
  ),
  forward: positive.chain((n) =>
    withPartly(
      fc.record({
        ...{ t: c('forward'), id, conversation, n: fc.constant(n), sentAt: count },
        source: fc.record({ conversation, seq: storedSeq }),
      }),
      { after: fc.oneof(fc.constant(n - 1), fc.nat({ max: n - 1 })) },
    ),
  ),
  edit: numbered(c('edit'), { body }),
  recall: withPartly(numbered(c('recall')), { reason: fc.constantFrom('off topic', 'x'.repeat(200), '好') }),
  react: numbered(c('react'), { emoji: fc.constantFrom('👍', '🫶🏽', 'x'.repeat(32), '好'), on: fc.boolean() }),
  delete: withPartly(fc.record({ t: c('delete'), id, conversation, seq: storedSeq }), { gen }),
  sync: withPartly(fc.record({ t: c('sync'), id }), { token, seen: position, reached, limit: limit(1_000) }),
  history: withPartly(
    fc.record({ t: c('history'), id, conversation, direction: fc.constantFrom('forward', 'backward') }),
    { from: storedSeq, gen, limit: limit(1_000) },
  ),
  search,
  thread: withPartly(
    fc.record({ t: c('thread'), id, conversation, seq: storedSeq, direction: fc.constantFrom('forward', 'backward') }),
    { from: storedSeq, limit: limit(200) },
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
      retentionDays: fc.nat(36_500),
      lifetimeMs: fc.oneof(fc.constant(0), fc.integer({ min: 5_000, max: 31_622_400_000 })),
      pinBy: mentionAllBy,
    }),
  ),
  mute: withPartly(fc.record({ t: c('mute'), id, conversation, users: someUsers }), {
    until: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER - 1 }),
  }),
  unmute: fc.record({ t: c('unmute'), id, conversation, users: someUsers }),
  ban: fc.record({ t: c('ban'), id, conversation, users: someUsers }),
  unban: fc.record({ t: c('unban'), id, conversation, users: someUsers }),
  pin: withPartly(fc.record({ t: c('pin'), id, conversation, seq: storedSeq }), { gen }),
  unpin: withPartly(fc.record({ t: c('unpin'), id, conversation, seq: storedSeq }), { gen }),
  promote: fc.record({ t: c('promote'), id, conversation }),
  dissolve: fc.record({ t: c('dissolve'), id, conversation }),
  bans: withPartly(fc.record({ t: c('bans'), id, conversation }), { after: user, limit: limit(1_000) }),
  schedule,
  unschedule,
  scheduled: listScheduled,
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

const plainMessage: Arbitrary<Message> = withPartly(
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
  {
    mentions: someUsers,
    mentionAll: yes,
    forwardedFrom: fc.record({ conversation, seq: storedSeq, author: fc.option(user), at: count }),
    rev: storedSeq,
    replies: fc.record({ count: positive, last: storedSeq }),
    reactions: fc.array(fc.record({ emoji: text(8), count: positive, users: fc.array(user, { maxLength: 3 }) }), {
      minLength: 1,
      maxLength: 3,
    }),
    editedAt: count,
    recalled: fc.record({ by: fc.option(user), at: count }),
    deleted: yes,
    erased: yes,
  },
);

/** What it answers and the thread that it stands in are there together. */
export const message: Arbitrary<Message> = fc
  .tuple(plainMessage, fc.option(fc.record({ replyTo: storedSeq, thread: storedSeq })))
  .map(([base, reply]) => ({ ...base, ...reply }));

const messages = fc.array(message, { maxLength: 4 });

const unreadFields = { msgNo: count, readSeq: seq, readMsgNo: count, own: count, unread: count } satisfies {
  [Name in keyof Required<UnreadInputs> as Name extends 'gone' | 'goneSeqs' ? never : Name]: Arbitrary<
    UnreadInputs[Name]
  >;
};

/** Rising, as a list of positions is. */
const someSeqs: Arbitrary<readonly SequenceId[]> = fc
  .uniqueArray(storedSeq, { minLength: 1, maxLength: 3 })
  .map((seqs) => seqs.sort((one, other) => one - other));

/** With what is gone, or nothing of it. */
const withGone = <T extends object>(base: Arbitrary<T>) =>
  fc
    .tuple(base, fc.option(fc.record({ gone: count, goneSeqs: someSeqs })))
    .map(([fields, gone]) => ({ ...fields, ...gone }));

const summary: Arbitrary<ConversationSummary> = withPartly(
  withGone(
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
  ),
  { mentions: fc.array(storedSeq, { minLength: 1, maxLength: 3 }) },
);

const pushItem: Arbitrary<PushItem> = fc.oneof(
  fc.record({ conversation, messages }),
  fc.record({ conversation, read: withGone(fc.record({ readSeq: seq, readMsgNo: count, own: count })) }),
);
const hint: Arbitrary<PushItem> = fc.record({
  conversation,
  hint: fc.record({ gen, seq: storedSeq, why: fc.constantFrom('mention', 'control') }),
});
const deletion: Arbitrary<PushItem> = fc.record({
  conversation,
  deleted: fc.record({ seq: storedSeq, counted: fc.boolean() }),
});
/** Hints stand behind everything else, and deletions behind these, as a binary push has them. */
const pushItems = fc
  .tuple(fc.array(pushItem, { maxLength: 3 }), fc.array(hint, { maxLength: 2 }), fc.array(deletion, { maxLength: 2 }))
  .map(([items, hints, deletions]) => [...items, ...hints, ...deletions]);

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
    conversations: fc.array(withPartly(fc.record({ summary, messages }), { deleted: someSeqs }), { maxLength: 3 }),
    hasMore: fc.boolean(),
    inbox: position,
    token,
  }),
  page: withPartly(fc.record({ t: c('page'), id, conversation, messages, hasMore: fc.boolean(), head: position }), {
    first: storedSeq,
  }),
  found: foundWith(message),
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
  scheduled,
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
      pinBy: mentionAllBy,
      memberCount: count,
      role: fc.constantFrom('owner', 'admin', 'member'),
    }),
    {
      mutedUntil: fc.option(positive),
      pinned: fc.array(fc.record({ seq: storedSeq, by: fc.option(user), at: count }), { minLength: 1, maxLength: 3 }),
      blocked: fc.boolean(),
      retentionDays: fc.integer({ min: 1, max: 36_500 }),
      lifetimeMs: fc.integer({ min: 5_000, max: 31_622_400_000 }),
    },
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
  read: withGone(fc.record({ t: c('read'), id, conversation, ...unreadFields })),
  pong: fc.record({ t: c('pong'), id, serverTime: count }),
  push: fc.record({ t: c('push'), gen, prev: seq, seq, items: pushItems }),
  live: fc.record({ t: c('live'), conversation, gen, prev: seq, seq: storedSeq, messages }),
  heads: fc.record({
    t: c('heads'),
    heads: fc.array(
      withPartly(fc.record({ conversation, gen, seq, msgNo: count }), {
        mentionAll: fc.array(storedSeq, { minLength: 1, maxLength: 3 }),
      }),
      { maxLength: 3 },
    ),
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
    case 'found':
      return { ...frame, hits: frame.hits.map((hit) => ({ ...hit, message: wired(hit.message) })) };
    case 'synced':
      return {
        ...frame,
        conversations: frame.conversations.map((delta) => ({ ...delta, messages: delta.messages.map(wired) })),
      };
    default:
      return frame;
  }
}
