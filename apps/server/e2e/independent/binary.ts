import type {
  Answers,
  Body,
  ClientFrame,
  Delta,
  Hit,
  Mentions,
  Message,
  PushItem,
  Reply,
  Revision,
  ServerFrame,
  Summary,
} from './frames.ts';

const TYPES = ['void', 'text', 'image', 'file', 'custom', 'control'];
const LEVELS = ['memory', 'disk', 'replicated', 'volatile'];
const HINTS = ['mention', 'control'];
const MENTIONS_TAG = 2;
const REVISION_TAG = 3;
const REACTIONS_TAG = 4;
const REPLY_TAG = 5;
const REPLIES_TAG = 6;
const FORWARDED_TAG = 7;
const HEADER_BYTES = 12;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Reads a payload from its front. @throws when it ends too early or a text is not UTF-8. */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }
  get left(): number {
    return this.#bytes.length - this.#at;
  }
  take(length: number): Buffer {
    if (length > this.left) throw new Error(`${length} bytes wanted, ${this.left} left`);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
  u8(): number {
    return this.take(1).readUInt8();
  }
  u16(): number {
    return this.take(2).readUInt16BE();
  }
  u32(): number {
    return this.take(4).readUInt32BE();
  }
  varint(): number {
    let value = 0;
    for (let index = 0; index < 8; index += 1) {
      const byte = this.u8();
      value += (byte & 0x7f) * 2 ** (7 * index);
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
    }
    throw new Error('a varint is over 2^53 - 1');
  }
  text(): string {
    return utf8.decode(this.take(this.varint()));
  }
  rest(): Buffer {
    return this.take(this.left);
  }
  list<T>(read: () => T): T[] {
    return Array.from({ length: this.varint() }, read);
  }
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  while (left >= 0x80) {
    bytes.push((left % 0x80) | 0x80);
    left = Math.floor(left / 0x80);
  }
  bytes.push(left);
  return Buffer.from(bytes);
}

function string(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  return Buffer.concat([varint(bytes.length), bytes]);
}

function bodyOf(bytes: Buffer, isText: boolean): Body {
  return isText ? { body: utf8.decode(bytes) } : { bodyBase64: bytes.toString('base64') };
}

/** The name behind a number. @throws for a number that the page does not list. */
function named(names: readonly string[], index: number): string {
  const name = names[index];
  if (name === undefined) throw new Error(`${index} names nothing`);
  return name;
}

function mentions(reader: Reader): Mentions {
  const isForAll = reader.u8() === 1;
  const users = reader.list(() => reader.text());
  return { ...(isForAll ? { mentionAll: true } : {}), ...(users.length === 0 ? {} : { mentions: users }) };
}

function revision(reader: Reader): Revision {
  const [rev, flags] = [reader.varint(), reader.u8()];
  const editedAt = (flags & 1) === 0 ? {} : { editedAt: reader.varint() };
  const by = (flags & 2) === 0 ? '' : reader.text();
  const recalled = (flags & 2) === 0 ? {} : { recalled: { by: by === '' ? null : by, at: reader.varint() } };
  const deleted = (flags & 4) === 0 ? {} : { deleted: true };
  return { ...(rev === 0 ? {} : { rev }), ...editedAt, ...recalled, ...deleted };
}

const reactions = (reader: Reader): NonNullable<Revision['reactions']> =>
  reader.list(() => ({
    emoji: reader.text(),
    count: reader.varint(),
    users: reader.list(() => reader.text()),
  }));

function reply(reader: Reader): Reply {
  const [replyTo, thread] = [reader.varint(), reader.varint()];
  return { replyTo, thread };
}

function forwardedFrom(reader: Reader): NonNullable<Reply['forwardedFrom']> {
  const [conversation, seq, author, at] = [reader.text(), reader.varint(), reader.text(), reader.varint()];
  return { conversation, seq, author: author === '' ? null : author, at };
}

function replies(reader: Reader): NonNullable<Revision['replies']> {
  const [count, last] = [reader.varint(), reader.varint()];
  return { count, last };
}

