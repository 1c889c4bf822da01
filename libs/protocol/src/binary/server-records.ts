import {
  ByteReader,
  MalformedBytes,
  parseConversationId,
  type ByteWriter,
  type ConversationId,
  type Generation,
  type SequenceId,
} from '@millrace/kernel';
import { decodeEntry, type WireEntry } from '../entry.ts';
import type { Ack, ConversationDelta, Live, Message, Page, Push, PushItem, ServerFrame, Synced } from '../frames.ts';
import { FieldReader } from '../json/field-reader.ts';
import { isJsonObject, parseJson } from '../json/json-object.ts';
import { ackedLevels, hintReasons, readSummary } from '../json/server-frame-decoders.ts';
import { recordFlag, recordKind, writeRecord, type BinaryRecord } from './record.ts';

/*
 * Payloads, with `message` = varint gen · varint seq · varint length · entry bytes as stored (entry.ts), and
 * `messages` = varint count · message…:
 *
 *   ack     string conversation · varint n · varint gen · varint seq · varint msgNo · varint at · u8 level
 *           flag 1: duplicate
 *   push    varint gen · varint prev · varint seq · items
 *           items = varint count, then each: u8 0 · string conversation · messages
 *                                        or: u8 1 · string conversation · varint readSeq · varint readMsgNo · varint own
 *           and behind them, where there are any: varint count of hints, then each: string conversation · varint gen ·
 *           varint seq · u8 reason (a reader of before them ignores what stands behind the items)
 *   live    string conversation · varint gen · varint prev · varint seq · messages
 *   page    string conversation · varint head gen · varint head seq · messages          flag 1: hasMore
 *           flag 2: varint first behind them
 *   synced  varint inbox gen · varint inbox seq · string token · varint count, then each:
 *           string summary (the JSON of one) · messages                   flags 1 tooLong, 2 regressed, 4 hasMore
 *
 * A reader ignores what stands behind the fields that it knows.
 */

const ITEM_MESSAGES = 0;
const ITEM_READ = 1;

function writeMessages(writer: ByteWriter, entries: readonly WireEntry[]): void {
  writer.varint(entries.length);
  for (const { gen, seq, data } of entries) writer.varint(gen).varint(seq).bytes(data);
}

export function writeAck(writer: ByteWriter, ack: Ack): void {
  writeRecord(writer, recordKind.ack, ack.duplicate ? recordFlag.ack.duplicate : 0, ack.id, (payload) => {
    payload.string(ack.conversation).varint(ack.n).varint(ack.gen).varint(ack.seq).varint(ack.msgNo).varint(ack.at);
    payload.u8(ackedLevels.indexOf(ack.level));
  });
}

export function writePushItems(writer: ByteWriter, items: readonly PushItem<WireEntry>[]): void {
  const hints = items.filter((item) => 'hint' in item);
  writer.varint(items.length - hints.length);
  for (const item of items) {
    if ('hint' in item) continue;
    if ('messages' in item) {
      writer.u8(ITEM_MESSAGES).string(item.conversation);
      writeMessages(writer, item.messages);
    } else {
      const { readSeq, readMsgNo, own } = item.read;
      writer.u8(ITEM_READ).string(item.conversation).varint(readSeq).varint(readMsgNo).varint(own);
    }
  }
  if (hints.length === 0) return;
  writer.varint(hints.length);
  for (const { conversation, hint } of hints) {
    writer.string(conversation).varint(hint.gen).varint(hint.seq).u8(hintReasons.indexOf(hint.why));
  }
}

/** @param writeItems - appends what {@link writePushItems} writes, perhaps written before. */
export function writePush(
  writer: ByteWriter,
  { gen, prev, seq }: Pick<Push, 'gen' | 'prev' | 'seq'>,
  writeItems: (writer: ByteWriter) => void,
): void {
  writeRecord(writer, recordKind.push, 0, 0, (payload) => {
    payload.varint(gen).varint(prev).varint(seq);
    writeItems(payload);
  });
}

export function writeLive(writer: ByteWriter, { conversation, gen, prev, seq, messages }: Live<WireEntry>): void {
  writeRecord(writer, recordKind.live, 0, 0, (payload) => {
    payload.string(conversation).varint(gen).varint(prev).varint(seq);
    writeMessages(payload, messages);
  });
}

export function writePage(writer: ByteWriter, page: Page<WireEntry>): void {
  const { hasMore, first } = recordFlag.page;
  const flags = (page.hasMore ? hasMore : 0) | (page.first === undefined ? 0 : first);
  writeRecord(writer, recordKind.page, flags, page.id, (payload) => {
    payload.string(page.conversation).varint(page.head.gen).varint(page.head.seq);
    writeMessages(payload, page.messages);
    if (page.first !== undefined) payload.varint(page.first);
  });
}

export function writeSynced(writer: ByteWriter, synced: Synced<WireEntry>): void {
  const { tooLong, regressed, hasMore } = recordFlag.synced;
  const flags = (synced.tooLong ? tooLong : 0) | (synced.regressed ? regressed : 0) | (synced.hasMore ? hasMore : 0);
  writeRecord(writer, recordKind.synced, flags, synced.id, (payload) => {
    payload.varint(synced.inbox.gen).varint(synced.inbox.seq).string(synced.token);
    payload.varint(synced.conversations.length);
    for (const { summary, messages } of synced.conversations) {
      payload.string(JSON.stringify(summary));
      writeMessages(payload, messages);
    }
  });
}

