import { err, ok, parseDeviceId, parseSequenceId, type Result } from '@millrace/kernel';
import type { ImportSlice } from '@millrace/messaging';
import { decodeEntry, frameError, fromBase64, protocolLimits, type FrameError } from '@millrace/protocol';
import { z } from 'zod';
import { checkBodySize, conversationId, parsedBy, read, title, userId, wellFormed } from './input.ts';

/*
 * The lines of an export as a request brings them, one conversation's at a time: docs/import-export.md tells of each. What
 * one line says is looked at here, how they fit together by the conversation.
 */

/** Beyond is no date, nor a count of anything: what is added to one of them must still be a whole number. */
const COUNT_MAX = 8_640_000_000_000_000;

const seq = parsedBy(parseSequenceId).refine((value) => value <= COUNT_MAX, `must be at most ${String(COUNT_MAX)}`);
const count = z.number().int().min(0).max(COUNT_MAX);
/** In ms since 1970; the greatest number for what has no end. */
const until = z.union([count, z.literal(Number.MAX_SAFE_INTEGER)]);

const about = z
  .strictObject({
    kind: z.enum(['direct', 'group', 'channel']),
    title: title.default(''),
    joinPolicy: z.enum(['invite', 'open']).default('invite'),
    historyPolicy: z.enum(['join', 'all']).default('all'),
    createdBy: userId,
    createdAt: count.default(0),
    muted: z.boolean().default(false),
    slowModeMs: count.max(protocolLimits.slowModeMs).default(0),
    mentionAllBy: z.enum(['admins', 'members']).default('admins'),
    pinBy: z.enum(['admins', 'members']).default('admins'),
    retentionDays: z.number().int().min(1).max(protocolLimits.retentionDays).optional(),
    lifetimeMs: z.number().int().min(protocolLimits.lifetimeMsMin).max(protocolLimits.lifetimeMs).optional(),
  })
  .transform(({ retentionDays, lifetimeMs, ...rest }) => ({
    ...rest,
    ...(retentionDays === undefined ? {} : { retentionDays }),
    ...(lifetimeMs === undefined ? {} : { lifetimeMs }),
  }));

const conversationLine = z
  .strictObject({
    conversation: conversationId,
    about: about.nullable(),
    first: seq,
    last: seq,
    segments: z.array(z.tuple([seq, seq.nullable()])).default([]),
    readReason: z.enum(['size', 'load']).default('size'),
    keyWindow: z.tuple([count, count]).default([1, 0]),
    retiredMsgNo: count.optional(),
  })
  .refine(
    ({ about: what, first, last }) => (what === null ? last === 0 : first >= 1 && last >= 1 && first <= last + 1),
    {
      message:
        'must have entries first..last, both from 1 on, with first one behind last where none is kept; or, without about, none (0)',
      path: ['last'],
    },
  )
  .refine(({ retiredMsgNo, first, last }) => retiredMsgNo === undefined || first === last + 1, {
    message: 'belongs to a conversation of whose entries none is kept: its first is one behind its last',
    path: ['retiredMsgNo'],
  })
  .transform(({ retiredMsgNo, ...rest }) => ({ ...rest, ...(retiredMsgNo === undefined ? {} : { retiredMsgNo }) }));

const memberLine = z.strictObject({
  member: userId,
  role: z.enum(['owner', 'admin', 'member']).default('member'),
  stays: z.array(z.tuple([seq, seq, seq.nullable()])).min(1),
  readSeq: seq.default(() => seq.parse(0)),
  deliveredSeq: seq.default(() => seq.parse(0)),
  mutedUntil: until.optional(),
  devices: z.array(parsedBy(parseDeviceId)).default([]),
});

const banLine = z.strictObject({ ban: userId, by: userId.nullable(), at: count });
const keyLine = z.strictObject({ key: wellFormed.min(1).max(64), from: userId, window: count, seq });

/** Of an entry. */
const entrySeq = seq.refine((value) => value > 0, 'must be at least 1');

const entryLine = z.strictObject({
  seq: entrySeq,
  at: count,
  sentAt: count.optional(),
  type: z.enum(['text', 'image', 'file', 'custom', 'control', 'void']).default('text'),
  from: userId.nullable(),
  deviceTag: count.max(0xffff_ffff).default(0),
  n: count.default(0),
  msgNo: count.optional(),
  countable: z.boolean().optional(),
  body: wellFormed.optional(),
  bodyBase64: z.string().optional(),
  mentions: z.array(userId).min(1).max(protocolLimits.mentionsPerMessage).optional(),
  mentionAll: z.literal(true).optional(),
  replyTo: entrySeq.optional(),
  thread: entrySeq.optional(),
  forwardedFrom: z
    .strictObject({ conversation: conversationId, seq: entrySeq, author: userId.nullable(), at: count })
    .optional(),
  storedBase64: z.string().optional(),
});

const endLine = z.strictObject({ end: conversationId, last: seq });

