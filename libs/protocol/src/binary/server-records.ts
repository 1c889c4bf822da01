import {
  MalformedBytes,
  parseConversationId,
  type ByteReader,
  type ByteWriter,
  type ConversationId,
  type Generation,
  type SequenceId,
} from '@millrace/kernel';
import { decodeEntry, type WireEntry } from '../entry.ts';
import type {
  Ack,
  ConversationDelta,
  Found,
  FoundHit,
  Live,
  Message,
  Page,
  Push,
  PushItem,
  ServerFrame,
  Synced,
  UnreadInputs,
} from '../frames.ts';
import { FieldReader } from '../json/field-reader.ts';
import { isJsonObject, parseJson } from '../json/json-object.ts';
import { ackedLevels, hintReasons, readFoundRest, readSummary } from '../json/server-frame-decoders.ts';
import { beginRecord, endRecord, readerOf, recordFlag, recordKind, type BinaryRecord } from './record.ts';

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
 *           varint seq · u8 reason (a reader of before them ignores what stands behind the items). Behind these, where
 *           there are any: varint count of deletions, then each: string conversation · varint seq · u8 1 when it counted,
 *           else 0; varint count of what is gone, then each: varint index of the `read` among the items · varint gone ·
 *           seqs
 *   live    string conversation · varint gen · varint prev · varint seq · messages
 *   page    string conversation · varint head gen · varint head seq · messages          flag 1: hasMore
 *           flag 2: varint first behind them
 *   synced  varint inbox gen · varint inbox seq · string token · varint count, then each:
 *           string summary (the JSON of one) · messages                   flags 1 tooLong, 2 regressed, 4 hasMore
 *           and behind them, where there are any: varint count of those with deletions, then each: varint index · seqs
 *   found   string rest (the JSON of all but `t`, `id` and `hits`) · varint count, then each: string conversation ·
 *           message · varint count of places, then each: varint start, from the end of the one before · varint length
 *
 * `seqs` = varint count · varint first · varint (difference to the one before)….
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
  const record = beginRecord(writer, recordKind.ack, ack.duplicate ? recordFlag.ack.duplicate : 0, ack.id);
  writer.string(ack.conversation).varint(ack.n).varint(ack.gen).varint(ack.seq).varint(ack.msgNo).varint(ack.at);
  endRecord(writer.u8(ackedLevels.indexOf(ack.level)), record);
}

/** @param seqs - rising. */
function writeSeqs(writer: ByteWriter, seqs: readonly SequenceId[]): void {
  writer.varint(seqs.length);
  let before = 0;
  for (const seq of seqs) {
    writer.varint(seq - before);
    before = seq;
  }
}

export function writePushItems(writer: ByteWriter, items: readonly PushItem<WireEntry>[]): void {
  // Nearly all are messages alone: they are not sorted first.
  if (!items.every((item) => 'messages' in item)) {
    writeSorted(writer, items);
    return;
  }
  writer.varint(items.length);
  for (const item of items) writeItem(writer, item);
}

function writeItem(writer: ByteWriter, item: PushItem<WireEntry>): void {
  if ('messages' in item) {
    writer.u8(ITEM_MESSAGES).string(item.conversation);
    writeMessages(writer, item.messages);
  } else if ('read' in item) {
    const { readSeq, readMsgNo, own } = item.read;
    writer.u8(ITEM_READ).string(item.conversation).varint(readSeq).varint(readMsgNo).varint(own);
  }
}

/** Hints, deletions and what is gone stand behind the others. */
function writeSorted(writer: ByteWriter, items: readonly PushItem<WireEntry>[]): void {
  const hints = items.filter((item) => 'hint' in item);
  const deletions = items.filter((item) => 'deleted' in item);
  const plain = items.filter((item) => !('hint' in item || 'deleted' in item));
  const gone = plain.flatMap((item, index) =>
    'read' in item && isGone(item.read) ? [[index, item.read] as const] : [],
  );
  writer.varint(plain.length);
  for (const item of plain) writeItem(writer, item);
  const hasMore = deletions.length > 0 || gone.length > 0;
  if (hints.length === 0 && !hasMore) return;
  writer.varint(hints.length);
  for (const { conversation, hint } of hints) {
    writer.string(conversation).varint(hint.gen).varint(hint.seq).u8(hintReasons.indexOf(hint.why));
  }
  if (!hasMore) return;
  writer.varint(deletions.length);
  for (const { conversation, deleted } of deletions) {
    writer
      .string(conversation)
      .varint(deleted.seq)
      .u8(deleted.counted ? 1 : 0);
  }
  writer.varint(gone.length);
  for (const [index, read] of gone) {
    writer.varint(index).varint(read.gone ?? 0);
    writeSeqs(writer, read.goneSeqs ?? []);
  }
}

const isGone = ({ gone, goneSeqs }: Pick<UnreadInputs, 'gone' | 'goneSeqs'>): boolean =>
  gone !== undefined || goneSeqs !== undefined;

/** @param items - perhaps as {@link writePushItems} has written them before. */
export function writePush(
  writer: ByteWriter,
  { gen, prev, seq }: Pick<Push, 'gen' | 'prev' | 'seq'>,
  items: readonly PushItem<WireEntry>[] | Uint8Array,
): void {
  const record = beginRecord(writer, recordKind.push, 0, 0);
  writer.varint(gen).varint(prev).varint(seq);
  if (items instanceof Uint8Array) writer.raw(items);
  else writePushItems(writer, items);
  endRecord(writer, record);
}

export function writeLive(writer: ByteWriter, { conversation, gen, prev, seq, messages }: Live<WireEntry>): void {
  const record = beginRecord(writer, recordKind.live, 0, 0);
  writer.string(conversation).varint(gen).varint(prev).varint(seq);
  writeMessages(writer, messages);
  endRecord(writer, record);
}

