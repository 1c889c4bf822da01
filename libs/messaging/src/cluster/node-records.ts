import {
  ByteReader,
  ByteWriter,
  fromUtf8,
  generation,
  MalformedBytes,
  ok,
  sequenceId,
  Slabs,
  type ConversationId,
  type DeviceId,
  type UserId,
} from '@millrace/kernel';
import {
  messageTypes,
  type Ack,
  type AckedLevel,
  type ConversationKind,
  type PushItem,
  type SendableType,
  type WireEntry,
} from '@millrace/protocol';
import { conversationKey, userKey } from '@millrace/timeline';
import type { ConversationCommand } from '../conversation/commands.ts';
import type { UserItem } from '../user/commands.ts';
import type { NodeAnswer, NodeNote, NodeRequest, SentRequest } from './node-messages.ts';
import { packWireEntries, unpackWireEntries } from './packed-wire-entries.ts';

/*
 * What nodes tell each other most, in bytes of its own: MessagePack looks at each value to find what it is, which costs several
 * times as much. Only what has nothing unusual about it; a `null` from an encoder says that it has, and goes another way.
 * Integers, texts and bytes are those of `ByteWriter`. Behind the version of the payload:
 *
 * ```
 * 1 publish   varint view · u8 priority · string conversation · string user · string device · varint n · varint sentAt ·
 *             u8 type · u8 1 for a text · body: the rest
 * 2 acked     string conversation · varint n · varint gen · varint seq · varint msgNo · varint at · u8 level · u8 1 for a duplicate
 * 3 done      nothing: what was asked for is done
 * 4 deliver   varint view · u8 priority · string user · varint count, then each: string conversation · u8 kind · string title ·
 *             varint gen · u8 behind · u8 change · bytes entries
 * 5 push      string user · varint gen · varint from · varint to · varint count, then each: string conversation · bytes entries
 * ```
 *
 * Where a name stands as u8, it is its place in one of the lists below.
 */
const PUBLISH = 1;
const ACKED = 2;
const DONE = 3;
const DELIVER = 4;
const PUSH = 5;

const priorities = ['client', 'follow-up'] as const;
const levels = ['memory', 'disk', 'replicated', 'volatile'] as const satisfies readonly AckedLevel[];
const kinds = ['direct', 'group', 'channel', 'lobby'] as const satisfies readonly ConversationKind[];
const modes = ['write', 'read'] as const;
const changes = [null, 'joined', 'left'] as const;

type Publish = Extract<ConversationCommand, { readonly t: 'publish' }>;
type Messages = Extract<UserItem, { readonly d: 'messages' }>;
type WithMessages = Extract<PushItem<WireEntry>, { readonly messages: unknown }>;

const WRITER_BYTES = 4_096;
const WRITER_BYTES_MAX = 65_536;
/** They live until they are sent and answered, one about as long as the other. */
const slabs = new Slabs(16_384, 2_048);
let writer = new ByteWriter(WRITER_BYTES);

const begin = (version: number, kind: number): ByteWriter => writer.reset().u8(version).u8(kind);

function end(): Uint8Array {
  const bytes = slabs.copyOf(writer.finish());
  if (bytes.length > WRITER_BYTES_MAX) writer = new ByteWriter(WRITER_BYTES);
  return bytes;
}

/** @returns null for one that has more in it than its record. */
export function encodeRequestRecord(version: number, { version: view, request }: SentRequest): Uint8Array | null {
  if (request.q !== 'command') return null;
  const { key, command } = request;
  const priority = priorities.indexOf(request.priority);
  if (command.t === 'publish') {
    if (!isPlain(command) || key !== conversationKey(command.send.conversation)) return null;
    begin(version, PUBLISH).varint(view).u8(priority);
    writePublish(command);
    return end();
  }
  if (command.t !== 'deliver' || !command.items.every(isPlainItem)) return null;
  begin(version, DELIVER).varint(view).u8(priority).string(key.slice(2)).varint(command.items.length);
  for (const item of command.items) writeItem(item);
  return end();
}

function isPlain({ send, looked }: Publish): boolean {
  const { after, mentions, mentionAll, replyTo } = send;
  const isUsual = after === undefined && mentions === undefined && mentionAll === undefined && replyTo === undefined;
  return isUsual && looked === undefined;
}

function writePublish({ by, send }: Publish): void {
  const { body } = send;
  const isText = typeof body === 'string';
  writer.string(send.conversation).string(by.user).string(by.device).varint(send.n).varint(send.sentAt);
  writer.u8(messageTypes.indexOf(send.type)).u8(isText ? 1 : 0);
  if (isText) writer.text(body);
  else writer.raw(body);
}

const isPlainItem = (item: UserItem): item is Messages => item.d === 'messages' && item.skipped === null;

function writeItem({ facts, gen, entries, behind, change }: Messages): void {
  writer.string(facts.conversation).u8(kinds.indexOf(facts.kind)).string(facts.title).varint(gen);
  writer.u8(modes.indexOf(behind)).u8(changes.indexOf(change)).bytes(packWireEntries(entries));
}

