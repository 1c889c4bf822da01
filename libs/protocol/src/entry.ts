import {
  ByteReader,
  ByteWriter,
  MalformedBytes,
  fromUtf8,
  hash32,
  type ConversationId,
  type DeviceId,
  type Generation,
  type SequenceId,
  type UserId,
} from '@millrace/kernel';
import { toBase64 } from './base64.ts';
import { Scratch } from './binary/scratch.ts';
import type { ForwardedFrom, Message, MessageType, Reaction } from './frames.ts';

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
 * Flags: 1 the body is UTF-8 text, 2 the entry counts as a message, 4 extensions follow, 8 it was erased. Extension tag 1 is kept for
 * a salted commitment of the body. Tag 2 is who is mentioned: `u8 1 for all, else 0 · varint count · string user…`.
 * Tag 3 is in no stored entry, only in what is shown of one that was changed since: `varint rev · u8 flags (1 edited,
 * 2 recalled, 4 deleted) · with 1: varint editedAt · with 2: string by ('' for the backend) · varint at`. Its rev is 0 of
 * one that the reader has deleted and nobody has changed. Tag 4 likewise: reactions, `varint count`, then each: `string
 * emoji · varint count · varint users · string user…`. Tag 5 is what it answers: `varint replyTo · varint thread`. Tag 6, in
 * no stored entry either, what has come in its thread: `varint count · varint last`. Tag 7 is where it was said that was
 * forwarded: `string conversation · varint seq · string author ('' for none) · varint at`.
 */
export type EntryFields = Omit<Message, 'gen' | 'seq'>;
/** How it counts. */
export type EntryNumber = Pick<Message, 'msgNo' | 'countable'>;

const VERSION = 1;
const TYPE_OFFSET = 1;
const FLAG_TEXT = 1;
const FLAG_COUNTABLE = 2;
const FLAG_EXTENSIONS = 4;
const FLAG_ERASED = 8;
const FLAGS_OFFSET = 2;
const TAG_MENTIONS = 2;
const TAG_REVISION = 3;
const TAG_REACTIONS = 4;
const TAG_REPLY = 5;
const TAG_REPLIES = 6;
const TAG_FORWARDED = 7;
const REVISION = { edited: 1, recalled: 2, deleted: 4 } as const;

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
export const deviceTag = (user: UserId, device: DeviceId): number => deviceTagOf(`${user}/${device}`);

/** @param userAndDevice - with a `/` between them. */
export const deviceTagOf = (userAndDevice: string): number => hash32(userAndDevice) || 1;

const scratch = new Scratch(1_024);

/** Who keeps what this returns in memory copies it: it shares its memory with others that are encoded at the same time. */
export const encodeEntry = (entry: EntryFields): Uint8Array => encodeNumbered(entry, entry);

/** As {@link encodeEntry}, where it is numbered only now. */
export function encodeNumbered(
  entry: Omit<EntryFields, keyof EntryNumber>,
  { msgNo, countable }: EntryNumber,
): Uint8Array {
  const { body } = entry;
  const isText = typeof body === 'string';
  const extensions: (readonly [tag: number, content: Uint8Array])[] = [];
  const mentions = encodeMentions(entry);
  if (mentions !== null) extensions.push([TAG_MENTIONS, mentions]);
  const revision = encodeRevision(entry);
  if (revision !== null) extensions.push([TAG_REVISION, revision]);
  if (entry.reactions !== undefined) extensions.push([TAG_REACTIONS, encodeReactions(entry.reactions)]);
  const { replyTo, thread, replies } = entry;
  if (replyTo !== undefined) extensions.push([TAG_REPLY, twoVarints(replyTo, thread ?? replyTo)]);
  if (entry.forwardedFrom !== undefined) extensions.push([TAG_FORWARDED, encodeForwarded(entry.forwardedFrom)]);
  if (replies !== undefined) extensions.push([TAG_REPLIES, twoVarints(replies.count, replies.last)]);
  const flags = (isText ? FLAG_TEXT : 0) | (countable ? FLAG_COUNTABLE : 0) | (entry.erased === true ? FLAG_ERASED : 0);
  return scratch.written((writer) => {
    writer
      .u8(VERSION)
      .u8(messageTypes.indexOf(entry.type))
      .u8(flags | (extensions.length === 0 ? 0 : FLAG_EXTENSIONS))
      .varint(msgNo)
      .varint(entry.at)
      .varint(entry.sentAt)
      .string(entry.from ?? '')
      .u32(entry.deviceTag)
      .varint(entry.n);
    if (extensions.length > 0) {
      writer.varint(extensions.length);
      for (const [tag, content] of extensions) writer.varint(tag).bytes(content);
    }
    if (typeof body === 'string') writer.text(body);
    else writer.raw(body);
  });
}

