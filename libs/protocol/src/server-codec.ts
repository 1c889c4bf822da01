import { err, invariant, ok, utf8, type ByteWriter, type Result } from '@millrace/kernel';
import { beginRecord, endRecord, payloadOf, recordKind, splitRecords, type BinaryRecord } from './binary/record.ts';
import { written } from './binary/scratch.ts';
import { readSend } from './binary/send-record.ts';
import {
  writeAck,
  writeFound,
  writeLive,
  writePage,
  writePush,
  writePushItems,
  writeSynced,
} from './binary/server-records.ts';
import type { Encoded, Encoding } from './encoding.ts';
import type { WireEntry } from './entry.ts';
import { frameError, type CloseReason, type ErrorCode } from './errors.ts';
import type { ClientFrame, ErrorFrame, Push, PushItem, ServerFrame } from './frames.ts';
import { clientFrameDecoder, clientFrameNames } from './json/client-frame-decoders.ts';
import { FieldReader } from './json/field-reader.ts';
import { isJsonObject, parseJsonMessage, type JsonObject } from './json/json-object.ts';
import { jsonScheduled } from './json/scheduled-message.ts';
import { protocolLimits, requestIdMax, type ProtocolLimits } from './limits.ts';
import { isLongerThan, shown } from './text.ts';

// The server's side of the wire.

/** One frame of a message, or the answer to one that could not be read. */
export type DecodedFrame = Result<ClientFrame, ErrorFrame>;

/** Nothing of the message can be trusted: send `error`, then close with `closeCode[close]`. */
export interface UnusableMessage {
  readonly close: Extract<CloseReason, 'badFrame' | 'tooLarge'>;
  readonly error: ErrorFrame;
}

const unusable = (message: string): Result<never, UnusableMessage> =>
  err({ close: 'badFrame', error: { t: 'error', ...frameError('bad_frame', message) } });

/** @param id - of the frame, 0 when it could not be read. */
const refused = (id: number, code: ErrorCode, message: string): DecodedFrame =>
  err({ t: 'error', ...(id === 0 ? {} : { id }), ...frameError(code, message) });

/**
 * Reads one WebSocket message of a client. Any input whatsoever is answered, nothing throws, and what is allocated is
 * bounded by the size of the message. A frame that is wrong is answered by an error of its own, with the frame's id
 * where it could be read; the others of the message stand.
 *
 * @param data - the message; text may be given as its UTF-8 bytes. What is returned holds no view into it.
 */
export function decodeClientFrames(
  data: string | Uint8Array,
  encoding: Encoding,
  limits: ProtocolLimits = protocolLimits,
): Result<readonly DecodedFrame[], UnusableMessage> {
  const isTooLarge = typeof data === 'string' ? isLongerThan(data, limits.frameBytes) : data.length > limits.frameBytes;
  if (isTooLarge) {
    const message = `a message has at most ${String(limits.frameBytes)} bytes`;
    return err({ close: 'tooLarge', error: { t: 'error', ...frameError('too_large', message) } });
  }
  return encoding === 'json' ? decodeJsonMessage(data, limits) : decodeBinaryMessage(data, limits);
}

function decodeJsonMessage(
  data: string | Uint8Array,
  limits: ProtocolLimits,
): Result<readonly DecodedFrame[], UnusableMessage> {
  const json = parseJsonMessage(data);
  if (json === null) return unusable('the message is not JSON');
  if (!Array.isArray(json.value)) {
    if (isJsonObject(json.value)) return ok([decodeObject(json.value, limits)]);
    return unusable(`a message is a JSON object or an array of them, got ${shown(json.value)}`);
  }
  const values: readonly unknown[] = json.value;
  if (values.length === 0 || values.length > limits.framesPerMessage) {
    return unusable(`an array holds 1 to ${String(limits.framesPerMessage)} frames, got ${String(values.length)}`);
  }
  return ok(
    values.map((value) =>
      isJsonObject(value)
        ? decodeObject(value, limits)
        : refused(0, 'bad_frame', `a frame is an object, got ${shown(value)}`),
    ),
  );
}

