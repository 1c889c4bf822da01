import { err, ok, type Result } from '@millrace/kernel';
import {
  parseConversationId,
  parseDeviceId,
  parseGeneration,
  parseSequenceId,
  parseUserId,
  utf8,
  type ConversationId,
  type Generation,
  type IdError,
  type SequenceId,
  type UserId,
} from '@millrace/kernel';
import { frameError, fromBase64, isWellFormed, protocolLimits, type FrameError } from '@millrace/protocol';
import { z } from 'zod';

/** Of a client message id of free form, in characters. */
const KEY_CHARS_MAX = 64;

/** A schema out of one of the kernel's parsers, with its error text. */
export function parsedBy<T>(parse: (value: unknown) => Result<T, IdError>): z.ZodType<T> {
  return z.unknown().transform((value, context) => {
    const parsed = parse(value);
    if (parsed.ok) return parsed.value;
    context.issues.push({ code: 'custom', message: parsed.error.message, input: value });
    return z.NEVER;
  });
}

export const userId: z.ZodType<UserId> = parsedBy(parseUserId);
export const conversationId: z.ZodType<ConversationId> = parsedBy(parseConversationId);
export const sessionId = z.string().min(1).max(128);

const digits = (value: unknown): unknown =>
  typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value;

/** Numbers in a query are text. */
export const querySeq: z.ZodType<SequenceId> = z.preprocess(digits, parsedBy(parseSequenceId));
export const queryGen: z.ZodType<Generation> = z.preprocess(digits, parsedBy(parseGeneration));
export const queryLimit = (max: number, byDefault: number): z.ZodType<number> =>
  z.preprocess(digits, z.number().int().min(1).max(max)).default(byDefault);

/** Half of a surrogate pair is no character: it could not be stored as UTF-8 and read back the same. */
export const wellFormed = z.string().refine(isWellFormed, 'must be well-formed Unicode');

const role = z.enum(['owner', 'admin', 'member']);
export const title = wellFormed.refine(
  (text) => Array.from(text).length <= protocolLimits.titleChars,
  `must have at most ${String(protocolLimits.titleChars)} characters`,
);
/** They come in by chunks of what one commit takes. */
const MEMBERS_PER_REQUEST = 10_000;
const users = z.array(userId).min(1).max(MEMBERS_PER_REQUEST);

export const createBody = z
  .strictObject({
    creator: userId,
    kind: z.enum(['direct', 'group', 'channel', 'lobby']),
    conversation: conversationId.optional(),
    title: title.optional(),
    members: z.array(userId).max(MEMBERS_PER_REQUEST).default([]),
    joinPolicy: z.enum(['invite', 'open']).optional(),
    historyPolicy: z.enum(['join', 'all']).optional(),
    backlog: z.number().int().min(1).max(protocolLimits.lobbyBacklog).optional(),
    membersMax: z.number().int().min(1).max(protocolLimits.lobbyMembers).optional(),
  })
  .superRefine(({ kind, backlog, membersMax }, context) => {
    for (const [field, value] of Object.entries({ backlog, membersMax })) {
      if (kind === 'lobby' || value === undefined) continue;
      context.issues.push({ code: 'custom', message: 'is for a lobby alone', input: value, path: [field] });
    }
  });

export const addMembersBody = z.strictObject({ users });
export const roleBody = z.strictObject({ role });

export const muteBody = z.strictObject({
  until: z
    .number()
    .int()
    .min(1)
    .max(Number.MAX_SAFE_INTEGER - 1)
    .optional(),
});
export const settingsBody = z
  .strictObject({
    title: title.optional(),
    joinPolicy: z.enum(['invite', 'open']).optional(),
    historyPolicy: z.enum(['join', 'all']).optional(),
    muted: z.boolean().optional(),
    slowModeMs: z.number().int().min(0).max(protocolLimits.slowModeMs).optional(),
    mentionAllBy: z.enum(['admins', 'members']).optional(),
    retentionDays: z.number().int().min(0).max(protocolLimits.retentionDays).optional(),
    lifetimeMs: z
      .union([z.literal(0), z.number().int().min(protocolLimits.lifetimeMsMin).max(protocolLimits.lifetimeMs)])
      .optional(),
    pinBy: z.enum(['admins', 'members']).optional(),
  })
  .refine((change) => Object.values(change).some((value) => value !== undefined), 'give at least one setting');