/** Lines of one conversation: its own first, with each slice. */
export const sliceSchema = z.strictObject({
  lines: z.array(z.record(z.string(), z.unknown())).min(1).max(2_000),
  announced: userId.nullable().default(null),
  after: seq.nullable().default(null),
});
export const importBody = z.strictObject({ slices: z.array(sliceSchema).min(1).max(200) });

export type RawSlice = z.output<typeof sliceSchema>;
type EntryLineRead = z.output<typeof entryLine>;
type Building = {
  -readonly [Name in keyof ImportSlice]: ImportSlice[Name] extends readonly (infer Each)[] ? Each[] : ImportSlice[Name];
};

/** What is wrong with a line, by its place in the slice. */
export interface LineFault {
  readonly line: number;
  readonly error: FrameError;
}

const bad = (message: string): Result<never, FrameError> => err(frameError('bad_request', message));

function entryOf(line: EntryLineRead): Result<ImportSlice['entries'][number], FrameError> {
  const { seq: at, body, bodyBase64, storedBase64, msgNo, mentions, mentionAll, ...rest } = line;
  const { replyTo, thread, forwardedFrom, ...fields } = rest;
  if ((replyTo === undefined) !== (thread === undefined)) return bad('give both replyTo and thread, or neither');
  if (storedBase64 !== undefined) {
    const stored = fromBase64(storedBase64);
    if (!stored.ok) return bad('storedBase64 is not base64');
    try {
      const fieldsRead = decodeEntry(stored.value);
      if (fieldsRead.at > COUNT_MAX)
        return bad(`storedBase64 was sequenced at ${String(fieldsRead.at)}, which is no date`);
      return ok({ seq: at, fields: fieldsRead, stored: stored.value });
    } catch {
      return bad('storedBase64 is no entry that this version of the program can read: import it with a newer one');
    }
  }
  if ((body === undefined) === (bodyBase64 === undefined)) return bad('give either body or bodyBase64');
  const bytes = bodyBase64 === undefined ? ok(body ?? '') : fromBase64(bodyBase64);
  if (!bytes.ok) return bad('bodyBase64 is not base64');
  // A control entry may name many members; nothing that a client sends is larger.
  const size = fields.type === 'control' ? ok(null) : checkBodySize(bytes.value);
  if (!size.ok) return size;
  const isMessage = fields.type !== 'control' && fields.type !== 'void';
  return ok({
    seq: at,
    fields: {
      ...fields,
      sentAt: fields.sentAt ?? fields.at,
      countable: fields.countable ?? isMessage,
      body: bytes.value,
      ...(msgNo === undefined ? {} : { msgNo }),
      ...(mentions === undefined ? {} : { mentions }),
      ...(mentionAll === undefined ? {} : { mentionAll }),
      ...(replyTo === undefined ? {} : { replyTo }),
      ...(thread === undefined ? {} : { thread }),
      ...(forwardedFrom === undefined ? {} : { forwardedFrom }),
    },
    stored: null,
  });
}

/** Puts one line where it belongs. @returns what is wrong with it. */
function take(line: Readonly<Record<string, unknown>>, slice: Building): FrameError | null {
  if (slice.isLast) return frameError('bad_request', 'nothing comes behind the end of a conversation');
  if ('member' in line) return added(read(memberLine, line), slice.members as unknown[]);
  if ('ban' in line) return added(read(banLine, line), slice.bans);
  if ('key' in line) return added(read(keyLine, line), slice.keys);
  if ('end' in line) {
    const end = read(endLine, line);
    if (!end.ok) return end.error;
    if (end.value.end !== slice.line.conversation || end.value.last !== slice.line.last)
      return frameError(
        'bad_request',
        `this is not the end of ${slice.line.conversation}, at ${String(slice.line.last)}`,
      );
    slice.isLast = true;
    return null;
  }
  if (!('seq' in line)) return frameError('bad_request', 'this is no line of an export: see docs/import-export.md');
  const entry = read(entryLine, line);
  return entry.ok ? added(entryOf(entry.value), slice.entries) : entry.error;
}

function added<T>(one: Result<T, FrameError>, to: T[]): FrameError | null {
  if (!one.ok) return one.error;
  to.push(one.value);
  return null;
}

/** All of it, or what is wrong with the first line that does not fit. */
export function readSlice({ lines, announced, after }: RawSlice): Result<ImportSlice, LineFault> {
  const first = read(conversationLine, lines[0]);
  if (!first.ok) return err({ line: 0, error: first.error });
  const none = { members: [], bans: [], keys: [], entries: [], isLast: false };
  const slice: Building = { line: first.value, ...none, announced, after };
  for (const [index, line] of lines.entries()) {
    const error = index === 0 ? null : take(line, slice);
    if (error !== null) return err({ line: index, error });
  }
  return ok(slice);
}

/** Which line a refusal of the conversation is about; null for none in particular. */
export function lineOf(
  { lines }: RawSlice,
  { seq: at, user }: { readonly seq?: number; readonly user?: string },
): number | null {
  const index = lines.findIndex(
    (line) => (at !== undefined && line['seq'] === at) || (user !== undefined && line['member'] === user),
  );
  return index < 0 ? null : index;
}