// ------------------------------------------------------------------------------------------------------- reading

type CompactFrame = Extract<ServerFrame, { t: 'ack' | 'push' | 'live' | 'page' | 'synced' }>;

/**
 * @returns null for a kind that is not compact, or not known.
 * @throws MalformedBytes when the payload is not what its kind says.
 */
export function readCompactRecord(record: BinaryRecord): CompactFrame | null {
  const reader = new ByteReader(record.payload);
  switch (record.kind) {
    case recordKind.ack:
      return readAck(reader, record);
    case recordKind.push:
      return readPush(reader);
    case recordKind.live:
      return readLive(reader);
    case recordKind.page:
      return readPage(reader, record);
    case recordKind.synced:
      return readSynced(reader, record);
    default:
      return null;
  }
}

function readConversation(reader: ByteReader): ConversationId {
  const conversation = parseConversationId(reader.string());
  if (!conversation.ok) throw new MalformedBytes(conversation.error.message);
  return conversation.value;
}

const readGen = (reader: ByteReader): Generation => reader.varint() as Generation;
const readSeq = (reader: ByteReader): SequenceId => reader.varint() as SequenceId;

/** Every item takes at least a byte, so a count that lies ends with the input. */
function readList<T>(reader: ByteReader, readItem: (reader: ByteReader) => T): T[] {
  const items: T[] = [];
  for (let count = reader.varint(); count > 0; count -= 1) items.push(readItem(reader));
  return items;
}

function readMessage(reader: ByteReader): Message {
  const gen = readGen(reader);
  const seq = readSeq(reader);
  const fields = decodeEntry(reader.bytes());
  // A copy, so that one kept message does not keep the whole page.
  const body = typeof fields.body === 'string' ? fields.body : new Uint8Array(fields.body);
  return { gen, seq, ...fields, body };
}

function readAck(reader: ByteReader, { flags, id }: BinaryRecord): CompactFrame {
  const conversation = readConversation(reader);
  const n = reader.varint();
  const gen = readGen(reader);
  const seq = readSeq(reader);
  const msgNo = reader.varint();
  const at = reader.varint();
  const level = ackedLevels[reader.u8()];
  if (level === undefined) throw new MalformedBytes('the ack level is not known');
  const duplicate = (flags & recordFlag.ack.duplicate) !== 0;
  return { t: 'ack', id, conversation, n, gen, seq, msgNo, at, level, duplicate };
}

function readPushItem(reader: ByteReader): PushItem {
  const kind = reader.u8();
  const conversation = readConversation(reader);
  if (kind === ITEM_MESSAGES) return { conversation, messages: readList(reader, readMessage) };
  if (kind !== ITEM_READ) throw new MalformedBytes(`push item kind ${String(kind)} is not known`);
  return { conversation, read: { readSeq: readSeq(reader), readMsgNo: reader.varint(), own: reader.varint() } };
}

/** Null for a reason that this program does not know. */
function readHint(reader: ByteReader): PushItem | null {
  const conversation = readConversation(reader);
  const [gen, seq] = [readGen(reader), readSeq(reader)];
  const why = hintReasons[reader.u8()];
  return why === undefined ? null : { conversation, hint: { gen, seq, why } };
}

function readPush(reader: ByteReader): CompactFrame {
  const gen = readGen(reader);
  const prev = readSeq(reader);
  const seq = readSeq(reader);
  const items = readList(reader, readPushItem);
  if (reader.remaining > 0) for (const hint of readList(reader, readHint)) if (hint !== null) items.push(hint);
  return { t: 'push', gen, prev, seq, items };
}

function readLive(reader: ByteReader): CompactFrame {
  const conversation = readConversation(reader);
  const gen = readGen(reader);
  const prev = readSeq(reader);
  const seq = readSeq(reader);
  return { t: 'live', conversation, gen, prev, seq, messages: readList(reader, readMessage) };
}

function readPage(reader: ByteReader, { flags, id }: BinaryRecord): CompactFrame {
  const conversation = readConversation(reader);
  const head = { gen: readGen(reader), seq: readSeq(reader) };
  const messages = readList(reader, readMessage);
  const first = (flags & recordFlag.page.first) === 0 ? {} : { first: readSeq(reader) };
  return { t: 'page', id, conversation, messages, hasMore: (flags & recordFlag.page.hasMore) !== 0, head, ...first };
}

function readDelta(reader: ByteReader): ConversationDelta {
  const json = parseJson(reader.string());
  if (json === null || !isJsonObject(json.value)) throw new MalformedBytes('a summary is not a JSON object');
  const fields = new FieldReader(json.value, 'summary.');
  const summary = readSummary(fields);
  if (fields.problem !== null) throw new MalformedBytes(fields.problem.message);
  return { summary, messages: readList(reader, readMessage) };
}

function readSynced(reader: ByteReader, { flags, id }: BinaryRecord): CompactFrame {
  const inbox = { gen: readGen(reader), seq: readSeq(reader) };
  const token = reader.string();
  const conversations = readList(reader, readDelta);
  const { tooLong, regressed, hasMore } = recordFlag.synced;
  return {
    t: 'synced',
    id,
    tooLong: (flags & tooLong) !== 0,
    regressed: (flags & regressed) !== 0,
    conversations,
    hasMore: (flags & hasMore) !== 0,
    inbox,
    token,
  };
}
