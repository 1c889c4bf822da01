import type { Generation } from '@millrace/kernel';
import type { ClientFrame, MentionAllPolicy, Reached, ReadersList, SearchField, SendableType } from '../frames.ts';
import { requestIdMax, type ProtocolLimits } from '../limits.ts';
import type { FieldReader } from './field-reader.ts';

type Decoder<Frame> = (fields: FieldReader, limits: ProtocolLimits) => Frame;
type Decoders = { readonly [T in ClientFrame['t']]: Decoder<Extract<ClientFrame, { t: T }>> };

export const sendableTypes = ['text', 'image', 'file', 'custom'] as const satisfies readonly SendableType[];

const readersLists = ['read', 'unread', 'delivered', 'undelivered'] as const satisfies readonly ReadersList[];

const idOf = (fields: FieldReader): number => fields.whole('id', 1, requestIdMax);

/** Of those whose content is a conversation and users in it. */
const usersIn = (fields: FieldReader, limits: ProtocolLimits) => ({
  conversation: fields.conversation('conversation'),
  users: fields.users('users', 1, limits.membersPerFrame),
});

const genOf = (fields: FieldReader): { readonly gen?: Generation } =>
  fields.has('gen') ? { gen: fields.gen('gen') } : {};

/** Of those whose content is one message. */
const messageIn = (fields: FieldReader) => ({
  conversation: fields.conversation('conversation'),
  seq: fields.seq('seq', 1),
  ...genOf(fields),
});

const limitOf = (fields: FieldReader, max: number): { readonly limit?: number } =>
  fields.has('limit') ? { limit: fields.whole('limit', 1, max) } : {};

/** Only ever true: a message that does not mention all says nothing. */
function mentionAllOf(fields: FieldReader): { readonly mentionAll?: true } {
  if (fields.flag('mentionAll')) return { mentionAll: true };
  if (fields.problem === null) fields.refuse('mentionAll', 'true, or left out');
  return {};
}

/** What is said, and to whom above all. */
const contentOf = (fields: FieldReader, limits: ProtocolLimits) => ({
  type: fields.oneOf('type', sendableTypes),
  body: fields.body(limits.bodyBytes),
  ...(fields.has('mentions') ? { mentions: fields.users('mentions', 1, limits.mentionsPerMessage) } : {}),
  ...(fields.has('mentionAll') ? mentionAllOf(fields) : {}),
  ...(fields.has('replyTo') ? { replyTo: fields.seq('replyTo', 1) } : {}),
});

/** 0: none. */
function lifetimeOf(fields: FieldReader, { lifetimeMs, lifetimeMsMin }: ProtocolLimits): number {
  const lifetime = fields.whole('lifetimeMs', 0, lifetimeMs);
  if (lifetime > 0 && lifetime < lifetimeMsMin) fields.refuse('lifetimeMs', `0, or ${String(lifetimeMsMin)} or more`);
  return lifetime;
}

const keyOf = (fields: FieldReader, limits: ProtocolLimits): string => fields.text('key', limits.scheduledKeyChars, 1);

export const mentionAllPolicies = ['admins', 'members'] as const satisfies readonly MentionAllPolicy[];

const reachedOf = (fields: FieldReader, max: number): readonly Reached[] =>
  fields.list(
    'reached',
    (at) => ({ conversation: at.conversation('conversation'), gen: at.gen('gen'), seq: at.seq('seq') }),
    max,
  );

const NUMBER_MIN = Number.MIN_SAFE_INTEGER;

function searchFieldsOf(fields: FieldReader, limits: ProtocolLimits): readonly SearchField[] {
  const list = fields.list(
    'fields',
    (at): SearchField => {
      const name = at.name('name');
      if (at.has('is')) {
        if (at.has('min') || at.has('max')) at.refuse('is', 'alone, without min and max');
        return { name, is: at.scalar('is', limits.searchValueChars) };
      }
      if (!at.has('min') && !at.has('max')) at.refuse('is', 'there, or min, or max');
      return {
        name,
        ...(at.has('min') ? { min: at.whole('min', NUMBER_MIN) } : {}),
        ...(at.has('max') ? { max: at.whole('max', NUMBER_MIN) } : {}),
      };
    },
    limits.searchFields,
  );
  if (list.length === 0) fields.refuse('fields', `1 to ${String(limits.searchFields)} objects`);
  return list;
}

