import {
  ByteReader,
  MalformedBytes,
  err,
  fromUtf8,
  ok,
  parseConversationId,
  utf8,
  type ByteWriter,
  type Result,
} from '@millrace/kernel';
import { bodyProblem } from '../body.ts';
import { messageTypes } from '../entry.ts';
import type { FieldProblem } from '../errors.ts';
import type { Send, SendableType } from '../frames.ts';
import { sendableTypes } from '../json/client-frame-decoders.ts';
import type { ProtocolLimits } from '../limits.ts';
import { recordFlag, recordKind, writeRecord, type BinaryRecord } from './record.ts';

/*
 * Payload of `send`: string conversation · varint n · varint after, with flag 2 only · varint sentAt · u8 type ·
 * body: the rest. Flag 1: the body is UTF-8 text. Flag 2: there is an `after`.
 */

const typeNumbers: readonly (SendableType | undefined)[] = messageTypes.map((type) =>
  sendableTypes.find((sendable) => sendable === type),
);

export function writeSend(writer: ByteWriter, frame: Send): void {
  const isText = typeof frame.body === 'string';
  const body = typeof frame.body === 'string' ? utf8(frame.body) : frame.body;
  const { after } = frame;
  const flags = (isText ? recordFlag.send.text : 0) | (after === undefined ? 0 : recordFlag.send.after);
  writeRecord(writer, recordKind.send, flags, frame.id, (payload) => {
    payload.string(frame.conversation).varint(frame.n);
    if (after !== undefined) payload.varint(after);
    payload.varint(frame.sentAt).u8(messageTypes.indexOf(frame.type)).raw(body);
  });
}

const refused = (message: string): Result<never, FieldProblem> => err({ code: 'bad_request', message });

export function readSend(record: BinaryRecord, limits: ProtocolLimits): Result<Send, FieldProblem> {
  try {
    return readPayload(record, limits);
  } catch (error) {
    if (error instanceof MalformedBytes) return refused(`the payload cannot be read: ${error.message}`);
    throw error;
  }
}

function readPayload({ id, flags, payload }: BinaryRecord, limits: ProtocolLimits): Result<Send, FieldProblem> {
  if (id === 0) return refused('id must be a whole number from 1 to 4294967295, got 0');
  const reader = new ByteReader(payload);
  const conversation = parseConversationId(reader.string());
  if (!conversation.ok) return refused(`conversation: ${conversation.error.message}`);
  const n = reader.varint();
  if (n === 0) return refused('n must be a whole number from 1 to 9007199254740991, got 0');
  const after = (flags & recordFlag.send.after) === 0 ? undefined : reader.varint();
  if (after !== undefined && after >= n) {
    return refused(`after must be a whole number from 0 to ${String(n - 1)}, got ${String(after)}`);
  }
  const sentAt = reader.varint();
  const typeNumber = reader.u8();
  const type = typeNumbers[typeNumber];
  if (type === undefined) return refused(`type must be one of ${typeNames}, got ${String(typeNumber)}`);
  const bytes = reader.raw(reader.remaining);
  const problem = bodyProblem(bytes, limits);
  if (problem !== null) return err(problem);
  const body = readBody(bytes, (flags & recordFlag.send.text) !== 0);
  if (body === null) return refused('body must be UTF-8, as its flag says');
  const follows = after === undefined ? {} : { after };
  return ok({ t: 'send', id, conversation: conversation.value, n, ...follows, sentAt, type, body });
}

const typeNames = sendableTypes.map((type) => `${String(messageTypes.indexOf(type))} (${type})`).join(', ');

/** Bytes are copied: the message that they stand in may be reused by the socket. */
function readBody(bytes: Uint8Array, isText: boolean): string | Uint8Array | null {
  if (!isText) return new Uint8Array(bytes);
  try {
    return fromUtf8(bytes);
  } catch {
    return null;
  }
}