/** A message as the server stored it. @throws for another layout version. */
export function decodeEntry(gen: number, seq: number, bytes: Buffer): Message {
  const reader = new Reader(bytes);
  const version = reader.u8();
  if (version !== 1) throw new Error(`entry layout version ${version} cannot be read`);
  const type = named(TYPES, reader.u8());
  const flags = reader.u8();
  const [msgNo, at, sentAt] = [reader.varint(), reader.varint(), reader.varint()];
  const from = reader.text();
  const [deviceTag, n] = [reader.u32(), reader.varint()];
  const extensions =
    (flags & 4) === 0 ? [] : reader.list(() => [reader.varint(), reader.take(reader.varint())] as const);
  const mentioned = extensions.find(([tag]) => tag === MENTIONS_TAG)?.[1];
  const revised = extensions.find(([tag]) => tag === REVISION_TAG)?.[1];
  const reacted = extensions.find(([tag]) => tag === REACTIONS_TAG)?.[1];
  const answered = extensions.find(([tag]) => tag === REPLY_TAG)?.[1];
  const forwarded = extensions.find(([tag]) => tag === FORWARDED_TAG)?.[1];
  const thread = extensions.find(([tag]) => tag === REPLIES_TAG)?.[1];
  return {
    ...{ gen, seq, msgNo, at, sentAt, type, n, deviceTag },
    countable: (flags & 2) !== 0,
    from: from === '' ? null : from,
    ...(mentioned === undefined ? {} : mentions(new Reader(mentioned))),
    ...(revised === undefined ? {} : revision(new Reader(revised))),
    ...(answered === undefined ? {} : reply(new Reader(answered))),
    ...(forwarded === undefined ? {} : { forwardedFrom: forwardedFrom(new Reader(forwarded)) }),
    ...(thread === undefined ? {} : { replies: replies(new Reader(thread)) }),
    ...(reacted === undefined ? {} : { reactions: reactions(new Reader(reacted)) }),
    ...bodyOf(reader.rest(), (flags & 1) !== 0),
  };
}

function message(reader: Reader): Message {
  const [gen, seq] = [reader.varint(), reader.varint()];
  return decodeEntry(gen, seq, reader.take(reader.varint()));
}

const messages = (reader: Reader): Message[] => reader.list(() => message(reader));

function hit(reader: Reader): Hit {
  const found = { conversation: reader.text(), message: message(reader) };
  let end = 0;
  const places = reader.list(() => {
    const start = end + reader.varint();
    end = start + reader.varint();
    return { start, end };
  });
  return { ...found, places };
}

function item(reader: Reader): PushItem {
  const kind = reader.u8();
  const conversation = reader.text();
  if (kind === 0) return { conversation, messages: messages(reader) };
  if (kind !== 1) throw new Error(`push item kind ${kind} cannot be read`);
  return {
    conversation,
    read: { readSeq: reader.varint(), readMsgNo: reader.varint(), own: reader.varint() },
  };
}

function hint(reader: Reader): PushItem {
  const conversation = reader.text();
  const [gen, seq, why] = [reader.varint(), reader.varint(), named(HINTS, reader.u8())];
  return { conversation, messages: [], hint: { gen, seq, why } };
}

function seqs(reader: Reader): number[] {
  let seq = 0;
  return reader.list(() => (seq += reader.varint()));
}

/** What stands behind the hints of a push. */
function deletionsAndGone(reader: Reader, items: PushItem[]): PushItem[] {
  const deletions = reader.list((): PushItem => {
    const conversation = reader.text();
    return { conversation, messages: [], deleted: { seq: reader.varint(), counted: reader.u8() === 1 } };
  });
  reader.list(() => {
    const index = reader.varint();
    const gone = { gone: reader.varint(), goneSeqs: seqs(reader) };
    const at = items[index];
    if (at === undefined || !('read' in at)) throw new Error(`item ${index} is no read position`);
    items[index] = { ...at, read: { ...at.read, ...gone } };
  });
  return deletions;
}

