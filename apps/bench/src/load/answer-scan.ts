import { HEADER_BYTES, KIND_JSON, Scanner, u32At } from './millrace-scan.ts';

/*
 * Reads the long answers of a server over the binary subprotocol (docs/protocol.md), `synced` and `page`, and makes
 * nothing of them but numbers and the token. What comes unasked is skipped.
 */

const KIND_PAGE = 4;
const KIND_SYNCED = 5;
const PAGE_HAS_MORE = 1;
const SYNCED_TOO_LONG = 1;
const SYNCED_REGRESSED = 2;
const SYNCED_HAS_MORE = 4;

export interface SyncedHead {
  readonly tooLong: boolean;
  readonly regressed: boolean;
  readonly hasMore: boolean;
  readonly token: string;
  /** Where the device then is in its inbox. */
  readonly inboxSeq: number;
}

export interface AnswerSink {
  /** Told before the messages of the answer, so that the next one can be asked for first. */
  synced(id: number, head: SyncedHead): void;
  page(id: number, hasMore: boolean): void;
  /** The entry lies at `from` to `to`, valid during the call. */
  entry(seq: number, bytes: Uint8Array, from: number, to: number): void;
  /** All entries of that answer were told. */
  ended(id: number): void;
  json(id: number, payload: Uint8Array): void;
}

const scanner = new Scanner();

function scanEntries(bytes: Uint8Array, sink: AnswerSink): void {
  for (let count = scanner.varint(); count > 0; count -= 1) {
    scanner.varint();
    const seq = scanner.varint();
    const length = scanner.varint();
    const from = scanner.at;
    scanner.at += length;
    sink.entry(seq, bytes, from, scanner.at);
  }
}

function scanSynced(id: number, flags: number, bytes: Uint8Array, sink: AnswerSink): void {
  scanner.varint();
  const inboxSeq = scanner.varint();
  const length = scanner.varint();
  const token = Buffer.from(bytes.buffer, bytes.byteOffset + scanner.at, length).toString('latin1');
  scanner.at += length;
  sink.synced(id, {
    tooLong: (flags & SYNCED_TOO_LONG) !== 0,
    regressed: (flags & SYNCED_REGRESSED) !== 0,
    hasMore: (flags & SYNCED_HAS_MORE) !== 0,
    token,
    inboxSeq,
  });
  for (let count = scanner.varint(); count > 0; count -= 1) {
    scanner.skip();
    scanEntries(bytes, sink);
  }
  sink.ended(id);
}

function scanPage(id: number, flags: number, bytes: Uint8Array, sink: AnswerSink): void {
  scanner.skip();
  scanner.varint();
  scanner.varint();
  sink.page(id, (flags & PAGE_HAS_MORE) !== 0);
  scanEntries(bytes, sink);
  sink.ended(id);
}

export function scanAnswers(bytes: Uint8Array, sink: AnswerSink): void {
  for (let at = 0; at + HEADER_BYTES <= bytes.length;) {
    const end = at + HEADER_BYTES + u32At(bytes, at);
    const kind = bytes[at + 4];
    const flags = bytes[at + 5] ?? 0;
    const id = u32At(bytes, at + 8);
    scanner.bytes = bytes;
    scanner.at = at + HEADER_BYTES;
    if (kind === KIND_SYNCED) scanSynced(id, flags, bytes, sink);
    else if (kind === KIND_PAGE) scanPage(id, flags, bytes, sink);
    else if (kind === KIND_JSON) sink.json(id, bytes.subarray(at + HEADER_BYTES, end));
    at = end;
  }
}
