/**
 * Holds each frame of the server against the tables of docs/protocol.md: every field that the page names is there, of
 * its type and range, and no other is. (A client must bear fields that it does not know; this server has no reason to
 * send one, and a field that the page does not name is a hole in the page.)
 */
type Check = (value: unknown) => boolean;
type Shape = Readonly<Record<string, Check>>;

const whole: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const positive: Check = (value) => whole(value) && (value as number) > 0;
const u32: Check = (value) => whole(value) && (value as number) <= 0xffff_ffff;
const flag: Check = (value) => typeof value === 'boolean';
const text: Check = (value) => typeof value === 'string' && value.isWellFormed();
const id: Check = (value) => typeof value === 'string' && /^[A-Za-z0-9._~@:%+=-]{1,64}$/.test(value);
const conversationId: Check = (value) => id(value) || (typeof value === 'string' && value.split('!').every(id));
const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value);
const oneOf =
  (...values: readonly string[]): Check =>
  (value) =>
    values.includes(value as string);
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);

function shape(required: Shape, optional: Shape = {}): Check {
  return (value) => {
    if (typeof value !== 'object' || value === null) return false;
    const known = { ...required, ...optional };
    return (
      Object.keys(required).every((name) => name in value) &&
      Object.entries(value).every(([name, field]) => known[name]?.(field) ?? false)
    );
  };
}

const position = { gen: positive, seq: whole };
const readPosition = { readSeq: whole, readMsgNo: whole, own: whole };
const messageFields = {
  ...{ gen: positive, seq: positive, msgNo: whole, at: positive, sentAt: whole },
  ...{ type: oneOf('text', 'image', 'file', 'custom', 'control'), n: whole, deviceTag: u32, countable: flag },
  from: orNull(id),
};
const message: Check = (value) =>
  shape({ ...messageFields, body: text })(value) || shape({ ...messageFields, bodyBase64: text })(value);
const summaryFields = {
  ...{
    conversation: conversationId,
    kind: oneOf('direct', 'group', 'channel', 'lobby'),
    title: text,
    peer: orNull(id),
  },
  ...{
    member: flag,
    diffusion: oneOf('write', 'read'),
    ...position,
    lastAt: whole,
    msgNo: whole,
    ...readPosition,
    unread: whole,
  },
};
/** The four numbers and what follows from them. */
const summary: Check = (value) => {
  if (!shape(summaryFields)(value)) return false;
  const { msgNo, readMsgNo, own, unread } = value as Record<'msgNo' | 'readMsgNo' | 'own' | 'unread', number>;
  return unread === Math.max(0, msgNo - readMsgNo - own);
};
const item: Check = (value) =>
  shape({ conversation: conversationId, messages: listOf(message) })(value) ||
  shape({ conversation: conversationId, read: shape(readPosition) })(value);
const limits = shape({ frameBytes: positive, bodyBytes: positive, sendWindow: positive, idleMs: positive });
const member = shape({ user: id, role: oneOf('owner', 'admin', 'member'), readSeq: whole, deliveredSeq: whole });
const level = oneOf('memory', 'disk', 'replicated');

const FRAMES: Readonly<Record<string, Check>> = {
  connected: shape({
    ...{ id: positive, user: id, device: id, session: text, serverTime: positive, ackLevel: level },
    ...{ inbox: shape(position), limits },
  }),
  ok: shape({ id: positive }),
  ack: shape({
    ...{ id: positive, conversation: conversationId, n: positive, gen: positive, seq: positive },
    ...{ msgNo: whole, at: whole, level: oneOf('memory', 'disk', 'replicated', 'volatile'), duplicate: flag },
  }),
  synced: shape({
    ...{ id: positive, tooLong: flag, regressed: flag, hasMore: flag, inbox: shape(position), token: text },
    conversations: listOf(shape({ summary, messages: listOf(message) })),
  }),
  page: shape(
    {
      ...{ id: positive, conversation: conversationId, messages: listOf(message), hasMore: flag },
      head: shape(position),
    },
    { first: positive },
  ),
  found: shape(
    {
      ...{ id: positive, next: orNull(text), complete: flag },
      hits: listOf(
        shape({ conversation: conversationId, message, places: listOf(shape({ start: whole, end: positive })) }),
      ),
      unsearched: listOf(shape({ conversation: conversationId, indexedThrough: whole, searchedFrom: positive })),
    },
    {
      counts: shape({
        ...{ total: whole, exact: flag },
        conversations: listOf(shape({ conversation: conversationId, count: positive })),
      }),
    },
  ),
  conversations: shape({ id: positive, conversations: listOf(summary), next: orNull(text) }),
  members: shape({
    ...{ id: positive, conversation: conversationId, count: whole, members: listOf(member), next: orNull(id) },
  }),
  created: shape({ id: positive, conversation: conversationId, gen: positive, seq: positive, fresh: flag }),
  changed: shape({ id: positive, conversation: conversationId, gen: positive, seq: positive }),
  read: shape({ id: positive, conversation: conversationId, msgNo: whole, ...readPosition, unread: whole }),
  pong: shape({ id: positive, serverTime: positive }),
  ended: shape({ conversation: conversationId }),
  heads: shape({
    heads: listOf(shape({ conversation: conversationId, ...position, msgNo: whole }, { mentionAll: listOf(positive) })),
  }),
  push: shape({ ...position, prev: whole, items: listOf(item) }),
  receipt: shape({ conversation: conversationId, user: id, readSeq: whole, deliveredSeq: whole }),
  typing: shape({ conversation: conversationId, user: id }),
  resync: shape({ reason: text }),
  drain: shape({ deadlineMs: whole }),
  error: shape(
    { code: text, message: text, retry: oneOf('never', 'later', 'in_order', 'sync', 'token') },
    { id: positive, retryAfterMs: whole, expected: whole, from: whole },
  ),
};

/** @returns what is wrong with the frame by the page, or undefined. */
export function frameProblem(frame: { readonly t: string }): string | undefined {
  const { t, ...fields } = frame;
  const check = FRAMES[t];
  if (check === undefined) return `a frame that the page does not name: ${JSON.stringify(frame)}`;
  return check(fields) ? undefined : `not as the page describes it: ${JSON.stringify(frame)}`;
}