function readableId({ id }: JsonObject): number {
  return Number.isSafeInteger(id) && (id as number) >= 1 && (id as number) <= requestIdMax ? (id as number) : 0;
}

function decodeObject(value: JsonObject, limits: ProtocolLimits): DecodedFrame {
  const decode = clientFrameDecoder(value['t']);
  if (decode === null) {
    const message = `t must be one of ${clientFrameNames.join(', ')}, got ${shown(value['t'])}`;
    return refused(readableId(value), 'bad_frame', message);
  }
  const fields = new FieldReader(value);
  const frame = decode(fields, limits);
  const { problem } = fields;
  return problem === null ? ok(frame) : refused(readableId(value), problem.code, `${frame.t}: ${problem.message}`);
}

function decodeBinaryMessage(
  data: string | Uint8Array,
  limits: ProtocolLimits,
): Result<readonly DecodedFrame[], UnusableMessage> {
  if (typeof data === 'string') return unusable('over the binary subprotocol every message is a binary one');
  const records = splitRecords(data, limits.framesPerMessage);
  return typeof records === 'string' ? unusable(records) : ok(records.map((record) => decodeRecord(record, limits)));
}

function decodeRecord(record: BinaryRecord, limits: ProtocolLimits): DecodedFrame {
  if (record.kind === recordKind.send) {
    const send = readSend(record, limits);
    return send.ok ? send : refused(record.id, send.error.code, `send: ${send.error.message}`);
  }
  if (record.kind !== recordKind.json) {
    return refused(record.id, 'bad_frame', `a client's record is of kind 0 or 1, got ${String(record.kind)}`);
  }
  const json = parseJsonMessage(payloadOf(record));
  if (json === null || !isJsonObject(json.value)) {
    return refused(record.id, 'bad_frame', 'the payload of a record of kind 0 is one JSON object');
  }
  const id = json.value['id'] ?? 0;
  if (id !== record.id) {
    return refused(record.id, 'bad_request', `id must be the header's, ${String(record.id)}, got ${shown(id)}`);
  }
  return decodeObject(json.value, limits);
}

// ------------------------------------------------------------------------------------------------------ encoding

const messagesJson = (entries: readonly WireEntry[]): string => `[${entries.map((entry) => entry.json).join(',')}]`;

function pushItemJson(item: PushItem<WireEntry>): string {
  if ('read' in item) return JSON.stringify(item);
  if ('hint' in item) return JSON.stringify({ conversation: item.conversation, messages: [], hint: item.hint });
  if ('deleted' in item)
    return JSON.stringify({ conversation: item.conversation, messages: [], deleted: item.deleted });
  return `{"conversation":${JSON.stringify(item.conversation)},"messages":${messagesJson(item.messages)}}`;
}

const pushItemsJson = (items: readonly PushItem<WireEntry>[]): string => `[${items.map(pushItemJson).join(',')}]`;

const pushJson = ({ gen, prev, seq }: PushPosition, items: string): string =>
  `{"t":"push","gen":${String(gen)},"prev":${String(prev)},"seq":${String(seq)},"items":${items}}`;

/** The JSON text of one server frame. */
function serverFrameJson(frame: ServerFrame<WireEntry>): string {
  switch (frame.t) {
    case 'push':
      return pushJson(frame, pushItemsJson(frame.items));
    case 'live':
    case 'page': {
      const { messages, ...rest } = frame;
      return withLast(JSON.stringify(rest), 'messages', messagesJson(messages));
    }
    case 'found': {
      const { hits, ...rest } = frame;
      const all = hits.map(({ message, ...hit }) => withLast(JSON.stringify(hit), 'message', message.json));
      return withLast(JSON.stringify(rest), 'hits', `[${all.join(',')}]`);
    }
    case 'synced': {
      const { conversations, ...rest } = frame;
      const deltas = conversations.map(({ messages, ...known }) =>
        withLast(JSON.stringify(known), 'messages', messagesJson(messages)),
      );
      return withLast(JSON.stringify(rest), 'conversations', `[${deltas.join(',')}]`);
    }
    default:
      return plainJson(frame);
  }
}

