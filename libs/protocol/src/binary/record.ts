import { ByteReader, type ByteWriter } from '@millrace/kernel';

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
  /** That it stands in. */
  readonly message: Uint8Array;
  /** Where its payload starts and ends in the message. */
  readonly start: number;
  readonly end: number;
}

/** A view into the message. */
export const payloadOf = ({ message, start, end }: BinaryRecord): Uint8Array => message.subarray(start, end);
/** For a payload that is read from its start to its end: without a view. */
export const readerOf = ({ message, start, end }: BinaryRecord): ByteReader => new ByteReader(message, start, end);

/** Its payload is appended to the same writer, then comes {@link endRecord}. @returns what that is to be given. */
export function beginRecord(writer: ByteWriter, kind: number, flags: number, id: number): number {
  const start = writer.length;
  writer
    .u32(0)
    .u32((kind << 24) | (flags << 16))
    .u32(id);
  return start;
}

export function endRecord(writer: ByteWriter, start: number): void {
  writer.patchU32(start, writer.length - start - HEADER_BYTES);
}

const u32At = (bytes: Uint8Array, at: number): number =>
  (bytes[at] ?? 0) * 0x1000000 + (((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0));

/** What is wrong with a message that is not one to `recordsMax` whole records; null when it is. */
function problemOf(bytes: Uint8Array, recordsMax: number): string | null {
  if (bytes.length === 0) return 'the message is empty';
  let at = 0;
  for (let count = 0; at < bytes.length; count += 1) {
    if (count === recordsMax) return `a message has at most ${String(recordsMax)} records`;
    if (bytes.length - at < HEADER_BYTES) return `the header at byte ${String(at)} is cut off`;
    const length = u32At(bytes, at);
    if ((bytes[at + 6] ?? 0) !== 0 || (bytes[at + 7] ?? 0) !== 0) {
      return `the reserved bytes of the header at byte ${String(at)} must be 0`;
    }
    const start = at + HEADER_BYTES;
    if (length > bytes.length - start) {
      return `the record at byte ${String(at)} says ${String(length)} bytes of payload, ${String(bytes.length - start)} are there`;
    }
    at = start + length;
  }
  return null;
}

function recordAt(message: Uint8Array, at: number): BinaryRecord {
  const start = at + HEADER_BYTES;
  const end = start + u32At(message, at);
  return { kind: message[at + 4] ?? 0, flags: message[at + 5] ?? 0, id: u32At(message, at + 8), message, start, end };
}

/**
 * Cuts a message into its records.
 *
 * @returns what is wrong, as a text, when the bytes are not one to `recordsMax` whole records: nothing of such a
 *   message can be trusted.
 */
export function splitRecords(bytes: Uint8Array, recordsMax: number): readonly BinaryRecord[] | string {
  const problem = problemOf(bytes, recordsMax);
  if (problem !== null) return problem;
  let record = recordAt(bytes, 0);
  const records = [record];
  while (record.end < bytes.length) {
    record = recordAt(bytes, record.end);
    records.push(record);
  }
  return records;
}
