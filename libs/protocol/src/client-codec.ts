import { MalformedBytes, err, invariant, ok, utf8, type ByteWriter, type Result } from '@millrace/kernel';
import { beginRecord, endRecord, payloadOf, recordKind, splitRecords, type BinaryRecord } from './binary/record.ts';
import { written } from './binary/scratch.ts';
import { writeSend } from './binary/send-record.ts';
import { readCompactRecord } from './binary/server-records.ts';
import { toBase64 } from './base64.ts';
import type { Encoded, Encoding } from './encoding.ts';
import { frameError, type FrameError } from './errors.ts';
import type { ClientFrame, ServerFrame } from './frames.ts';
import { FieldReader } from './json/field-reader.ts';
import { isJsonObject, parseJsonMessage } from './json/json-object.ts';
import { serverFrameDecoder } from './json/server-frame-decoders.ts';

// The client's side of the wire.

/** The JSON text of one client frame. */
export function clientFrameJson(frame: ClientFrame): string {
  if (!('body' in frame) || typeof frame.body === 'string') return JSON.stringify(frame);
  const { body, ...rest } = frame;
  return JSON.stringify({ ...rest, bodyBase64: toBase64(body) });
}

function writeClientFrame(writer: ByteWriter, frame: ClientFrame): void {
  if (frame.t === 'send') {
    writeSend(writer, frame);
    return;
  }
  const id = frame.t === 'typing' ? 0 : frame.id;
  const json = utf8(clientFrameJson(frame));
  const record = beginRecord(writer, recordKind.json, 0, id);
  endRecord(writer.raw(json), record);
}

/**
 * Joins frames into one WebSocket message: a text message for `json`, a binary one for `binary`. The caller sees to
 * the bounds of {@link protocolLimits} and to well-formed texts (`bodyProblem`): what is over them is refused by the server.
 *
 * @param frames - at least one.
 */
export function encodeClientFrames<E extends Encoding>(frames: readonly ClientFrame[], encoding: E): Encoded<E>;
export function encodeClientFrames(frames: readonly ClientFrame[], encoding: Encoding): string | Uint8Array {
  const [first] = frames;
  invariant(first !== undefined, 'a WebSocket message has at least one frame');
  if (encoding === 'json') {
    return frames.length === 1 ? clientFrameJson(first) : `[${frames.map(clientFrameJson).join(',')}]`;
  }
  return written((writer) => {
    for (const frame of frames) writeClientFrame(writer, frame);
  });
}

type FrameOutcome = Result<ServerFrame | null, FrameError>;

const unreadable = (message: string): Result<never, FrameError> => err(frameError('bad_frame', message));

/** Null for a frame that this program does not know: a newer server may send it, and it is ignored. */
function decodeServerJson(value: unknown): FrameOutcome {
  if (!isJsonObject(value)) return unreadable('a frame of the server is not an object');
  const decode = serverFrameDecoder(value['t']);
  if (decode === null) return ok(null);
  const fields = new FieldReader(value);
  const frame = decode(fields);
  return fields.problem === null ? ok(frame) : unreadable(`${frame.t}: ${fields.problem.message}`);
}

function decodeServerRecord(record: BinaryRecord): FrameOutcome {
  try {
    if (record.kind !== recordKind.json) return ok(readCompactRecord(record));
    const json = parseJsonMessage(payloadOf(record));
    return json === null ? unreadable('a record of the server is not JSON') : decodeServerJson(json.value);
  } catch (error) {
    if (error instanceof MalformedBytes) return unreadable(error.message);
    throw error;
  }
}

function collect<Part>(parts: Iterable<Part>, decode: (part: Part) => FrameOutcome): Result<ServerFrame[], FrameError> {
  const frames: ServerFrame[] = [];
  for (const part of parts) {
    const outcome = decode(part);
    if (!outcome.ok) return outcome;
    if (outcome.value !== null) frames.push(outcome.value);
  }
  return ok(frames);
}

/**
 * Reads one WebSocket message of the server. Any input whatsoever is answered, nothing throws. Frames that this
 * program does not know are left out. An error means that the stream cannot be trusted any more: close the socket,
 * connect again and sync.
 */
export function decodeServerFrames(
  data: string | Uint8Array,
  encoding: Encoding,
): Result<readonly ServerFrame[], FrameError> {
  if (encoding === 'binary') {
    if (typeof data === 'string') return unreadable('a text message came over the binary subprotocol');
    const records = splitRecords(data, Number.MAX_SAFE_INTEGER);
    return typeof records === 'string' ? unreadable(records) : collect(records, decodeServerRecord);
  }
  const json = parseJsonMessage(data);
  if (json === null) return unreadable('the message is not JSON');
  return collect(Array.isArray(json.value) ? (json.value as unknown[]) : [json.value], decodeServerJson);
}