/**
 * @param asked - what it answers.
 * @returns null likewise.
 */
export function encodeAnswerRecord(version: number, answer: NodeAnswer, asked: NodeRequest): Uint8Array | null {
  if (typeof answer === 'string' || !answer.ok || asked.q !== 'command') return null;
  const { value } = answer;
  if (value === null) {
    begin(version, DONE);
    return end();
  }
  if (asked.command.t !== 'publish' || typeof value !== 'object') return null;
  const { conversation, n, gen, seq, msgNo, at, level, duplicate } = value as Omit<Ack, 't' | 'id'>;
  begin(version, ACKED).string(conversation).varint(n).varint(gen).varint(seq).varint(msgNo).varint(at);
  writer.u8(levels.indexOf(level)).u8(duplicate ? 1 : 0);
  return end();
}

/** @returns null likewise. */
export function encodeNoteRecord(version: number, note: NodeNote): Uint8Array | null {
  if (note.n !== 'push' || !note.push.items.every(hasMessages)) return null;
  const { gen, from, to, items } = note.push;
  begin(version, PUSH).string(note.user).varint(gen).varint(from).varint(to).varint(items.length);
  for (const { conversation, messages } of items) writer.string(conversation).bytes(packWireEntries(messages));
  return end();
}

const hasMessages = (item: PushItem<WireEntry>): item is WithMessages => 'messages' in item;

/** @throws MalformedBytes when they are none, as of the others. */
export function decodeRequestRecord(bytes: Uint8Array): SentRequest {
  const reader = new ByteReader(bytes, 1);
  const kind = reader.u8();
  const version = reader.varint();
  const priority = nameOf(priorities, reader);
  if (kind === PUBLISH) {
    const conversation = reader.string() as ConversationId;
    const command = readPublish(conversation, reader);
    return { version, request: { q: 'command', key: conversationKey(conversation), command, priority } };
  }
  if (kind !== DELIVER) throw unknown(kind);
  const key = userKey(reader.string() as UserId);
  const items: Messages[] = [];
  for (let left = reader.varint(); left > 0; left -= 1) items.push(readItem(reader));
  return { version, request: { q: 'command', key, command: { t: 'deliver', items }, priority } };
}

function readPublish(conversation: ConversationId, reader: ByteReader): Publish {
  const by = { user: reader.string() as UserId, device: reader.string() as DeviceId };
  const n = reader.varint();
  const sentAt = reader.varint();
  const type = nameOf(messageTypes, reader) as SendableType;
  const isText = reader.u8() === 1;
  const bytes = reader.raw(reader.remaining);
  return { t: 'publish', by, send: { conversation, n, sentAt, type, body: isText ? textOf(bytes) : bytes } };
}

function readItem(reader: ByteReader): Messages {
  const conversation = reader.string() as ConversationId;
  const facts = { conversation, kind: nameOf(kinds, reader), title: reader.string() };
  const gen = generation(reader.varint());
  const behind = nameOf(modes, reader);
  const change = nameOf(changes, reader);
  return { d: 'messages', facts, gen, entries: unpackWireEntries(reader.bytes()), behind, skipped: null, change };
}

export function decodeAnswerRecord(bytes: Uint8Array): NodeAnswer {
  const reader = new ByteReader(bytes, 1);
  const kind = reader.u8();
  if (kind === DONE) return ok(null);
  if (kind !== ACKED) throw unknown(kind);
  const ack: Omit<Ack, 't' | 'id'> = {
    conversation: reader.string() as ConversationId,
    n: reader.varint(),
    gen: generation(reader.varint()),
    seq: sequenceId(reader.varint()),
    msgNo: reader.varint(),
    at: reader.varint(),
    level: nameOf(levels, reader),
    duplicate: reader.u8() === 1,
  };
  return ok(ack);
}

export function decodeNoteRecord(bytes: Uint8Array): NodeNote {
  const reader = new ByteReader(bytes, 1);
  const kind = reader.u8();
  if (kind !== PUSH) throw unknown(kind);
  const user = reader.string() as UserId;
  const gen = generation(reader.varint());
  const from = sequenceId(reader.varint());
  const to = sequenceId(reader.varint());
  const items: WithMessages[] = [];
  for (let left = reader.varint(); left > 0; left -= 1) {
    items.push({ conversation: reader.string() as ConversationId, messages: unpackWireEntries(reader.bytes()) });
  }
  return { n: 'push', user, push: { gen, from, to, items } };
}

function nameOf<Name>(names: readonly Name[], reader: ByteReader): Name {
  const at = reader.u8();
  if (at >= names.length) throw new MalformedBytes(`${String(at)} stands for nothing`);
  return names[at] as Name;
}

function textOf(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes);
  } catch {
    throw new MalformedBytes('a text is not UTF-8');
  }
}

const unknown = (kind: number): MalformedBytes => new MalformedBytes(`a record of kind ${String(kind)} is not known`);
