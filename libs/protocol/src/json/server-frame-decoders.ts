import { messageTypes } from '../entry.ts';
import type {
  AckedLevel,
  AckLevelName,
  ConversationDelta,
  ConversationKind,
  ConversationSummary,
  Deleted,
  ForwardedFrom,
  Found,
  FoundHit,
  Hint,
  HintReason,
  Message,
  Pinned,
  PushItem,
  Reaction,
  ReceiptCounts,
  Replies,
  ServerFrame,
  UnreadInputs,
} from '../frames.ts';
import { protocolLimits, requestIdMax } from '../limits.ts';
import { readErrorCode } from './error-code.ts';
import type { FieldReader } from './field-reader.ts';
import { readScheduled } from './scheduled-message.ts';

type Decoder<Frame> = (fields: FieldReader) => Frame;
type Decoders = { readonly [T in ServerFrame['t']]: Decoder<Extract<ServerFrame, { t: T }>> };

const ANY_LENGTH = Number.MAX_SAFE_INTEGER;

export const ackLevels = ['memory', 'disk', 'replicated'] as const satisfies readonly AckLevelName[];
/** Index = the level's number in binary acks. */
export const ackedLevels = [...ackLevels, 'volatile'] as const satisfies readonly AckedLevel[];
const kinds: ReadonlySet<string> = new Set<ConversationKind>(['direct', 'group', 'channel', 'lobby']);
const roles = ['owner', 'admin', 'member'] as const;
const retries = ['never', 'later', 'in_order', 'sync', 'token'] as const;

const idOf = (fields: FieldReader): number => fields.whole('id', 1, requestIdMax);
const nullable = <T>(fields: FieldReader, field: string, read: () => T): T | null =>
  fields.isNull(field) ? null : read();

const readPosition: Decoder<Pick<Message, 'gen' | 'seq'>> = (fields) => ({
  gen: fields.gen('gen'),
  seq: fields.seq('seq'),
});

const readReaction: Decoder<Reaction> = (fields) => ({
  emoji: fields.text('emoji', ANY_LENGTH),
  count: fields.whole('count', 1),
  users: fields.users('users', 0, ANY_LENGTH),
});

const readForwarded: Decoder<ForwardedFrom> = (fields) => ({
  conversation: fields.conversation('conversation'),
  seq: fields.seq('seq', 1),
  author: nullable(fields, 'author', () => fields.user('author')),
  at: fields.whole('at', 0),
});

const readReplies: Decoder<Replies> = (fields) => ({ count: fields.whole('count', 1), last: fields.seq('last', 1) });

const readRecalled: Decoder<NonNullable<Message['recalled']>> = (fields) => ({
  by: nullable(fields, 'by', () => fields.user('by')),
  at: fields.whole('at', 0),
});

const readPinned: Decoder<Pinned> = (fields) => ({ seq: fields.seq('seq', 1), ...readRecalled(fields) });

const readMessage: Decoder<Message> = (fields) => ({
  gen: fields.gen('gen'),
  seq: fields.seq('seq', 1),
  msgNo: fields.whole('msgNo', 0),
  countable: fields.flag('countable'),
  from: nullable(fields, 'from', () => fields.user('from')),
  deviceTag: fields.whole('deviceTag', 0, 0xffff_ffff),
  n: fields.whole('n', 0),
  sentAt: fields.whole('sentAt', 0),
  at: fields.whole('at', 0),
  type: fields.oneOf('type', messageTypes),
  body: fields.body(ANY_LENGTH),
  ...(fields.has('mentions') ? { mentions: fields.users('mentions', 0, ANY_LENGTH) } : {}),
  ...(fields.has('mentionAll') && fields.flag('mentionAll') ? { mentionAll: true } : {}),
  ...(fields.has('replyTo') ? { replyTo: fields.seq('replyTo', 1) } : {}),
  ...(fields.has('thread') ? { thread: fields.seq('thread', 1) } : {}),
  ...(fields.has('forwardedFrom') ? { forwardedFrom: fields.object('forwardedFrom', readForwarded) } : {}),
  ...(fields.has('rev') ? { rev: fields.seq('rev', 1) } : {}),
  ...(fields.has('editedAt') ? { editedAt: fields.whole('editedAt', 0) } : {}),
  ...(fields.has('reactions') ? { reactions: fields.list('reactions', readReaction) } : {}),
  ...(fields.has('replies') ? { replies: fields.object('replies', readReplies) } : {}),
  ...(fields.has('recalled') ? { recalled: fields.object('recalled', readRecalled) } : {}),
  ...(fields.has('deleted') && fields.flag('deleted') ? { deleted: true } : {}),
  ...(fields.has('erased') && fields.flag('erased') ? { erased: true } : {}),
});