const twoVarints = (first: number, second: number): Uint8Array =>
  new ByteWriter().varint(first).varint(second).finish();

/** Which message it answers, and in which thread. None: neither is there. */
export type Reply = Pick<Message, 'replyTo' | 'thread'>;

function decodeReply(bytes: Uint8Array): Reply {
  const reader = new ByteReader(bytes);
  return { replyTo: reader.varint() as SequenceId, thread: reader.varint() as SequenceId };
}

const encodeForwarded = ({ conversation, seq, author, at }: ForwardedFrom): Uint8Array =>
  new ByteWriter()
    .string(conversation)
    .varint(seq)
    .string(author ?? '')
    .varint(at)
    .finish();

function decodeForwarded(bytes: Uint8Array): ForwardedFrom {
  const reader = new ByteReader(bytes);
  const conversation = reader.string() as ConversationId;
  const seq = reader.varint() as SequenceId;
  const author = reader.string();
  return { conversation, seq, author: author === '' ? null : (author as UserId), at: reader.varint() };
}

function decodeReplies(bytes: Uint8Array): NonNullable<Message['replies']> {
  const reader = new ByteReader(bytes);
  return { count: reader.varint(), last: reader.varint() as SequenceId };
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

/** What was changed of a message since it was sent. Nothing: none of them is there. */
export type RevisionFields = Pick<Message, 'rev' | 'editedAt' | 'recalled' | 'deleted'>;

function encodeReactions(reactions: readonly Reaction[]): Uint8Array {
  const writer = new ByteWriter().varint(reactions.length);
  for (const { emoji, count, users } of reactions) {
    writer.string(emoji).varint(count).varint(users.length);
    for (const user of users) writer.string(user);
  }
  return writer.finish();
}

function decodeReactions(bytes: Uint8Array): readonly Reaction[] {
  const reader = new ByteReader(bytes);
  const reactions: Reaction[] = [];
  for (let left = reader.varint(); left > 0; left -= 1) {
    const emoji = reader.string();
    const count = reader.varint();
    const users: UserId[] = [];
    for (let names = reader.varint(); names > 0; names -= 1) users.push(reader.string() as UserId);
    reactions.push({ emoji, count, users });
  }
  return reactions;
}

/** Null for nothing. */
function encodeRevision({ rev, editedAt, recalled, deleted }: RevisionFields): Uint8Array | null {
  if (rev === undefined && editedAt === undefined && recalled === undefined && deleted === undefined) return null;
  const edited = editedAt === undefined ? 0 : REVISION.edited;
  const flags = edited | (recalled === undefined ? 0 : REVISION.recalled) | (deleted === true ? REVISION.deleted : 0);
  const writer = new ByteWriter().varint(rev ?? 0).u8(flags);
  if (editedAt !== undefined) writer.varint(editedAt);
  if (recalled !== undefined) writer.string(recalled.by ?? '').varint(recalled.at);
  return writer.finish();
}

function decodeRevision(bytes: Uint8Array): RevisionFields {
  const reader = new ByteReader(bytes);
  const rev = reader.varint();
  const flags = reader.u8();
  const edited = (flags & REVISION.edited) === 0 ? {} : { editedAt: reader.varint() };
  const recalled = (flags & REVISION.recalled) === 0 ? {} : { recalled: decodeRecalled(reader) };
  const deleted = (flags & REVISION.deleted) === 0 ? {} : ({ deleted: true } as const);
  return { ...(rev === 0 ? {} : { rev: rev as SequenceId }), ...edited, ...recalled, ...deleted };
}

function decodeRecalled(reader: ByteReader): NonNullable<Message['recalled']> {
  const by = reader.string();
  return { by: by === '' ? null : (by as UserId), at: reader.varint() };
}

function textOf(body: Uint8Array): string {
  try {
    return fromUtf8(body);
  } catch {
    throw new MalformedBytes('the body is not UTF-8');
  }
}

/** @throws MalformedBytes when the bytes are no entry, or of a version that this program does not know. */
/** What the way of an entry goes by. */
export type EntryBrief = Pick<Message, 'from' | 'deviceTag' | 'msgNo' | 'at' | 'countable'>;

/** What an entry begins with, up to its `n`. */
function readStart(reader: ByteReader) {
  const version = reader.u8();
  if (version !== VERSION) throw new MalformedBytes(`entry version ${String(version)} is not known`);
  const type = messageTypes[reader.u8()];
  if (type === undefined) throw new MalformedBytes('the entry type is not known');
  const flags = reader.u8();
  const msgNo = reader.varint();
  const at = reader.varint();
  const sentAt = reader.varint();
  const from = reader.string();
  const brief: EntryBrief = {
    msgNo,
    at,
    countable: (flags & FLAG_COUNTABLE) !== 0,
    from: from === '' ? null : (from as UserId),
    deviceTag: reader.u32(),
  };
  return { type, flags, sentAt, brief };
}

export function decodeEntry(bytes: Uint8Array): EntryFields {
  const reader = new ByteReader(bytes);
  const { type, flags, sentAt, brief } = readStart(reader);
  const n = reader.varint();
  let mentions: Mentions | null = null;
  let revision: RevisionFields | null = null;
  let reactions: readonly Reaction[] | null = null;
  let reply: Reply | null = null;
  let replies: Message['replies'] | null = null;
  let forwardedFrom: ForwardedFrom | null = null;
  if ((flags & FLAG_EXTENSIONS) !== 0) {
    for (let count = reader.varint(); count > 0; count -= 1) {
      const extension = reader.varint();
      const content = reader.bytes();
      if (extension === TAG_MENTIONS) mentions = decodeMentions(content);
      else if (extension === TAG_REVISION) revision = decodeRevision(content);
      else if (extension === TAG_REACTIONS) reactions = decodeReactions(content);
      else if (extension === TAG_REPLY) reply = decodeReply(content);
      else if (extension === TAG_REPLIES) replies = decodeReplies(content);
      else if (extension === TAG_FORWARDED) forwardedFrom = decodeForwarded(content);
    }
  }
  const body = reader.raw(reader.remaining);
  return {
    msgNo: brief.msgNo,
    at: brief.at,
    sentAt,
    type,
    n,
    deviceTag: brief.deviceTag,
    countable: brief.countable,
    from: brief.from,
    body: (flags & FLAG_TEXT) !== 0 ? textOf(body) : body,
    ...mentions,
    ...reply,
    ...(forwardedFrom === null ? {} : { forwardedFrom }),
    ...revision,
    ...(reactions === null ? {} : { reactions }),
    ...(replies === null ? {} : { replies }),
    ...((flags & FLAG_ERASED) === 0 ? {} : { erased: true }),
  };
}

/** A stored entry on its way to clients: decoded and encoded at most once for all of them. */
export class WireEntry {
  readonly gen: Generation;
  readonly seq: SequenceId;
  readonly data: Uint8Array;
  #brief: EntryBrief | undefined;
  #message: Message | undefined;
  #json: string | undefined;

  /** @param brief - of these data, where they were just encoded. */
  constructor(gen: Generation, seq: SequenceId, data: Uint8Array, brief?: EntryBrief) {
    this.gen = gen;
    this.seq = seq;
    this.data = data;
    this.#brief = brief;
  }

  /** Whether it tells what happened to the conversation. Looks at one byte, and does not say that the rest can be read. */
  get isControl(): boolean {
    return messageTypes[this.data[TYPE_OFFSET] ?? 0] === 'control';
  }

  /** Whether it may mention anybody: looks at one byte, like {@link isControl}. */
  get hasExtensions(): boolean {
    return ((this.data[FLAGS_OFFSET] ?? 0) & FLAG_EXTENSIONS) !== 0;
  }

  /** @throws MalformedBytes when it cannot be read. Does not say that the rest of the entry can be. */
  get brief(): EntryBrief {
    this.#brief ??= readStart(new ByteReader(this.data)).brief;
    return this.#brief;
  }

  /** @throws MalformedBytes when the entry cannot be read. */
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