/** @returns undefined for a kind that this client does not know: it is skipped. */
function decodeRecord(kind: number, flags: number, id: number, reader: Reader): ServerFrame | undefined {
  const flag = (bit: number): boolean => (flags & bit) !== 0;
  switch (kind) {
    case 0: {
      const frame = JSON.parse(utf8.decode(reader.rest())) as ServerFrame;
      const inside = 'id' in frame ? frame.id : 0;
      if (inside !== id) throw new Error(`the header's id is ${id}, the frame's ${String(inside)}`);
      return frame;
    }
    case 2:
      return {
        ...{ t: 'ack', id, conversation: reader.text(), n: reader.varint() },
        ...{ gen: reader.varint(), seq: reader.varint(), msgNo: reader.varint(), at: reader.varint() },
        ...{ level: named(LEVELS, reader.u8()), duplicate: flag(1) },
      };
    case 3: {
      const [gen, prev, seq] = [reader.varint(), reader.varint(), reader.varint()];
      const items = reader.list(() => item(reader));
      const hints = reader.left > 0 ? reader.list(() => hint(reader)) : [];
      const deletions = reader.left > 0 ? deletionsAndGone(reader, items) : [];
      items.push(...hints, ...deletions);
      return { t: 'push', gen, prev, seq, items };
    }
    case 4: {
      const conversation = reader.text();
      const head = { gen: reader.varint(), seq: reader.varint() };
      const page = { id, conversation, messages: messages(reader), hasMore: flag(1), head };
      return { t: 'page', ...page, ...(flag(2) ? { first: reader.varint() } : {}) };
    }
    case 5: {
      const inbox = { gen: reader.varint(), seq: reader.varint() };
      const token = reader.text();
      const conversations = reader.list((): Delta => ({
        summary: JSON.parse(reader.text()) as Summary,
        messages: messages(reader),
      }));
      for (let left = reader.left > 0 ? reader.varint() : 0; left > 0; left -= 1) {
        const index = reader.varint();
        const delta = conversations[index];
        if (delta === undefined) throw new Error(`there is no conversation ${index}`);
        conversations[index] = { ...delta, deleted: seqs(reader) };
      }
      const [tooLong, regressed, hasMore] = [flag(1), flag(2), flag(4)];
      return { t: 'synced', id, tooLong, regressed, conversations, hasMore, inbox, token };
    }
    case 6: {
      const conversation = reader.text();
      const [gen, prev, seq] = [reader.varint(), reader.varint(), reader.varint()];
      return { t: 'live', conversation, gen, prev, seq, messages: messages(reader) };
    }
    case 7: {
      const rest = JSON.parse(reader.text()) as Omit<Answers['found'], 'hits'>;
      return { t: 'found', id, hits: reader.list(() => hit(reader)), ...rest };
    }
    default:
      return undefined;
  }
}

/** The frames of one binary message of the server. @throws when it cannot be read. */
export function decodeBinary(message: Buffer): ServerFrame[] {
  const reader = new Reader(message);
  const frames: ServerFrame[] = [];
  while (reader.left > 0) {
    const length = reader.u32();
    const [kind, flags] = [reader.u8(), reader.u8()];
    reader.u16();
    const id = reader.u32();
    const frame = decodeRecord(kind, flags, id, new Reader(reader.take(length)));
    if (frame !== undefined) frames.push(frame);
  }
  return frames;
}

function record(kind: number, flags: number, id: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32BE(payload.length, 0);
  header.writeUInt8(kind, 4);
  header.writeUInt8(flags, 5);
  header.writeUInt32BE(id, 8);
  return Buffer.concat([header, payload]);
}

/** A frame as one record: `send` in its own kind, every other as its JSON text. */
export function encodeBinary(frame: ClientFrame): Buffer {
  if (frame.t !== 'send') return record(0, 0, frame.id ?? 0, Buffer.from(JSON.stringify(frame), 'utf8'));
  const { conversation, n, after, sentAt, type, body, bodyBase64, mentions: users, mentionAll, replyTo } = frame;
  const isText = typeof body === 'string';
  const names = (users ?? []) as readonly string[];
  const hasMentions = users !== undefined || mentionAll !== undefined;
  const answers = replyTo === undefined ? 0 : 8;
  const flags = (isText ? 1 : 0) | (after === undefined ? 0 : 2) | (hasMentions ? 4 : 0) | answers;
  const payload = Buffer.concat([
    string(String(conversation)),
    varint(Number(n)),
    ...(after === undefined ? [] : [varint(Number(after))]),
    varint(Number(sentAt)),
    Buffer.from([TYPES.indexOf(String(type))]),
    ...(hasMentions ? [Buffer.from([mentionAll === true ? 1 : 0]), varint(names.length), ...names.map(string)] : []),
    ...(replyTo === undefined ? [] : [varint(Number(replyTo))]),
    isText ? Buffer.from(body, 'utf8') : Buffer.from(String(bodyBase64), 'base64'),
  ]);
  return record(1, flags, frame.id ?? 0, payload);
}
