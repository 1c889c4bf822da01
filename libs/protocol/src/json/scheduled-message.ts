import { fromBase64, toBase64 } from '../base64.ts';
import type { ScheduledMessage, ScheduledState, SendableType } from '../frames.ts';
import { readErrorCode } from './error-code.ts';
import type { FieldReader } from './field-reader.ts';

// Scheduled messages in JSON: of frames, of the HTTP API and of the user's record.

const ANY_LENGTH = Number.MAX_SAFE_INTEGER;
const states = ['open', 'sending', 'sent', 'failed'] as const satisfies readonly ScheduledState[];
const types = ['text', 'image', 'file', 'custom'] as const satisfies readonly SendableType[];

export const readScheduled = (fields: FieldReader): ScheduledMessage => ({
  key: fields.text('key', ANY_LENGTH, 1),
  conversation: fields.conversation('conversation'),
  dueAt: fields.whole('dueAt', 0),
  state: fields.oneOf('state', states),
  type: fields.oneOf('type', types),
  ...(fields.has('body') || fields.has('bodyBase64') ? { body: fields.body(ANY_LENGTH) } : {}),
  ...(fields.has('mentions') ? { mentions: fields.users('mentions', 1, ANY_LENGTH) } : {}),
  ...(fields.has('mentionAll') && fields.flag('mentionAll') ? { mentionAll: true } : {}),
  ...(fields.has('replyTo') ? { replyTo: fields.seq('replyTo', 1) } : {}),
  ...(fields.has('gen') ? { gen: fields.gen('gen') } : {}),
  ...(fields.has('seq') ? { seq: fields.seq('seq', 1) } : {}),
  ...(fields.has('error')
    ? {
        error: fields.object('error', (error) => ({
          code: readErrorCode(error),
          message: error.text('message', ANY_LENGTH),
        })),
      }
    : {}),
});

/** As it stands in JSON: a body of bytes as `bodyBase64`. */
export function jsonScheduled<M extends { readonly body?: string | Uint8Array }>(
  message: M,
): Omit<M, 'body'> & { readonly body?: string; readonly bodyBase64?: string } {
  const { body, ...rest } = message;
  if (body === undefined) return rest;
  return typeof body === 'string' ? { ...rest, body } : { ...rest, bodyBase64: toBase64(body) };
}

/** What {@link jsonScheduled} wrote. */
export function bodyFromJson(json: { readonly body?: string; readonly bodyBase64?: string }): {
  readonly body?: string | Uint8Array;
} {
  if (json.body !== undefined) return { body: json.body };
  if (json.bodyBase64 === undefined) return {};
  const bytes = fromBase64(json.bodyBase64);
  return bytes.ok ? { body: bytes.value } : {};
}