const readGone: Decoder<Pick<UnreadInputs, 'gone' | 'goneSeqs'>> = (fields) => ({
  ...(fields.has('gone') ? { gone: fields.whole('gone', 0) } : {}),
  ...(fields.has('goneSeqs') ? { goneSeqs: fields.seqs('goneSeqs') } : {}),
});

const readUnreadInputs: Decoder<UnreadInputs> = (fields) => ({
  msgNo: fields.whole('msgNo', 0),
  readSeq: fields.seq('readSeq'),
  readMsgNo: fields.whole('readMsgNo', 0),
  own: fields.whole('own', 0),
  ...readGone(fields),
  unread: fields.whole('unread', 0),
});

/** A kind of conversation that this program does not know looks like a group: its messages read the same. */
function readKind(fields: FieldReader): ConversationKind {
  const kind = fields.text('kind', ANY_LENGTH);
  return kinds.has(kind) ? (kind as ConversationKind) : 'group';
}

export const readSummary: Decoder<ConversationSummary> = (fields) => ({
  conversation: fields.conversation('conversation'),
  kind: readKind(fields),
  title: fields.text('title', ANY_LENGTH),
  peer: nullable(fields, 'peer', () => fields.user('peer')),
  member: fields.flag('member'),
  // A server of before does not say, and writes into every inbox.
  diffusion: fields.has('diffusion') ? fields.oneOf('diffusion', ['write', 'read']) : 'write',
  gen: fields.gen('gen'),
  seq: fields.seq('seq'),
  lastAt: fields.whole('lastAt', 0),
  ...(fields.has('mentions') ? { mentions: fields.seqs('mentions') } : {}),
  ...readUnreadInputs(fields),
});

const readDelta: Decoder<ConversationDelta> = (fields) => ({
  summary: fields.object('summary', readSummary),
  messages: fields.list('messages', readMessage),
  ...(fields.has('deleted') ? { deleted: fields.seqs('deleted') } : {}),
});

/** Index = the reason's number in binary pushes. */
export const hintReasons = ['mention', 'control'] as const satisfies readonly HintReason[];

const readHint: Decoder<Hint> = (fields) => ({
  gen: fields.gen('gen'),
  seq: fields.seq('seq', 1),
  why: fields.oneOf('why', hintReasons),
});

const readDeleted: Decoder<Deleted> = (fields) => ({ seq: fields.seq('seq', 1), counted: fields.flag('counted') });

const readPushItem: Decoder<PushItem> = (fields) => {
  const conversation = fields.conversation('conversation');
  if (fields.has('hint')) return { conversation, hint: fields.object('hint', readHint) };
  if (fields.has('deleted')) return { conversation, deleted: fields.object('deleted', readDeleted) };
  if (!fields.has('read')) return { conversation, messages: fields.list('messages', readMessage) };
  const read = fields.object('read', (inner) => ({
    readSeq: inner.seq('readSeq'),
    readMsgNo: inner.whole('readMsgNo', 0),
    own: inner.whole('own', 0),
    ...readGone(inner),
  }));
  return { conversation, read };
};

const readHit: Decoder<FoundHit> = (fields) => ({
  conversation: fields.conversation('conversation'),
  message: fields.object('message', readMessage),
  places: fields.list('places', (place) => ({ start: place.whole('start', 0), end: place.whole('end', 0) })),
});

/** All of a `found` but its hits. */
export const readFoundRest: Decoder<Omit<Found, 't' | 'id' | 'hits'>> = (fields) => ({
  next: nullable(fields, 'next', () => fields.text('next', protocolLimits.opaqueChars)),
  complete: fields.flag('complete'),
  unsearched: fields.list('unsearched', (part) => ({
    conversation: part.conversation('conversation'),
    indexedThrough: part.seq('indexedThrough'),
    searchedFrom: part.seq('searchedFrom', 1),
  })),
  ...(fields.has('counts')
    ? {
        counts: fields.object('counts', (counts) => ({
          total: counts.whole('total', 0),
          exact: counts.flag('exact'),
          conversations: counts.list('conversations', (each) => ({
            conversation: each.conversation('conversation'),
            count: each.whole('count', 1),
          })),
        })),
      }
    : {}),
});

const readMutedUntil: Decoder<{ readonly mutedUntil?: number | null }> = (fields) =>
  fields.has('mutedUntil') ? { mutedUntil: nullable(fields, 'mutedUntil', () => fields.whole('mutedUntil', 1)) } : {};