/** Of those that are numbered together. */
function counted(fields: FieldReader) {
  const id = idOf(fields);
  const conversation = fields.conversation('conversation');
  const n = fields.whole('n', 1);
  const after = fields.has('after') ? { after: fields.whole('after', 0, n - 1) } : {};
  return { id, conversation, n, ...after, sentAt: fields.whole('sentAt', 0) };
}

/** Of those that change a message. */
const numbered = (fields: FieldReader) => ({ ...counted(fields), seq: fields.seq('seq', 1), ...genOf(fields) });

const decoders: Decoders = {
  connect: (fields, limits) => ({
    t: 'connect',
    id: idOf(fields),
    token: fields.secret('token', limits.tokenChars),
    device: fields.device('device'),
    ...(fields.has('client') ? { client: fields.text('client', limits.clientChars) } : {}),
  }),
  refresh: (fields, limits) => ({
    t: 'refresh',
    id: idOf(fields),
    token: fields.secret('token', limits.tokenChars),
  }),
  send: (fields, limits) => {
    const id = idOf(fields);
    const conversation = fields.conversation('conversation');
    const n = fields.whole('n', 1);
    return {
      t: 'send',
      id,
      conversation,
      n,
      ...(fields.has('after') ? { after: fields.whole('after', 0, n - 1) } : {}),
      sentAt: fields.whole('sentAt', 0),
      ...contentOf(fields, limits),
    };
  },
  forward: (fields) => ({
    t: 'forward',
    ...counted(fields),
    source: fields.object('source', (source) => ({
      conversation: source.conversation('conversation'),
      seq: source.seq('seq', 1),
    })),
  }),
  edit: (fields, limits) => ({ t: 'edit', ...numbered(fields), body: fields.body(limits.bodyBytes) }),
  recall: (fields, limits) => ({
    t: 'recall',
    ...numbered(fields),
    ...(fields.has('reason') ? { reason: fields.text('reason', limits.reasonChars, 1) } : {}),
  }),
  react: (fields, limits) => ({
    t: 'react',
    ...numbered(fields),
    emoji: fields.text('emoji', limits.reactionChars, 1),
    on: fields.flag('on'),
  }),
  delete: (fields) => ({ t: 'delete', id: idOf(fields), ...messageIn(fields) }),
  sync: (fields, limits) => ({
    t: 'sync',
    id: idOf(fields),
    ...(fields.has('token') ? { token: fields.text('token', limits.opaqueChars) } : {}),
    ...(fields.has('seen')
      ? { seen: fields.object('seen', (seen) => ({ gen: seen.gen('gen'), seq: seen.seq('seq') })) }
      : {}),
    ...(fields.has('reached') ? { reached: reachedOf(fields, limits.reachedPerSync) } : {}),
    ...limitOf(fields, limits.syncMessages),
  }),
  history: (fields, limits) => ({
    t: 'history',
    id: idOf(fields),
    conversation: fields.conversation('conversation'),
    direction: fields.oneOf('direction', ['forward', 'backward']),
    ...(fields.has('from') ? { from: fields.seq('from', 1) } : {}),
    ...(fields.has('gen') ? { gen: fields.gen('gen') } : {}),
    ...limitOf(fields, limits.pageMessages),
  }),
  search: (fields, limits) => ({
    t: 'search',
    id: idOf(fields),
    ...(fields.has('text') ? { text: fields.text('text', limits.searchChars, 1) } : {}),
    ...(fields.has('prefix') ? { prefix: fields.flag('prefix') } : {}),
    ...(fields.has('conversations')
      ? { conversations: fields.conversations('conversations', 1, limits.searchConversations) }
      : {}),
    ...(fields.has('senders') ? { senders: fields.users('senders', 1, limits.searchSenders) } : {}),
    ...(fields.has('types') ? { types: fields.someOf('types', sendableTypes) } : {}),
    ...(fields.has('since') ? { since: fields.whole('since', 0) } : {}),
    ...(fields.has('until') ? { until: fields.whole('until', 0) } : {}),
    ...(fields.has('mentioning') ? { mentioning: fields.user('mentioning') } : {}),
    ...(fields.has('fields') ? { fields: searchFieldsOf(fields, limits) } : {}),
    ...(fields.has('sort') ? { sort: fields.oneOf('sort', ['time', 'relevance']) } : {}),
    ...limitOf(fields, limits.pageHits),
    ...(fields.has('count') ? { count: fields.flag('count') } : {}),
    ...(fields.has('cursor') ? { cursor: fields.text('cursor', limits.opaqueChars, 1) } : {}),
  }),
  thread: (fields, limits) => ({
    t: 'thread',
    id: idOf(fields),
    conversation: fields.conversation('conversation'),
    seq: fields.seq('seq', 1),
    direction: fields.oneOf('direction', ['forward', 'backward']),
    ...(fields.has('from') ? { from: fields.seq('from', 1) } : {}),
    ...limitOf(fields, limits.pageReplies),
  }),
  conversations: (fields, limits) => ({
    t: 'conversations',
    id: idOf(fields),
    ...(fields.has('after') ? { after: fields.text('after', limits.opaqueChars) } : {}),
    ...limitOf(fields, limits.pageConversations),
  }),
  members: (fields, limits) => ({
    t: 'members',
    id: idOf(fields),
    conversation: fields.conversation('conversation'),
    ...(fields.has('after') ? { after: fields.user('after') } : {}),
    ...limitOf(fields, limits.pageMembers),
  }),
  readers: (fields, limits) => ({
    t: 'readers',
    id: idOf(fields),
    conversation: fields.conversation('conversation'),
    seq: fields.seq('seq', 1),
    ...(fields.has('list') ? { list: fields.oneOf('list', readersLists) } : {}),
    ...(fields.has('after') ? { after: fields.user('after') } : {}),
    ...limitOf(fields, limits.pageMembers),
  }),
  create: (fields, limits) => {
    const kind = fields.oneOf('kind', ['direct', 'group', 'channel', 'lobby']);
    const members = fields.users('members', 0, limits.membersPerFrame);
    if (kind === 'direct' && members.length !== 1) {
      fields.refuse('members', 'exactly one user id for a direct conversation');
    }
    return {
      t: 'create',
      id: idOf(fields),
      kind,
      ...(fields.has('conversation') ? { conversation: fields.conversation('conversation') } : {}),
      ...(fields.has('title') ? { title: fields.text('title', limits.titleChars) } : {}),
      members,
      ...(fields.has('joinPolicy') ? { joinPolicy: fields.oneOf('joinPolicy', ['invite', 'open']) } : {}),
      ...(fields.has('historyPolicy') ? { historyPolicy: fields.oneOf('historyPolicy', ['all', 'join']) } : {}),
      ...(fields.has('backlog') ? { backlog: fields.whole('backlog', 0, limits.lobbyBacklog) } : {}),
      ...(fields.has('membersMax') ? { membersMax: fields.whole('membersMax', 1, limits.lobbyMembers) } : {}),
    };
  },
  join: (fields) => ({ t: 'join', id: idOf(fields), conversation: fields.conversation('conversation') }),
  leave: (fields) => ({ t: 'leave', id: idOf(fields), conversation: fields.conversation('conversation') }),
  invite: (fields, limits) => ({ t: 'invite', id: idOf(fields), ...usersIn(fields, limits) }),
  kick: (fields, limits) => ({ t: 'kick', id: idOf(fields), ...usersIn(fields, limits) }),
  role: (fields) => ({
    t: 'role',
    id: idOf(fields),
    conversation: fields.conversation('conversation'),
    user: fields.user('user'),
    role: fields.oneOf('role', ['owner', 'admin', 'member']),
  }),
  settings: (fields, limits) => {
    const policies = ['mentionAllBy', 'pinBy', 'retentionDays', 'lifetimeMs'];
    const names = ['title', 'joinPolicy', 'historyPolicy', 'muted', 'slowModeMs', ...policies];
    if (!names.some((name) => fields.has(name))) fields.refuse('title', `there, or another of ${names.join(', ')}`);
    return {
      t: 'settings',
      id: idOf(fields),
      conversation: fields.conversation('conversation'),
      ...(fields.has('title') ? { title: fields.text('title', limits.titleChars) } : {}),
      ...(fields.has('joinPolicy') ? { joinPolicy: fields.oneOf('joinPolicy', ['invite', 'open']) } : {}),
      ...(fields.has('historyPolicy') ? { historyPolicy: fields.oneOf('historyPolicy', ['all', 'join']) } : {}),
      ...(fields.has('muted') ? { muted: fields.flag('muted') } : {}),
      ...(fields.has('slowModeMs') ? { slowModeMs: fields.whole('slowModeMs', 0, limits.slowModeMs) } : {}),
      ...(fields.has('mentionAllBy') ? { mentionAllBy: fields.oneOf('mentionAllBy', mentionAllPolicies) } : {}),
      ...(fields.has('retentionDays') ? { retentionDays: fields.whole('retentionDays', 0, limits.retentionDays) } : {}),
      ...(fields.has('lifetimeMs') ? { lifetimeMs: lifetimeOf(fields, limits) } : {}),
      ...(fields.has('pinBy') ? { pinBy: fields.oneOf('pinBy', mentionAllPolicies) } : {}),
    };
  },
  mute: (fields, limits) => ({
    t: 'mute',
    id: idOf(fields),
    ...usersIn(fields, limits),
    // The largest number stands for ever in a record.
    ...(fields.has('until') ? { until: fields.whole('until', 1, Number.MAX_SAFE_INTEGER - 1) } : {}),
  }),
  unmute: (fields, limits) => ({ t: 'unmute', id: idOf(fields), ...usersIn(fields, limits) }),
  ban: (fields, limits) => ({ t: 'ban', id: idOf(fields), ...usersIn(fields, limits) }),
  unban: (fields, limits) => ({ t: 'unban', id: idOf(fields), ...usersIn(fields, limits) }),
  pin: (fields) => ({ t: 'pin', id: idOf(fields), ...messageIn(fields) }),
  unpin: (fields) => ({ t: 'unpin', id: idOf(fields), ...messageIn(fields) }),
  promote: (fields) => ({ t: 'promote', id: idOf(fields), conversation: fields.conversation('conversation') }),
  dissolve: (fields) => ({ t: 'dissolve', id: idOf(fields), conversation: fields.conversation('conversation') }),
  bans: (fields, limits) => ({
    t: 'bans',
    id: idOf(fields),
    conversation: fields.conversation('conversation'),
    ...(fields.has('after') ? { after: fields.user('after') } : {}),
    ...limitOf(fields, limits.pageMembers),
  }),
  block: (fields) => ({ t: 'block', id: idOf(fields), user: fields.user('user') }),
  unblock: (fields) => ({ t: 'unblock', id: idOf(fields), user: fields.user('user') }),
  schedule: (fields, limits) => ({
    t: 'schedule',
    id: idOf(fields),
    key: keyOf(fields, limits),
    conversation: fields.conversation('conversation'),
    dueAt: fields.whole('dueAt', 0),
    ...contentOf(fields, limits),
  }),
  unschedule: (fields, limits) => ({ t: 'unschedule', id: idOf(fields), key: keyOf(fields, limits) }),
  scheduled: (fields, limits) => ({
    t: 'scheduled',
    id: idOf(fields),
    ...(fields.has('after') ? { after: fields.text('after', limits.opaqueChars) } : {}),
    ...limitOf(fields, limits.pageScheduled),
  }),
  subscribePresence: (fields, limits) => ({
    t: 'subscribePresence',
    id: idOf(fields),
    users: fields.users('users', 1, limits.presenceUsers),
  }),
  unsubscribePresence: (fields, limits) => ({
    t: 'unsubscribePresence',
    id: idOf(fields),
    users: fields.users('users', 1, limits.presenceUsers),
  }),
  info: (fields) => ({ t: 'info', id: idOf(fields), conversation: fields.conversation('conversation') }),
  read: (fields) => ({
    t: 'read',
    id: idOf(fields),
    conversation: fields.conversation('conversation'),
    seq: fields.seq('seq', 1),
  }),
  delivered: (fields) => ({
    t: 'delivered',
    id: idOf(fields),
    conversation: fields.conversation('conversation'),
    seq: fields.seq('seq', 1),
  }),
  open: (fields) => ({ t: 'open', id: idOf(fields), conversation: fields.conversation('conversation') }),
  close: (fields) => ({ t: 'close', id: idOf(fields), conversation: fields.conversation('conversation') }),
  typing: (fields) => ({ t: 'typing', conversation: fields.conversation('conversation') }),
  ping: (fields) => ({ t: 'ping', id: idOf(fields) }),
};

/** A map, because `t` comes from a peer: `constructor` is no frame. */
const decoderOf = new Map<unknown, Decoder<ClientFrame>>(Object.entries(decoders));

export const clientFrameNames: readonly string[] = Object.keys(decoders);

/** @returns null when there is no client frame of that name. */
export const clientFrameDecoder = (t: unknown): Decoder<ClientFrame> | null => decoderOf.get(t) ?? null;
