import {
  ByteReader,
  MalformedBytes,
  err,
  ok,
  parseNodeId,
  unreachable,
  type ByteWriter,
  type NodeId,
  type Result,
} from '@millrace/kernel';

/** The wire version of this program. An entry of another one is malformed. */
const VERSION = 1;
/** Epochs rise by one from a random start of 32 bits, so none comes near. */
const EPOCH_MAX = 2 ** 52;

/** A place in the entries that one node has sent to another one. */
export interface LinkPlace {
  readonly epoch: number;
  /** From 1 in each epoch; 0 stands for "nothing of it". */
  readonly seq: number;
}

/** What the sender of an entry has heard of its receiver. `broken`: something is missing, begin a new epoch. */
export interface Heard extends LinkPlace {
  readonly broken: boolean;
}

/** What came before the first entry of an epoch, so that the receiver can tell what it missed. */
export interface Before {
  /** The last entry of the epoch before; null when the sender knows of none. */
  readonly place: LinkPlace | null;
  /**
   * How far the number of notes can be compared with what the receiver has counted: `counted`, because it has heard of
   * this link before; `new`: if it has heard anything, that was of another link; `forgotten`: the same, and there may
   * have been one of which it has heard nothing.
   */
  readonly notes: 'counted' | 'new' | 'forgotten';
}

export interface EntryHead extends LinkPlace {
  readonly from: NodeId;
  /** Null but in the first entry of an epoch. */
  readonly before: Before | null;
  /** Notes that the sender was given for the receiver before those of this entry, lost ones too. */
  readonly notesBefore: number;
  readonly heard: Heard | null;
  /** The sender waits for an entry, whatever is in it. */
  readonly asks: boolean;
}

export type LinkRecord =
  | { readonly kind: 'request'; readonly id: number; readonly payload: Uint8Array }
  | { readonly kind: 'answer'; readonly id: number; readonly payload: Uint8Array }
  | { readonly kind: 'note'; readonly payload: Uint8Array }
  /** So many notes would have been here, but the sender had no room for them. */
  | { readonly kind: 'lost'; readonly count: number };

export interface Entry {
  readonly head: EntryHead;
  readonly records: readonly LinkRecord[];
}

export interface EntryError {
  readonly code: 'malformed';
  readonly message: string;
}

const REQUEST = 1;
const ANSWER = 2;
const NOTE = 3;
const LOST = 4;

const ASKS = 1;
const HEARD = 2;
const BROKEN = 4;
const FIRST = 8;
const FLAGS = ASKS | HEARD | BROKEN | FIRST;

const NOTES = ['counted', 'new', 'forgotten'] as const;
/** Beside the number of one of {@link NOTES}. */
const HAS_PLACE = 4;

function writeBefore(writer: ByteWriter, { place, notes }: Before): void {
  writer.u8(NOTES.indexOf(notes) | (place === null ? 0 : HAS_PLACE));
  if (place !== null) writer.varint(place.epoch).varint(place.seq);
}

/** The layout is in docs/node-streams.md. */
export function writeHead(writer: ByteWriter, head: EntryHead): void {
  const { heard, before } = head;
  writer.u8(VERSION).string(head.from).varint(head.epoch).varint(head.seq).varint(head.notesBefore);
  writer.u8(
    (head.asks ? ASKS : 0) |
      (heard === null ? 0 : HEARD) |
      (heard?.broken === true ? BROKEN : 0) |
      (before === null ? 0 : FIRST),
  );
  if (heard !== null) writer.varint(heard.epoch).varint(heard.seq);
  if (before !== null) writeBefore(writer, before);
}

export function writeRecord(writer: ByteWriter, record: LinkRecord): void {
  switch (record.kind) {
    case 'request':
      writer.u8(REQUEST).varint(record.id).bytes(record.payload);
      return;
    case 'answer':
      writer.u8(ANSWER).varint(record.id).bytes(record.payload);
      return;
    case 'note':
      writer.u8(NOTE).bytes(record.payload);
      return;
    case 'lost':
      writer.u8(LOST).varint(record.count);
      return;
    default:
      unreachable(record);
  }
}

function readPlace(reader: ByteReader): LinkPlace {
  const place = { epoch: reader.varint(), seq: reader.varint() };
  if (place.epoch > EPOCH_MAX) throw new MalformedBytes('an epoch is out of range');
  return place;
}

function readHeard(reader: ByteReader, broken: boolean): Heard {
  const { epoch, seq } = readPlace(reader);
  return { epoch, seq, broken };
}

function readBefore(reader: ByteReader): Before {
  const kind = reader.u8();
  const notes = NOTES[kind & ~HAS_PLACE];
  if (notes === undefined) throw new MalformedBytes(`what came before an epoch cannot be ${String(kind)}`);
  return { place: (kind & HAS_PLACE) === 0 ? null : readPlace(reader), notes };
}

function readHead(reader: ByteReader): EntryHead {
  const version = reader.u8();
  if (version !== VERSION) throw new MalformedBytes(`version ${String(version)} is not ${String(VERSION)}`);
  const from = parseNodeId(reader.string());
  if (!from.ok) throw new MalformedBytes(from.error.message);
  const place = readPlace(reader);
  const notesBefore = reader.varint();
  const flags = reader.u8();
  if ((flags & ~FLAGS) !== 0) throw new MalformedBytes(`unknown flags: ${String(flags)}`);
  const heard = (flags & HEARD) === 0 ? null : readHeard(reader, (flags & BROKEN) !== 0);
  const before = (flags & FIRST) === 0 ? null : readBefore(reader);
  if ((place.seq === 1) !== (before !== null)) throw new MalformedBytes('the first entry of an epoch, and no other');
  if (place.seq === 0) throw new MalformedBytes('entries are numbered from 1');
  const { epoch, seq } = place;
  return { from: from.value, epoch, seq, notesBefore, heard, before, asks: (flags & ASKS) !== 0 };
}

function readRecord(reader: ByteReader): LinkRecord {
  const kind = reader.u8();
  switch (kind) {
    case REQUEST:
      return { kind: 'request', id: reader.varint(), payload: reader.bytes() };
    case ANSWER:
      return { kind: 'answer', id: reader.varint(), payload: reader.bytes() };
    case NOTE:
      return { kind: 'note', payload: reader.bytes() };
    case LOST:
      return { kind: 'lost', count: reader.varint() };
    default:
      throw new MalformedBytes(`unknown kind of record: ${String(kind)}`);
  }
}

/** Reads a whole entry, or nothing of it. Payloads are views into `bytes`. */
export function readEntry(bytes: Uint8Array): Result<Entry, EntryError> {
  const reader = new ByteReader(bytes);
  try {
    const head = readHead(reader);
    const records: LinkRecord[] = [];
    while (reader.remaining > 0) records.push(readRecord(reader));
    return ok({ head, records });
  } catch (error) {
    if (error instanceof MalformedBytes) return err({ code: 'malformed', message: error.message });
    throw error;
  }
}
