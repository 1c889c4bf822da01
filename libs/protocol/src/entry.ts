import {
  ByteReader,
  ByteWriter,
  MalformedBytes,
  fromUtf8,
  hash32,
  utf8,
  type DeviceId,
  type Generation,
  type SequenceId,
  type UserId,
} from '@millrace/kernel';
import { toBase64 } from './base64.ts';
import type { Message, MessageType } from './frames.ts';

/**
 * The bytes of one conversation entry, the same in the store and in binary frames, so that a gateway need not touch
 * what it passes on. Position (`gen`, `seq`) is not part of them. Immutable; layout version 1:
 *
 * ```
 * u8 version = 1 · u8 type · u8 flags · varint msgNo · varint at · varint sentAt
 * string from ('' for none) · u32 deviceTag · varint n
 * if flag 4: varint count, then for each extension: varint tag · bytes      (a reader skips tags that it does not know)
 * body: the rest
 * ```
 *
 * Flags: 1 the body is UTF-8 text, 2 the entry counts as a message, 4 extensions follow. Extension tag 1 is kept for
 * a salted commitment of the body. Tag 2 is who is mentioned: `u8 1 for all, else 0 · varint count · string user…`.
 */
export type EntryFields = Omit<Message, 'gen' | 'seq'>;

const VERSION = 1;
const TYPE_OFFSET = 1;
const FLAG_TEXT = 1;
const FLAG_COUNTABLE = 2;
const FLAG_EXTENSIONS = 4;
const FLAGS_OFFSET = 2;
const TAG_MENTIONS = 2;

/** Index = the type's number on the wire and in the store. */
export const messageTypes = [
  'void',
  'text',
  'image',
  'file',
  'custom',
  'control',
] as const satisfies readonly MessageType[];

/** Tells a user's devices apart without revealing their ids: 1..2^32-1. */
export function deviceTag(user: UserId, device: DeviceId): number {
  return hash32(`${user}/${device}`) || 1;
}

export function encodeEntry(entry: EntryFields): Uint8Array {
  const isText = typeof entry.body === 'string';
  const body = typeof entry.body === 'string' ? utf8(entry.body) : entry.body;
  const mentions = encodeMentions(entry);
  const flags = (isText ? FLAG_TEXT : 0) | (entry.countable ? FLAG_COUNTABLE : 0);
  const writer = new ByteWriter(48 + body.length)
    .u8(VERSION)
    .u8(messageTypes.indexOf(entry.type))
    .u8(flags | (mentions === null ? 0 : FLAG_EXTENSIONS))
    .varint(entry.msgNo)
    .varint(entry.at)
    .varint(entry.sentAt)
    .string(entry.from ?? '')
    .u32(entry.deviceTag)
    .varint(entry.n);
  if (mentions !== null) writer.varint(1).varint(TAG_MENTIONS).bytes(mentions);
  return writer.raw(body).finish();
}

/** Who is mentioned by a message. Nobody: neither is there. */
export type Mentions = Pick<Message, 'mentions' | 'mentionAll'>;

/** Null for nobody. */
function encodeMentions({ mentions = [], mentionAll }: Mentions): Uint8Array | null {
  if (mentions.length === 0 && mentionAll === undefined) return null;
  const writer = new ByteWriter().u8(mentionAll === true ? 1 : 0).varint(mentions.length);
  for (const user of mentions) writer.string(user);
  return writer.finish();
}

function decodeMentions(bytes: Uint8Array): Mentions {
  const reader = new ByteReader(bytes);
  const mentionsAll = reader.u8() !== 0;
  const users: UserId[] = [];
  for (let count = reader.varint(); count > 0; count -= 1) users.push(reader.string() as UserId);
  return { ...(users.length === 0 ? {} : { mentions: users }), ...(mentionsAll ? { mentionAll: true } : {}) };
}

function textOf(body: Uint8Array): string {
  try {
    return fromUtf8(body);
  } catch {
    throw new MalformedBytes('the body is not UTF-8');
  }
}

/** @throws MalformedBytes when the bytes are no entry, or of a version that this program does not know. */
export function decodeEntry(bytes: Uint8Array): EntryFields {
  const reader = new ByteReader(bytes);
  const version = reader.u8();
  if (version !== VERSION) throw new MalformedBytes(`entry version ${String(version)} is not known`);
  const type = messageTypes[reader.u8()];
  if (type === undefined) throw new MalformedBytes('the entry type is not known');
  const flags = reader.u8();
  const msgNo = reader.varint();
  const at = reader.varint();
  const sentAt = reader.varint();
  const from = reader.string();
  const tag = reader.u32();
  const n = reader.varint();
  let mentions: Mentions | null = null;
  if ((flags & FLAG_EXTENSIONS) !== 0) {
    for (let count = reader.varint(); count > 0; count -= 1) {
      const extension = reader.varint();
      const content = reader.bytes();
      if (extension === TAG_MENTIONS) mentions = decodeMentions(content);
    }
  }
  const body = reader.raw(reader.remaining);
  return {
    msgNo,
    at,
    sentAt,
    type,
    n,
    deviceTag: tag,
    countable: (flags & FLAG_COUNTABLE) !== 0,
    from: from === '' ? null : (from as UserId),
    body: (flags & FLAG_TEXT) !== 0 ? textOf(body) : body,
    ...mentions,
  };
}

/** A stored entry on its way to clients: decoded and encoded at most once for all of them. */
export class WireEntry {
  readonly gen: Generation;
  readonly seq: SequenceId;
  readonly data: Uint8Array;
  #message: Message | undefined;
  #json: string | undefined;

  constructor(gen: Generation, seq: SequenceId, data: Uint8Array) {
    this.gen = gen;
    this.seq = seq;
    this.data = data;
  }

  /** Whether it tells what happened to the conversation. Looks at one byte, and does not say that the rest can be read. */
  get isControl(): boolean {
    return messageTypes[this.data[TYPE_OFFSET] ?? 0] === 'control';
  }

  /** Whether it may mention anybody: looks at one byte, like {@link isControl}. */
  get hasExtensions(): boolean {
    return ((this.data[FLAGS_OFFSET] ?? 0) & FLAG_EXTENSIONS) !== 0;
  }

  get message(): Message {
    this.#message ??= { gen: this.gen, seq: this.seq, ...decodeEntry(this.data) };
    return this.#message;
  }

  /** The message as the JSON encoding has it. */
  get json(): string {
    this.#json ??= JSON.stringify(jsonMessage(this.message));
    return this.#json;
  }
}

/** The JSON form: bytes become `bodyBase64`. */
export function jsonMessage(message: Message): Record<string, unknown> {
  const { body, ...rest } = message;
  return typeof body === 'string' ? { ...rest, body } : { ...rest, bodyBase64: toBase64(body) };
}
