import {
  MalformedBytes,
  err,
  fromUtf8,
  ok,
  parseConversationId,
  parseUserId,
  sequenceId,
  utf8,
  type ByteReader,
  type ByteWriter,
  type Result,
  type UserId,
} from '@millrace/kernel';
import { bodyProblem } from '../body.ts';
import { messageTypes, type Mentions } from '../entry.ts';
import type { FieldProblem } from '../errors.ts';
import type { Send, SendableType } from '../frames.ts';
import { sendableTypes } from '../json/client-frame-decoders.ts';
import type { ProtocolLimits } from '../limits.ts';
import { beginRecord, endRecord, readerOf, recordFlag, recordKind, type BinaryRecord } from './record.ts';

/*
 * Payload of `send`: string conversation · varint n · varint after, with flag 2 only · varint sentAt · u8 type ·
 * u8 1 for mentionAll, else 0 · varint count · string user…, with flag 4 only · varint replyTo, with flag 8 only · body: the
 * rest. Flag 1: the body is UTF-8 text. Flag 2: there is an `after`. Flag 4: somebody is mentioned. Flag 8: it answers a message.
 */

const typeNumbers: readonly (SendableType | undefined)[] = messageTypes.map((type) =>
  sendableTypes.find((sendable) => sendable === type),
);

export function writeSend(writer: ByteWriter, frame: Send): void {
  const isText = typeof frame.body === 'string';
  const body = typeof frame.body === 'string' ? utf8(frame.body) : frame.body;
  const { after, replyTo } = frame;
  const { mentions = [], mentionAll } = frame;
  const hasMentions = mentions.length > 0 || mentionAll === true;
  const flags =
    (isText ? recordFlag.send.text : 0) |
    (after === undefined ? 0 : recordFlag.send.after) |
    (hasMentions ? recordFlag.send.mentions : 0) |
    (replyTo === undefined ? 0 : recordFlag.send.reply);
  const record = beginRecord(writer, recordKind.send, flags, frame.id);
  writer.string(frame.conversation).varint(frame.n);
  if (after !== undefined) writer.varint(after);
  writer.varint(frame.sentAt).u8(messageTypes.indexOf(frame.type));
  if (hasMentions) {
    writer.u8(mentionAll === true ? 1 : 0).varint(mentions.length);
    for (const user of mentions) writer.string(user);
  }
  if (replyTo !== undefined) writer.varint(replyTo);
  endRecord(writer.raw(body), record);
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

function readPayload(record: BinaryRecord, limits: ProtocolLimits): Result<Send, FieldProblem> {
  const { id, flags } = record;
  if (id === 0) return refused('id must be a whole number from 1 to 4294967295, got 0');
  const reader = readerOf(record);
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
  const mentioned = (flags & recordFlag.send.mentions) === 0 ? nobody : readMentions(reader, limits);
  if (!mentioned.ok) return mentioned;
  const replyTo = (flags & recordFlag.send.reply) === 0 ? undefined : reader.varint();
  if (replyTo === 0) return refused('replyTo must be a whole number from 1 to 9007199254740991, got 0');
  const bytes = reader.raw(reader.remaining);
  const problem = bodyProblem(bytes, limits);
  if (problem !== null) return err(problem);
  const body = readBody(bytes, (flags & recordFlag.send.text) !== 0);
  if (body === null) return refused('body must be UTF-8, as its flag says');
  // Nearly all are plain, and the copying below costs more than all the reading.
  if (after === undefined && mentioned === nobody && replyTo === undefined) {
    return ok({ t: 'send', id, conversation: conversation.value, n, sentAt, type, body });
  }
  const follows = after === undefined ? {} : { after };
  const more = { ...mentioned.value, ...(replyTo === undefined ? {} : { replyTo: sequenceId(replyTo) }) };
  return ok({ t: 'send', id, conversation: conversation.value, n, ...follows, sentAt, type, body, ...more });
}

const nobody: Result<Mentions, never> = ok({});

const typeNames = sendableTypes.map((type) => `${String(messageTypes.indexOf(type))} (${type})`).join(', ');

function readMentions(reader: ByteReader, limits: ProtocolLimits): Result<Mentions, FieldProblem> {
  const mentionsAll = reader.u8() !== 0;
  const count = reader.varint();
  const most = limits.mentionsPerMessage;
  if (count > most) return refused(`mentions must be an array of 1 to ${String(most)} user ids, got ${String(count)}`);
  const mentions: UserId[] = [];
  for (let index = 0; index < count; index += 1) {
    const user = parseUserId(reader.string());
    if (!user.ok) return refused(`mentions[${String(index)}]: ${user.error.message}`);
    mentions.push(user.value);
  }
  return ok({ ...(count === 0 ? {} : { mentions }), ...(mentionsAll ? { mentionAll: true } : {}) });
}

/** Bytes are copied: the message that they stand in may be reused by the socket. */
function readBody(bytes: Uint8Array, isText: boolean): string | Uint8Array | null {
  if (!isText) return new Uint8Array(bytes);
  try {
    return fromUtf8(bytes);
  } catch {
    return null;
  }
}