const readReceiptCounts: Decoder<ReceiptCounts> = (fields) => ({
  gen: fields.gen('gen'),
  seq: fields.seq('seq', 1),
  recipients: fields.whole('recipients', 0),
  delivered: fields.whole('delivered', 0),
  read: fields.whole('read', 0),
});

/** A code that this program does not know is `internal`, with the advice that came with it. */
const decoders: Decoders = {
  connected: (fields) => ({
    t: 'connected',
    id: idOf(fields),
    user: fields.user('user'),
    device: fields.device('device'),
    session: fields.text('session', ANY_LENGTH),
    serverTime: fields.whole('serverTime', 0),
    ackLevel: fields.oneOf('ackLevel', ackLevels),
    inbox: fields.object('inbox', readPosition),
    limits: fields.object('limits', (limits) => ({
      frameBytes: limits.whole('frameBytes', 1),
      bodyBytes: limits.whole('bodyBytes', 1),
      sendWindow: limits.whole('sendWindow', 1),
      idleMs: limits.whole('idleMs', 1),
    })),
  }),
  ok: (fields) => ({ t: 'ok', id: idOf(fields) }),
  ack: (fields) => ({
    t: 'ack',
    id: idOf(fields),
    conversation: fields.conversation('conversation'),
    n: fields.whole('n', 0),
    gen: fields.gen('gen'),
    seq: fields.seq('seq', 1),
    msgNo: fields.whole('msgNo', 0),
    at: fields.whole('at', 0),
    level: fields.oneOf('level', ackedLevels),
    duplicate: fields.flag('duplicate'),
  }),
  synced: (fields) => ({
    t: 'synced',
    id: idOf(fields),
    tooLong: fields.flag('tooLong'),
    regressed: fields.flag('regressed'),
    conversations: fields.list('conversations', readDelta),
    hasMore: fields.flag('hasMore'),
    inbox: fields.object('inbox', readPosition),
    token: fields.text('token', protocolLimits.opaqueChars),
  }),
  page: (fields) => ({
    t: 'page',
    id: idOf(fields),
    conversation: fields.conversation('conversation'),
    messages: fields.list('messages', readMessage),
    hasMore: fields.flag('hasMore'),
    head: fields.object('head', readPosition),
    ...(fields.has('first') ? { first: fields.seq('first', 1) } : {}),
  }),
  found: (fields) => ({
    t: 'found',
    id: idOf(fields),
    hits: fields.list('hits', readHit),
    ...readFoundRest(fields),
  }),
  conversations: (fields) => ({
    t: 'conversations',
    id: idOf(fields),
    conversations: fields.list('conversations', readSummary),
    next: nullable(fields, 'next', () => fields.text('next', protocolLimits.opaqueChars)),
  }),
  members: (fields) => ({
    t: 'members',
    id: idOf(fields),
    conversation: fields.conversation('conversation'),
    count: fields.whole('count', 0),
    members: fields.list('members', (member) => ({
      user: member.user('user'),
      role: member.oneOf('role', roles),
      readSeq: member.seq('readSeq'),
      deliveredSeq: member.seq('deliveredSeq'),
      ...readMutedUntil(member),
    })),
    next: nullable(fields, 'next', () => fields.user('next')),
  }),
  bans: (fields) => ({
    t: 'bans',
    id: idOf(fields),
    conversation: fields.conversation('conversation'),
    count: fields.whole('count', 0),
    users: fields.users('users', 0, ANY_LENGTH),
    next: nullable(fields, 'next', () => fields.user('next')),
  }),
  scheduled: (fields) => ({
    t: 'scheduled',
    id: idOf(fields),
    messages: fields.list('messages', readScheduled),
    next: nullable(fields, 'next', () => fields.text('next', ANY_LENGTH)),
  }),
  info: (fields) => ({
    t: 'info',
    id: idOf(fields),
    conversation: fields.conversation('conversation'),
    kind: readKind(fields),
    title: fields.text('title', ANY_LENGTH),
    joinPolicy: fields.oneOf('joinPolicy', ['invite', 'open']),
    historyPolicy: fields.oneOf('historyPolicy', ['all', 'join']),
    muted: fields.flag('muted'),
    slowModeMs: fields.whole('slowModeMs', 0),
    // A server of before knows of no mentions.
    mentionAllBy: fields.has('mentionAllBy') ? fields.oneOf('mentionAllBy', ['admins', 'members']) : 'admins',
    ...(fields.has('retentionDays') ? { retentionDays: fields.whole('retentionDays', 1) } : {}),
    ...(fields.has('lifetimeMs') ? { lifetimeMs: fields.whole('lifetimeMs', 1) } : {}),
    pinBy: fields.has('pinBy') ? fields.oneOf('pinBy', ['admins', 'members']) : 'admins',
    memberCount: fields.whole('memberCount', 0),
    role: fields.oneOf('role', roles),
    ...readMutedUntil(fields),
    ...(fields.has('pinned') ? { pinned: fields.list('pinned', readPinned) } : {}),
    ...(fields.has('blocked') ? { blocked: fields.flag('blocked') } : {}),
  }),
  readers: (fields) => ({
    t: 'readers',
    id: idOf(fields),
    conversation: fields.conversation('conversation'),
    ...readReceiptCounts(fields),
    users: fields.list('users', (reader) => ({
      user: reader.user('user'),
      readSeq: reader.seq('readSeq'),
      deliveredSeq: reader.seq('deliveredSeq'),
    })),
    next: nullable(fields, 'next', () => fields.user('next')),
  }),
  created: (fields) => ({
    t: 'created',
    id: idOf(fields),
    conversation: fields.conversation('conversation'),
    ...readPosition(fields),
    fresh: fields.flag('fresh'),
  }),
  changed: (fields) => ({
    t: 'changed',
    id: idOf(fields),
    conversation: fields.conversation('conversation'),
    ...readPosition(fields),
  }),
  read: (fields) => ({
    t: 'read',
    id: idOf(fields),
    conversation: fields.conversation('conversation'),
    ...readUnreadInputs(fields),
  }),
  pong: (fields) => ({ t: 'pong', id: idOf(fields), serverTime: fields.whole('serverTime', 0) }),
  push: (fields) => ({
    t: 'push',
    gen: fields.gen('gen'),
    prev: fields.seq('prev'),
    seq: fields.seq('seq'),
    items: fields.list('items', readPushItem),
  }),
  live: (fields) => ({
    t: 'live',
    conversation: fields.conversation('conversation'),
    gen: fields.gen('gen'),
    prev: fields.seq('prev'),
    seq: fields.seq('seq', 1),
    messages: fields.list('messages', readMessage),
  }),
  heads: (fields) => ({
    t: 'heads',
    heads: fields.list('heads', (head) => ({
      conversation: head.conversation('conversation'),
      ...readPosition(head),
      msgNo: head.whole('msgNo', 0),
      ...(head.has('mentionAll') ? { mentionAll: head.seqs('mentionAll') } : {}),
    })),
  }),
  ended: (fields) => ({ t: 'ended', conversation: fields.conversation('conversation') }),
  receipt: (fields) => ({
    t: 'receipt',
    conversation: fields.conversation('conversation'),
    user: fields.user('user'),
    readSeq: fields.seq('readSeq'),
    deliveredSeq: fields.seq('deliveredSeq'),
  }),
  presence: (fields) => ({
    t: 'presence',
    users: fields.list('users', (state) => ({ user: state.user('user'), online: state.flag('online') })),
  }),
  receipts: (fields) => ({
    t: 'receipts',
    conversation: fields.conversation('conversation'),
    readers: fields.list('readers', readReceiptCounts),
  }),
  typing: (fields) => ({
    t: 'typing',
    conversation: fields.conversation('conversation'),
    user: fields.user('user'),
  }),
  resync: (fields) => {
    const reason = fields.text('reason', ANY_LENGTH);
    // Whatever the reason, what to do is the same.
    const isKnown = reason === 'slow' || reason === 'regressed' || reason === 'incomplete';
    return { t: 'resync', reason: isKnown ? reason : 'moved' };
  },
  drain: (fields) => ({ t: 'drain', deadlineMs: fields.whole('deadlineMs', 0) }),
  error: (fields) => {
    const retry = fields.text('retry', ANY_LENGTH);
    return {
      t: 'error',
      ...(fields.has('id') ? { id: idOf(fields) } : {}),
      code: readErrorCode(fields),
      message: fields.text('message', ANY_LENGTH),
      retry: retries.find((known) => known === retry) ?? 'never',
      ...(fields.has('retryAfterMs') ? { retryAfterMs: fields.whole('retryAfterMs', 0) } : {}),
      ...(fields.has('expected') ? { expected: fields.whole('expected', 1) } : {}),
      ...(fields.has('from') ? { from: fields.whole('from', 0) } : {}),
    };
  },
};

const decoderOf = new Map<unknown, Decoder<ServerFrame>>(Object.entries(decoders));

/** @returns null for a frame that a newer server may send and this program does not know. */
export const serverFrameDecoder = (t: unknown): Decoder<ServerFrame> | null => decoderOf.get(t) ?? null;