type PlainFrame = Exclude<ServerFrame<WireEntry>, { readonly t: 'push' | 'live' | 'page' | 'found' | 'synced' }>;

/** Of a frame without stored entries. */
const plainJson = (frame: PlainFrame): string =>
  JSON.stringify(frame.t === 'scheduled' ? { ...frame, messages: frame.messages.map(jsonScheduled) } : frame);

/** Adds a field whose JSON is there already to the JSON of an object that has others. */
const withLast = (object: string, field: string, json: string): string => `${object.slice(0, -1)},"${field}":${json}}`;

function writeServerFrame(writer: ByteWriter, frame: ServerFrame<WireEntry>): void {
  switch (frame.t) {
    case 'ack':
      writeAck(writer, frame);
      return;
    case 'push':
      writePush(writer, frame, frame.items);
      return;
    case 'live':
      writeLive(writer, frame);
      return;
    case 'page':
      writePage(writer, frame);
      return;
    case 'synced':
      writeSynced(writer, frame);
      return;
    case 'found':
      writeFound(writer, frame);
      return;
    default: {
      const json = utf8(plainJson(frame));
      const record = beginRecord(writer, recordKind.json, 0, 'id' in frame ? frame.id : 0);
      endRecord(writer.raw(json), record);
    }
  }
}

/**
 * Joins frames into one WebSocket message: a text message for `json`, a binary one for `binary`. A stored message is
 * decoded at most once for all of its receivers in JSON, and never in binary.
 *
 * @param frames - at least one.
 * @throws MalformedBytes when a stored entry is damaged (only in JSON, which has to look inside).
 */
export function encodeServerFrames<E extends Encoding>(
  frames: readonly ServerFrame<WireEntry>[],
  encoding: E,
): Encoded<E>;
export function encodeServerFrames(frames: readonly ServerFrame<WireEntry>[], encoding: Encoding): string | Uint8Array {
  const [first] = frames;
  invariant(first !== undefined, 'a WebSocket message has at least one frame');
  if (encoding === 'json') {
    return frames.length === 1 ? serverFrameJson(first) : `[${frames.map(serverFrameJson).join(',')}]`;
  }
  return written((writer) => {
    for (const frame of frames) writeServerFrame(writer, frame);
  });
}

/** Where a push stands in its receiver's inbox: what differs between those who get the same items. */
export type PushPosition = Pick<Push, 'gen' | 'prev' | 'seq'>;

/** The part of a push that many receivers share, for {@link encodePush}. */
export function encodePushItems<E extends Encoding>(items: readonly PushItem<WireEntry>[], encoding: E): Encoded<E>;
export function encodePushItems(items: readonly PushItem<WireEntry>[], encoding: Encoding): string | Uint8Array {
  if (encoding === 'json') return pushItemsJson(items);
  return written((writer) => {
    writePushItems(writer, items);
  });
}

/** One receiver's push around the shared part: the same message that {@link encodeServerFrames} makes of the whole. */
export function encodePush<E extends Encoding>(position: PushPosition, items: Encoded<E>): Encoded<E>;
export function encodePush(position: PushPosition, items: string | Uint8Array): string | Uint8Array {
  if (typeof items === 'string') return pushJson(position, items);
  return written((writer) => {
    writePush(writer, position, items);
  });
}

/**
 * Joins messages that are encoded already, each of one frame, into one.
 *
 * @param frames - at least one, all of the same encoding.
 */
export function joinEncoded<E extends Encoding>(frames: readonly Encoded<E>[], encoding: E): Encoded<E>;
export function joinEncoded(frames: readonly (string | Uint8Array)[], encoding: Encoding): string | Uint8Array {
  const [first] = frames;
  invariant(first !== undefined, 'a WebSocket message has at least one frame');
  if (frames.length === 1) return first;
  if (encoding === 'json') return `[${frames.join(',')}]`;
  let length = 0;
  for (const frame of frames) length += frame.length;
  const joined = new Uint8Array(length);
  let at = 0;
  for (const frame of frames) {
    invariant(typeof frame !== 'string', 'frames of one encoding are joined');
    joined.set(frame, at);
    at += frame.length;
  }
  return joined;
}