export function writePage(writer: ByteWriter, page: Page<WireEntry>): void {
  const { hasMore, first } = recordFlag.page;
  const flags = (page.hasMore ? hasMore : 0) | (page.first === undefined ? 0 : first);
  const record = beginRecord(writer, recordKind.page, flags, page.id);
  writer.string(page.conversation).varint(page.head.gen).varint(page.head.seq);
  writeMessages(writer, page.messages);
  if (page.first !== undefined) writer.varint(page.first);
  endRecord(writer, record);
}

export function writeFound(writer: ByteWriter, { t: _t, id, hits, ...rest }: Found<WireEntry>): void {
  const record = beginRecord(writer, recordKind.found, 0, id);
  writer.string(JSON.stringify(rest)).varint(hits.length);
  for (const { conversation, message, places } of hits) {
    writer.string(conversation).varint(message.gen).varint(message.seq).bytes(message.data).varint(places.length);
    let before = 0;
    for (const { start, end } of places) {
      writer.varint(start - before).varint(end - start);
      before = end;
    }
  }
  endRecord(writer, record);
}

export function writeSynced(writer: ByteWriter, synced: Synced<WireEntry>): void {
  const { tooLong, regressed, hasMore } = recordFlag.synced;
  const flags = (synced.tooLong ? tooLong : 0) | (synced.regressed ? regressed : 0) | (synced.hasMore ? hasMore : 0);
  const record = beginRecord(writer, recordKind.synced, flags, synced.id);
  writer.varint(synced.inbox.gen).varint(synced.inbox.seq).string(synced.token);
  writer.varint(synced.conversations.length);
  for (const { summary, messages } of synced.conversations) {
    writer.string(JSON.stringify(summary));
    writeMessages(writer, messages);
  }
  const deletions = synced.conversations.flatMap(({ deleted }, index) =>
    deleted === undefined ? [] : [[index, deleted] as const],
  );
  if (deletions.length > 0) writer.varint(deletions.length);
  for (const [index, deleted] of deletions) writeSeqs(writer.varint(index), deleted);
  endRecord(writer, record);
}

// ------------------------------------------------------------------------------------------------------- reading

type CompactFrame = Extract<ServerFrame, { t: 'ack' | 'push' | 'live' | 'page' | 'synced' | 'found' }>;

/**
 * @returns null for a kind that is not compact, or not known.
 * @throws MalformedBytes when the payload is not what its kind says.
 */
export function readCompactRecord(record: BinaryRecord): CompactFrame | null {
  const reader = readerOf(record);
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
    case recordKind.found:
      return readFound(reader, record);
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

function readDeleted(reader: ByteReader): PushItem {
  const conversation = readConversation(reader);
  return { conversation, deleted: { seq: readSeq(reader), counted: reader.u8() !== 0 } };
}

function readSeqs(reader: ByteReader): SequenceId[] {
  let seq = 0;
  return readList(reader, (each) => (seq += each.varint()) as SequenceId);
}

/** Adds to the read positions among the items what is gone behind them. */
function readGone(reader: ByteReader, items: PushItem[]): void {
  for (let count = reader.varint(); count > 0; count -= 1) {
    const index = reader.varint();
    const gone = { gone: reader.varint(), goneSeqs: readSeqs(reader) };
    const item = items[index];
    if (item === undefined || !('read' in item)) throw new MalformedBytes('what is gone belongs to no read position');
    items[index] = { conversation: item.conversation, read: { ...item.read, ...gone } };
  }
}

function readPush(reader: ByteReader): CompactFrame {
  const gen = readGen(reader);
  const prev = readSeq(reader);
  const seq = readSeq(reader);
  const items = readList(reader, readPushItem);
  if (reader.remaining > 0) for (const hint of readList(reader, readHint)) if (hint !== null) items.push(hint);
  if (reader.remaining > 0) {
    const deletions = readList(reader, readDeleted);
    readGone(reader, items);
    items.push(...deletions);
  }
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

/** A part that is the JSON of an object. */
function readJson<T>(reader: ByteReader, what: string, read: (fields: FieldReader) => T): T {
  const json = parseJson(reader.string());
  if (json === null || !isJsonObject(json.value)) throw new MalformedBytes(`a ${what} is not a JSON object`);
  const fields = new FieldReader(json.value, `${what}.`);
  const part = read(fields);
  if (fields.problem !== null) throw new MalformedBytes(fields.problem.message);
  return part;
}

function readDelta(reader: ByteReader): ConversationDelta {
  const summary = readJson(reader, 'summary', readSummary);
  return { summary, messages: readList(reader, readMessage) };
}

function readHit(reader: ByteReader): FoundHit {
  const conversation = readConversation(reader);
  const message = readMessage(reader);
  let before = 0;
  const places = readList(reader, (each) => {
    const start = before + each.varint();
    before = start + each.varint();
    return { start, end: before };
  });
  return { conversation, message, places };
}

function readFound(reader: ByteReader, { id }: BinaryRecord): CompactFrame {
  const rest = readJson(reader, 'found', readFoundRest);
  return { t: 'found', id, hits: readList(reader, readHit), ...rest };
}

function readSynced(reader: ByteReader, { flags, id }: BinaryRecord): CompactFrame {
  const inbox = { gen: readGen(reader), seq: readSeq(reader) };
  const token = reader.string();
  const conversations = readList(reader, readDelta);
  for (let count = reader.remaining > 0 ? reader.varint() : 0; count > 0; count -= 1) {
    const index = reader.varint();
    const deleted = readSeqs(reader);
    const delta = conversations[index];
    if (delta === undefined) throw new MalformedBytes('deletions belong to no conversation');
    conversations[index] = { ...delta, deleted };
  }
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
