import type { DiffusionMode } from '@millrace/diffusion';
import {
  ByteReader,
  generation,
  MalformedBytes,
  packed,
  sequenceId,
  type ByteWriter,
  type Generation,
  type SequenceId,
} from '@millrace/kernel';
import type { Hint, HintReason } from '@millrace/protocol';
import type { Position, TimelineEntry } from '@millrace/timeline';

/**
 * One inbox record (I6). A conversation is named by its slot in the user's own list, so that a record stays small.
 * Layout: `u8 kind` then varints: kind 1 a pointer `slot · gen · from · count`, kind 2 a read position
 * `slot · readSeq · readMsgNo · sentAtRead`, kind 3 a break: nothing, kind 4 a pointer like 1, behind which the
 * conversation is pulled, kind 5 a hint `slot · gen · seq · why (0 mention, 1 control)`, kind 6 what the user has deleted
 * `slot · seq`.
 */
export type InboxEntry =
  | {
      readonly kind: 'messages';
      readonly slot: number;
      readonly gen: Generation;
      readonly from: SequenceId;
      readonly to: SequenceId;
      /** How what comes behind it is diffused. */
      readonly behind: DiffusionMode;
    }
  | {
      readonly kind: 'read';
      readonly slot: number;
      readonly readSeq: SequenceId;
      readonly readMsgNo: number;
      readonly sentAtRead: number;
    }
  /** Of an entry of a conversation that is pulled, which concerns this user: it is not in the inbox, only told of. */
  | ({ readonly kind: 'hint'; readonly slot: number } & Hint)
  /** A message that this user has deleted for themselves. */
  | { readonly kind: 'deleted'; readonly slot: number; readonly seq: SequenceId }
  /** Something is missing here. It only takes up its seq: the inbox begins anew behind it. */
  | { readonly kind: 'break' };

/** Index = the reason's number in a record. */
const reasons = ['mention', 'control'] as const satisfies readonly HintReason[];

export const encodeInboxEntry = (entry: InboxEntry): Uint8Array =>
  packed((writer) => {
    writeInboxEntry(writer, entry);
  });

function writeInboxEntry(writer: ByteWriter, entry: InboxEntry): void {
  if (entry.kind === 'messages') {
    writer
      .u8(entry.behind === 'write' ? 1 : 4)
      .varint(entry.slot)
      .varint(entry.gen)
      .varint(entry.from)
      .varint(entry.to - entry.from + 1);
  } else if (entry.kind === 'break') {
    writer.u8(3);
  } else if (entry.kind === 'hint') {
    const { slot, gen, seq, why } = entry;
    writer.u8(5).varint(slot).varint(gen).varint(seq).varint(reasons.indexOf(why));
  } else if (entry.kind === 'deleted') {
    writer.u8(6).varint(entry.slot).varint(entry.seq);
  } else {
    writer.u8(2).varint(entry.slot).varint(entry.readSeq).varint(entry.readMsgNo).varint(entry.sentAtRead);
  }
}

/** A record at its place in the inbox. */
export interface InboxRecord extends Position {
  readonly entry: InboxEntry;
}

/** @throws MalformedBytes as {@link decodeInboxEntry}. */
export const inboxRecord = ({ gen, seq, data }: TimelineEntry): InboxRecord => ({
  gen,
  seq,
  entry: decodeInboxEntry(data),
});

/** @throws MalformedBytes when the bytes are no inbox record of a kind that this program knows. */
export function decodeInboxEntry(bytes: Uint8Array): InboxEntry {
  const reader = new ByteReader(bytes);
  const kind = reader.u8();
  if (kind === 3) return { kind: 'break' };
  const slot = reader.varint();
  if (kind === 1 || kind === 4) {
    const gen = generation(reader.varint());
    const from = reader.varint();
    const count = reader.varint();
    const behind = kind === 1 ? 'write' : 'read';
    return { kind: 'messages', slot, gen, from: sequenceId(from), to: sequenceId(from + count - 1), behind };
  }
  if (kind === 2) {
    const readSeq = sequenceId(reader.varint());
    const readMsgNo = reader.varint();
    return { kind: 'read', slot, readSeq, readMsgNo, sentAtRead: reader.varint() };
  }
  if (kind === 5) {
    const gen = generation(reader.varint());
    const seq = sequenceId(reader.varint());
    return { kind: 'hint', slot, gen, seq, why: reasons[reader.varint()] ?? 'control' };
  }
  if (kind === 6) return { kind: 'deleted', slot, seq: sequenceId(reader.varint()) };
  throw new MalformedBytes(`inbox record kind ${String(kind)} is not known`);
}
