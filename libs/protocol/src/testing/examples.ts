import type { ClientFrame, Message, ServerFrame } from '../frames.ts';

/*
 * The frames of the golden vectors: every frame at least once, with the edges that an implementation gets wrong
 * (numbers over 2^32, text outside of ASCII, bytes, nobody as the author, a text that begins with U+FEFF).
 */

interface Named<Frame> {
  readonly name: string;
  readonly frame: Frame;
}

// Written as the wire has them: ids are plain texts and numbers here.
const client = (name: string, frame: object): Named<ClientFrame> => ({ name, frame: frame as ClientFrame });
const server = (name: string, frame: object): Named<ServerFrame> => ({ name, frame: frame as ServerFrame });

const tea = 'tea';
const annPhone = 0x5ca1ab1e;

const message = (fields: object): Message =>
  ({
    gen: 1,
    seq: 2,
    msgNo: 1,
    countable: true,
    from: 'ann',
    deviceTag: annPhone,
    n: 1,
    sentAt: 1_700_000_000_000,
    at: 1_700_000_000_123,
    type: 'text',
    body: 'hello',
    ...fields,
  }) as Message;

const switched = JSON.stringify({ control: 'diffusion', mode: 'read' });
const joined = JSON.stringify({ control: 'joined', users: ['cat'] });
const noSender = { deviceTag: 0, n: 0, sentAt: 0, countable: false };

export const exampleMessages: readonly { readonly name: string; readonly message: Message }[] = [
  { name: 'a text', message: message({}) },
  { name: 'a text outside of ASCII', message: message({ seq: 3, msgNo: 2, n: 2, body: '你好 👋🏽 שלום' }) },
  { name: 'a text that begins with U+FEFF', message: message({ seq: 4, msgNo: 3, n: 3, body: '\uFEFFmark' }) },
  { name: 'bytes', message: message({ seq: 5, msgNo: 4, n: 4, type: 'image', body: Uint8Array.of(0, 1, 254, 255) }) },
  { name: 'an empty body', message: message({ seq: 6, msgNo: 5, n: 5, type: 'custom', body: '' }) },
  {
    name: 'a switch of diffusion',
    message: message({ seq: 8, msgNo: 5, from: null, ...noSender, type: 'control', body: switched }),
  },
  { name: 'a control entry', message: message({ seq: 7, msgNo: 5, ...noSender, type: 'control', body: joined }) },
  { name: 'void', message: message({ seq: 8, msgNo: 5, ...noSender, from: null, at: 0, type: 'void', body: '' }) },
  {
    name: 'the largest numbers',
    message: message({
      gen: 4_294_967_296,
      seq: Number.MAX_SAFE_INTEGER,
      msgNo: Number.MAX_SAFE_INTEGER,
      deviceTag: 4_294_967_295,
      n: 2_097_152,
      sentAt: Number.MAX_SAFE_INTEGER,
      at: 34_359_738_368,
      from: 'A-Z.a_z~0@9:%+=-',
      type: 'file',
      body: 'x'.repeat(128),
    }),
  },
];

const [first, second] = exampleMessages.map((example) => example.message);
const unread = { msgNo: 7, readSeq: 3, readMsgNo: 2, own: 1, unread: 4 };
const summary = {
  conversation: tea,
  kind: 'group',
  title: 'Tea ☕',
  peer: null,
  member: true,
  diffusion: 'write',
  gen: 1,
  seq: 8,
  lastAt: 1_700_000_000_999,
  ...unread,
};
const direct = { ...summary, conversation: 'ann!bob', kind: 'direct', title: '', peer: 'bob', member: false };

