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
 * Payload of `send`: string conversation · varint n · varint sentAt · u8 type · body: the rest.
 * Flag 1: the body is UTF-8 text.
 */

const typeNumbers: readonly (SendableType | undefined)[] = messageTypes.map((type) =>
  sendableTypes.find((sendable) => sendable === type),
);

export function writeSend(writer: ByteWriter, frame: Send): void {
  const isText = typeof frame.body === 'string';
  const body = typeof frame.body === 'string' ? utf8(frame.body) : frame.body;
  writeRecord(writer, recordKind.send, isText ? recordFlag.send.text : 0, frame.id, (payload) => {
    payload.string(frame.conversation).varint(frame.n).varint(frame.sentAt);
    payload.u8(messageTypes.indexOf(frame.type)).raw(body);
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
  const sentAt = reader.varint();
  const typeNumber = reader.u8();
  const type = typeNumbers[typeNumber];
  if (type === undefined) return refused(`type must be one of ${typeNames}, got ${String(typeNumber)}`);
  const bytes = reader.raw(reader.remaining);
  const problem = bodyProblem(bytes, limits);
  if (problem !== null) return err(problem);
  const body = readBody(bytes, (flags & recordFlag.send.text) !== 0);
  if (body === null) return refused('body must be UTF-8, as its flag says');
  return ok({ t: 'send', id, conversation: conversation.value, n, sentAt, type, body });
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
