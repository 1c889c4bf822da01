import { ByteWriter } from '@millrace/kernel';

/*
 * A binary message is one or more records, each a header of 12 bytes and a payload:
 *
 *   u32 length of the payload · u8 kind · u8 flags · u16 reserved, 0 · u32 id (0 for none)
 *
 * Integers are big-endian. docs/protocol.md has the payloads.
 */

export const HEADER_BYTES = 12;

export const recordKind = { json: 0, send: 1, ack: 2, push: 3, page: 4, synced: 5, live: 6, found: 7 } as const;

/** Every flag of every kind. */
export const recordFlag = {
  send: { text: 1, after: 2, mentions: 4, reply: 8 },
  ack: { duplicate: 1 },
  page: { hasMore: 1, first: 2 },
  synced: { tooLong: 1, regressed: 2, hasMore: 4 },
} as const;

export interface BinaryRecord {
  readonly kind: number;
  readonly flags: number;
  /** 0 for none. */
  readonly id: number;
  /** A view into the message. */
  readonly payload: Uint8Array;
}

/** @param writePayload - appends the payload to the same writer. */
export function writeRecord(
  writer: ByteWriter,
  kind: number,
  flags: number,
  id: number,
  writePayload: (writer: ByteWriter) => void,
): void {
  const start = writer.length;
  writer.u32(0).u8(kind).u8(flags).u8(0).u8(0).u32(id);
  writePayload(writer);
  writer.patchU32(start, writer.length - start - HEADER_BYTES);
}

const u32At = (bytes: Uint8Array, at: number): number =>
  (bytes[at] ?? 0) * 0x1000000 + (((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0));

/**
 * Cuts a message into its records.
 *
 * @returns what is wrong, as a text, when the bytes are not one to `recordsMax` whole records: nothing of such a
 *   message can be trusted.
 */
export function splitRecords(bytes: Uint8Array, recordsMax: number): readonly BinaryRecord[] | string {
  const records: BinaryRecord[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (records.length === recordsMax) return `a message has at most ${String(recordsMax)} records`;
    if (bytes.length - at < HEADER_BYTES) return `the header at byte ${String(at)} is cut off`;
    const length = u32At(bytes, at);
    if ((bytes[at + 6] ?? 0) !== 0 || (bytes[at + 7] ?? 0) !== 0) {
      return `the reserved bytes of the header at byte ${String(at)} must be 0`;
    }
    const start = at + HEADER_BYTES;
    if (length > bytes.length - start) {
      return `the record at byte ${String(at)} says ${String(length)} bytes of payload, ${String(bytes.length - start)} are there`;
    }
    const payload = bytes.subarray(start, start + length);
    records.push({ kind: bytes[at + 4] ?? 0, flags: bytes[at + 5] ?? 0, id: u32At(bytes, at + 8), payload });
    at = start + length;
  }
  return records.length === 0 ? 'the message is empty' : records;
}