export const exampleClientFrames: readonly Named<ClientFrame>[] = [
  client('connect', { t: 'connect', id: 1, token: 'eyJ.eyJ.sig', device: 'phone-1', client: 'doc/1.0' }),
  client('refresh', { t: 'refresh', id: 2, token: 'eyJ.eyJ.sig' }),
  client('send, a text', {
    t: 'send',
    id: 3,
    conversation: tea,
    n: 1,
    sentAt: 1_700_000_000_000,
    type: 'text',
    body: 'hello',
  }),
  client('send, a text outside of ASCII', {
    t: 'send',
    id: 4,
    conversation: 'ann!bob',
    n: 128,
    sentAt: 0,
    type: 'text',
    body: '你好 👋🏽',
  }),
  client('send, bytes', {
    t: 'send',
    id: 4_294_967_295,
    conversation: tea,
    n: 16_384,
    sentAt: 1,
    type: 'file',
    body: Uint8Array.of(0, 255),
  }),
  client('send, after one that was refused', {
    t: 'send',
    id: 38,
    conversation: tea,
    n: 300,
    after: 298,
    sentAt: 1_700_000_000_000,
    type: 'text',
    body: 'hello',
  }),
  client('sync, a new device', { t: 'sync', id: 5 }),
  client('sync, with what came beside it', {
    t: 'sync',
    id: 7,
    token: 'opaque',
    reached: [{ conversation: tea, gen: 1, seq: 9 }],
  }),
  client('sync', { t: 'sync', id: 6, token: 'opaque', seen: { gen: 1, seq: 42 }, limit: 200 }),
  client('history, backward from the head', { t: 'history', id: 7, conversation: tea, direction: 'backward' }),
  client('history, forward from a known position', {
    t: 'history',
    id: 8,
    conversation: tea,
    direction: 'forward',
    from: 9,
    gen: 1,
    limit: 1_000,
  }),
  client('conversations', { t: 'conversations', id: 9, after: 'opaque', limit: 500 }),
  client('members', { t: 'members', id: 10, conversation: tea, after: 'ann', limit: 1_000 }),
  client('readers, the counts alone', { t: 'readers', id: 39, conversation: tea, seq: 8 }),
  client('readers', { t: 'readers', id: 39, conversation: tea, seq: 8, list: 'unread', after: 'ann', limit: 1_000 }),
  client('create, a group', {
    t: 'create',
    id: 11,
    kind: 'group',
    conversation: tea,
    title: 'Tea ☕',
    members: ['ann', 'bob'],
    joinPolicy: 'open',
    historyPolicy: 'join',
  }),
  client('create, a direct conversation', { t: 'create', id: 12, kind: 'direct', members: ['bob'] }),
  client('join', { t: 'join', id: 13, conversation: tea }),
  client('leave', { t: 'leave', id: 14, conversation: tea }),
  client('invite', { t: 'invite', id: 15, conversation: tea, users: ['cat'] }),
  client('kick', { t: 'kick', id: 16, conversation: tea, users: ['cat', 'dan'] }),
  client('role', { t: 'role', id: 17, conversation: tea, user: 'bob', role: 'admin' }),
  client('settings', {
    t: 'settings',
    id: 40,
    conversation: tea,
    title: 'Tea ☕',
    joinPolicy: 'open',
    historyPolicy: 'join',
    muted: false,
    slowModeMs: 30_000,
  }),
  client('settings, of one', { t: 'settings', id: 41, conversation: tea, muted: true }),
  client('mute', { t: 'mute', id: 42, conversation: tea, users: ['cat'], until: 1_700_000_600_000 }),
  client('mute, for ever', { t: 'mute', id: 43, conversation: tea, users: ['cat'] }),
  client('unmute', { t: 'unmute', id: 44, conversation: tea, users: ['cat'] }),
  client('ban', { t: 'ban', id: 45, conversation: tea, users: ['cat', 'dan'] }),
  client('unban', { t: 'unban', id: 46, conversation: tea, users: ['dan'] }),
  client('bans', { t: 'bans', id: 47, conversation: tea, after: 'ann', limit: 1_000 }),
  client('block', { t: 'block', id: 48, user: 'bob' }),
  client('unblock', { t: 'unblock', id: 49, user: 'bob' }),
  client('subscribePresence', { t: 'subscribePresence', id: 51, users: ['bob', 'cat'] }),
  client('unsubscribePresence', { t: 'unsubscribePresence', id: 52, users: ['cat'] }),
  client('info', { t: 'info', id: 50, conversation: tea }),
  client('read', { t: 'read', id: 18, conversation: tea, seq: 9 }),
  client('delivered', { t: 'delivered', id: 19, conversation: tea, seq: 9 }),
  client('open', { t: 'open', id: 21, conversation: tea }),
  client('close', { t: 'close', id: 22, conversation: tea }),
  client('typing', { t: 'typing', conversation: tea }),
  client('ping', { t: 'ping', id: 20 }),
];