/** Either a text or bytes. */
function bodyOf<T extends { readonly body?: string | undefined; readonly bodyBase64?: string | undefined }>(
  { body, bodyBase64, ...rest }: T,
  context: z.RefinementCtx,
): Omit<T, 'body' | 'bodyBase64'> & { readonly body: string | Uint8Array } {
  const refuse = (path: string, message: string): never => {
    context.issues.push({ code: 'custom', message, input: undefined, path: [path] });
    return z.NEVER;
  };
  if ((body === undefined) === (bodyBase64 === undefined)) return refuse('body', 'give either body or bodyBase64');
  if (bodyBase64 === undefined) return { ...rest, body: body ?? '' };
  const bytes = fromBase64(bodyBase64);
  return bytes.ok ? { ...rest, body: bytes.value } : refuse('bodyBase64', 'is not base64');
}

const keyed = {
  from: userId,
  key: wellFormed.min(1).max(KEY_CHARS_MAX),
  window: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
};

export const forwardBody = z.strictObject({
  ...keyed,
  source: z.strictObject({ conversation: conversationId, seq: parsedBy(parseSequenceId) }),
});

export const reactBody = z.strictObject({
  ...keyed,
  emoji: wellFormed
    .min(1)
    .refine(
      (text) => Array.from(text).length <= protocolLimits.reactionChars,
      `must have at most ${String(protocolLimits.reactionChars)} characters`,
    ),
  on: z.boolean().default(true),
});

export const recallBody = z.strictObject({
  reason: wellFormed
    .min(1)
    .refine(
      (text) => Array.from(text).length <= protocolLimits.reasonChars,
      `must have at most ${String(protocolLimits.reasonChars)} characters`,
    )
    .optional(),
});

export const editBody = z
  .strictObject({
    ...keyed,
    body: wellFormed.optional(),
    bodyBase64: z.string().optional(),
  })
  .transform((edit, context) => bodyOf(edit, context));

/** What is said, and to whom above all. */
const content = {
  type: z.enum(['text', 'image', 'file', 'custom']).default('text'),
  body: wellFormed.optional(),
  bodyBase64: z.string().optional(),
  mentions: z.array(userId).min(1).max(protocolLimits.mentionsPerMessage).optional(),
  mentionAll: z.literal(true).optional(),
  replyTo: parsedBy(parseSequenceId).optional(),
};

function checkedContent<
  T extends {
    readonly type: string;
    readonly body?: string | undefined;
    readonly bodyBase64?: string | undefined;
  },
>(said: T, context: z.RefinementCtx): Omit<T, 'body' | 'bodyBase64'> & { readonly body: string | Uint8Array } {
  if (said.body === undefined && said.bodyBase64 !== undefined && said.type === 'text') {
    const message = 'a text message needs a body of text';
    context.issues.push({ code: 'custom', message, input: undefined, path: ['bodyBase64'] });
    return z.NEVER;
  }
  return bodyOf(said, context);
}

export const sendBody = z
  .strictObject({
    ...keyed,
    seq: parsedBy(parseSequenceId).optional(),
    ...content,
  })
  .transform(checkedContent);

export const scheduledKey = wellFormed
  .min(1)
  .refine(
    (text) => Array.from(text).length <= protocolLimits.scheduledKeyChars,
    `must have at most ${String(protocolLimits.scheduledKeyChars)} characters`,
  );

export const scheduleBody = z
  .strictObject({
    conversation: conversationId,
    dueAt: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
    ...content,
  })
  .transform(checkedContent);

/** `too_large` is told apart from a malformed request: the sender may split it. */
export function checkBodySize(body: string | Uint8Array): Result<null, FrameError> {
  const bytes = typeof body === 'string' ? utf8(body).length : body.length;
  if (bytes <= protocolLimits.bodyBytes) return ok(null);
  const most = String(protocolLimits.bodyBytes);
  return err(frameError('too_large', `the message has ${String(bytes)} bytes, at most ${most} are taken`));
}

/** The device that the backend acts as when it asks on behalf of a user: one that no token can name a session of. */
export const backendDevice = (() => {
  const parsed = parseDeviceId('http-api');
  if (!parsed.ok) throw new Error(parsed.error.message);
  return parsed.value;
})();

function shown(value: unknown): string {
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) return 'nothing';
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const step of path) value = (value as Record<PropertyKey, unknown> | null | undefined)?.[step];
  return value;
}

/** @returns what was read, or `bad_request` that names the field, what was given and what would be right. */
export function read<T>(schema: z.ZodType<T>, input: unknown): Result<T, FrameError> {
  const parsed = schema.safeParse(input ?? {});
  if (parsed.success) return ok(parsed.data);
  const issue = parsed.error.issues[0];
  if (issue === undefined) return err(frameError('bad_request', 'the request is not well-formed'));
  const field = issue.path.map(String).join('.');
  const given = issue.path.length === 0 ? '' : ` (given: ${shown(valueAt(input, issue.path))})`;
  return err(frameError('bad_request', `${field === '' ? 'the request' : field}: ${issue.message}${given}`));
}
