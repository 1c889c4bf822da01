import { MalformedBytes, err, ok, type Result } from '@millrace/kernel';
import { payloadOf, recordKind, splitRecords, type BinaryRecord } from '../binary/record.ts';
import { readSend } from '../binary/send-record.ts';
import { readCompactRecord } from '../binary/server-records.ts';
import { clientFrameJson } from '../client-codec.ts';
import { encodingOf } from '../encoding.ts';
import { jsonMessage } from '../entry.ts';
import type { Message, ServerFrame } from '../frames.ts';
import { isJsonObject, parseJson, parseJsonMessage } from '../json/json-object.ts';
import { protocolLimits } from '../limits.ts';
import { validateFrame, type Direction } from './schema.ts';

const PROBLEMS_MAX = 50;

export interface FrameReport {
  /** What is wrong with the frames since the last report; of more than fifty kinds of problems, the first ones. */
  readonly problems: readonly string[];
  /** Frames that were looked at since the check began. */
  readonly checked: number;
  /** The same by who sent them and their name: `server ack`. */
  readonly checkedByName: Readonly<Record<string, number>>;
}

/** A frame in its JSON form, or why it cannot be read. */
type ReadFrame = Result<unknown, string>;

/** The JSON form of a decoded server frame, as the schema has it. */
function serverJson(frame: ServerFrame): unknown {
  const messages = (list: readonly Message[]): unknown => list.map((message) => jsonMessage(message));
  switch (frame.t) {
    case 'push':
      return {
        ...frame,
        items: frame.items.map((item) => {
          if ('hint' in item || 'deleted' in item) return { ...item, messages: [] };
          return 'messages' in item ? { ...item, messages: messages(item.messages) } : item;
        }),
      };
    case 'live':
    case 'page':
      return { ...frame, messages: messages(frame.messages) };
    case 'found':
      return { ...frame, hits: frame.hits.map((hit) => ({ ...hit, message: jsonMessage(hit.message) })) };
    case 'synced':
      return {
        ...frame,
        conversations: frame.conversations.map((delta) => ({ ...delta, messages: messages(delta.messages) })),
      };
    default:
      return frame;
  }
}

/** The JSON text of a record is taken as it stands: a decoder would drop what it does not know. */
function readJsonRecord(record: BinaryRecord): ReadFrame {
  const json = parseJsonMessage(payloadOf(record));
  if (json === null) return err('a record of kind 0 is no JSON');
  const id = isJsonObject(json.value) ? (json.value['id'] ?? 0) : 0;
  if (id !== record.id) return err(`the id is ${JSON.stringify(id)}, but ${String(record.id)} in the record's header`);
  return ok(json.value);
}

function readRecord(direction: Direction, record: BinaryRecord): ReadFrame {
  if (record.kind === recordKind.json) return readJsonRecord(record);
  if (direction === 'client') {
    if (record.kind !== recordKind.send) return err(`a client has no record of kind ${String(record.kind)}`);
    const send = readSend(record, protocolLimits);
    return send.ok ? ok(JSON.parse(clientFrameJson(send.value))) : err(`send: ${send.error.message}`);
  }
  try {
    const frame = readCompactRecord(record);
    return frame === null ? err(`a server has no record of kind ${String(record.kind)}`) : ok(serverJson(frame));
  } catch (error) {
    if (error instanceof MalformedBytes) return err(`a record of kind ${String(record.kind)}: ${error.message}`);
    throw error;
  }
}

function readBinary(direction: Direction, data: string | Uint8Array): readonly ReadFrame[] {
  if (typeof data === 'string') return [err('a text message over the binary subprotocol')];
  const recordsMax = direction === 'client' ? protocolLimits.framesPerMessage : Number.MAX_SAFE_INTEGER;
  const records = splitRecords(data, recordsMax);
  return typeof records === 'string' ? [err(records)] : records.map((record) => readRecord(direction, record));
}

function readJson(data: string | Uint8Array): readonly ReadFrame[] {
  if (typeof data !== 'string') return [err('a binary message over the JSON subprotocol')];
  const json = parseJson(data);
  if (json === null) return [err('the message is no JSON')];
  if (!Array.isArray(json.value)) return [ok(json.value)];
  const { length } = json.value;
  if (length === 0 || length > protocolLimits.framesPerMessage) return [err(`an array of ${String(length)} frames`)];
  return json.value.map((frame: unknown) => ok(frame));
}

function readFrames(direction: Direction, data: string | Uint8Array, subprotocol: string): readonly ReadFrame[] {
  const encoding = encodingOf(subprotocol);
  if (encoding === null) return [err(`a message over the subprotocol "${subprotocol}"`)];
  return encoding === 'json' ? readJson(data) : readBinary(direction, data);
}

/** Holds the frames of WebSocket messages, of either encoding, against docs/asyncapi.yaml. For tests. */
export class FrameCheck {
  readonly #byName = new Map<string, number>();
  /** How often each was found. */
  readonly #problems = new Map<string, number>();
  #untold = 0;
  #checked = 0;

  /**
   * Looks at every frame of one message; nothing that a peer sends makes it throw.
   *
   * @param data - a text message as a string, a binary one as its bytes.
   * @param subprotocol - the one that the two sides agreed on.
   */
  check(direction: Direction, data: string | Uint8Array, subprotocol: string): void {
    for (const frame of readFrames(direction, data, subprotocol)) {
      if (!frame.ok) {
        this.#count(direction, 'unreadable', [frame.error]);
        continue;
      }
      const name = isJsonObject(frame.value) ? String(frame.value['t']) : 'unreadable';
      this.#count(direction, name, validateFrame(direction, frame.value));
    }
  }

  #count(direction: Direction, name: string, problems: readonly string[]): void {
    const full = `${direction} ${name}`;
    this.#checked += 1;
    this.#byName.set(full, (this.#byName.get(full) ?? 0) + 1);
    for (const problem of problems) this.#found(`${full}: ${problem}`);
  }

  #found(problem: string): void {
    const times = this.#problems.get(problem) ?? 0;
    if (times === 0 && this.#problems.size >= PROBLEMS_MAX) this.#untold += 1;
    else this.#problems.set(problem, times + 1);
  }

  /** Problems are told once. */
  take(): FrameReport {
    const problems = [...this.#problems].map(([problem, times]) =>
      times === 1 ? problem : `${problem} (${String(times)} times)`,
    );
    if (this.#untold > 0) problems.push(`and ${String(this.#untold)} more`);
    this.#problems.clear();
    this.#untold = 0;
    return { problems, checked: this.#checked, checkedByName: Object.fromEntries(this.#byName) };
  }
}