export const exampleServerFrames: readonly Named<ServerFrame>[] = [
  server('connected', {
    t: 'connected',
    id: 1,
    user: 'ann',
    device: 'phone-1',
    session: 's1',
    serverTime: 1_700_000_000_000,
    ackLevel: 'disk',
    inbox: { gen: 1, seq: 42 },
    limits: { frameBytes: 65_536, bodyBytes: 32_768, sendWindow: 64, idleMs: 60_000 },
  }),
  server('ok', { t: 'ok', id: 2 }),
  server('ack', {
    t: 'ack',
    id: 3,
    conversation: tea,
    n: 1,
    gen: 1,
    seq: 2,
    msgNo: 1,
    at: 1_700_000_000_123,
    level: 'disk',
    duplicate: false,
  }),
  server('ack of a retry', {
    t: 'ack',
    id: 3,
    conversation: tea,
    n: 1,
    gen: 1,
    seq: 300,
    msgNo: 0,
    at: 0,
    level: 'memory',
    duplicate: true,
  }),
  server('synced', {
    t: 'synced',
    id: 6,
    tooLong: false,
    regressed: false,
    conversations: [
      { summary, messages: [first, second] },
      { summary: direct, messages: [] },
    ],
    hasMore: true,
    inbox: { gen: 1, seq: 44 },
    token: 'opaque-2',
  }),
  server('synced, too long', {
    t: 'synced',
    id: 6,
    tooLong: true,
    regressed: true,
    conversations: [{ summary, messages: [] }],
    hasMore: false,
    inbox: { gen: 2, seq: 44 },
    token: '',
  }),
  server('page', {
    t: 'page',
    id: 7,
    conversation: tea,
    messages: exampleMessages.map((example) => example.message),
    hasMore: true,
    head: { gen: 1, seq: 8 },
  }),
  server('page, empty', {
    t: 'page',
    id: 7,
    conversation: tea,
    messages: [],
    hasMore: false,
    head: { gen: 1, seq: 0 },
  }),
  server('conversations', { t: 'conversations', id: 9, conversations: [summary, direct], next: 'opaque' }),
  server('members', {
    t: 'members',
    id: 10,
    conversation: tea,
    count: 3,
    members: [{ user: 'bob', role: 'owner', readSeq: 8, deliveredSeq: 9 }],
    next: 'bob',
  }),
  server('members, one of them muted for ever', {
    t: 'members',
    id: 10,
    conversation: tea,
    count: 3,
    members: [{ user: 'cat', role: 'member', readSeq: 8, deliveredSeq: 9, mutedUntil: null }],
    next: null,
  }),
  server('bans', { t: 'bans', id: 47, conversation: tea, count: 2, users: ['cat', 'dan'], next: null }),
  server('info', {
    t: 'info',
    id: 50,
    conversation: tea,
    kind: 'group',
    title: 'Tea ☕',
    joinPolicy: 'open',
    historyPolicy: 'join',
    muted: false,
    slowModeMs: 30_000,
    memberCount: 10_000,
    role: 'member',
    mutedUntil: 1_700_000_600_000,
  }),
  server('readers', {
    t: 'readers',
    id: 39,
    conversation: tea,
    gen: 1,
    seq: 8,
    recipients: 9_999,
    delivered: 8_000,
    read: 7_312,
    users: [{ user: 'bob', readSeq: 7, deliveredSeq: 8 }],
    next: 'bob',
  }),
  server('created', { t: 'created', id: 11, conversation: tea, gen: 1, seq: 1, fresh: true }),
  server('changed', { t: 'changed', id: 13, conversation: tea, gen: 1, seq: 7 }),
  server('read', { t: 'read', id: 18, conversation: tea, ...unread }),
  server('pong', { t: 'pong', id: 20, serverTime: 1_700_000_000_000 }),
  server('push', {
    t: 'push',
    gen: 1,
    prev: 42,
    seq: 44,
    items: [
      { conversation: tea, messages: [first] },
      { conversation: 'ann!bob', read: { readSeq: 3, readMsgNo: 2, own: 1 } },
    ],
  }),
  server('push, only the position', { t: 'push', gen: 1, prev: 44, seq: 45, items: [] }),
  server('live', { t: 'live', conversation: tea, gen: 1, prev: 1, seq: 3, messages: [first, second] }),
  server('heads', {
    t: 'heads',
    heads: [
      { conversation: tea, gen: 1, seq: 300, msgNo: 280 },
      { conversation: 'coffee', gen: 2, seq: 4_294_967_296, msgNo: 4_294_967_000 },
    ],
  }),
  server('receipt', { t: 'receipt', conversation: tea, user: 'bob', readSeq: 8, deliveredSeq: 9 }),
  server('presence', {
    t: 'presence',
    users: [
      { user: 'bob', online: true },
      { user: 'cat', online: false },
    ],
  }),
  server('receipts', {
    t: 'receipts',
    conversation: tea,
    readers: [
      { gen: 1, seq: 7, recipients: 9_999, delivered: 9_000, read: 8_100 },
      { gen: 1, seq: 8, recipients: 9_999, delivered: 8_000, read: 7_312 },
    ],
  }),
  server('typing', { t: 'typing', conversation: tea, user: 'bob' }),
  server('resync', { t: 'resync', reason: 'slow' }),
  server('drain', { t: 'drain', deadlineMs: 10_000 }),
  server('error, out of order', {
    t: 'error',
    id: 4,
    code: 'out_of_order',
    message: 'n 128 was sent',
    retry: 'in_order',
    expected: 2,
  }),
  server('error, for a while', {
    t: 'error',
    id: 5,
    code: 'rate_limited',
    message: 'slower',
    retry: 'later',
    retryAfterMs: 250,
  }),
  server('error, history was lost', { t: 'error', id: 8, code: 'regressed', message: 'lost', retry: 'sync', from: 7 }),
  server('error, of an unreadable frame', { t: 'error', code: 'bad_frame', message: 'what?', retry: 'never' }),
];
