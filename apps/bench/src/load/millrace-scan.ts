/*
 * Reads what a server sends over the binary subprotocol (docs/protocol.md) and makes nothing of it but numbers: no
 * frames, no messages, no strings. Acks are told by their id, messages by where their body begins.
 */

export const HEADER_BYTES = 12;
export const KIND_JSON = 0;
const KIND_ACK = 2;
const KIND_PUSH = 3;
const KIND_LIVE = 6;
const ITEM_MESSAGES = 0;
/** Of an entry, the second byte is its type. */
const TYPE_CONTROL = 5;

export interface ScanSink {
  acked(id: number): void;
  /** A message; its body is the last bytes of the entry, which ends at `end`. */
  entry(bytes: Uint8Array, end: number): void;
  /** A control entry, from `from` to `end`. */
  control(bytes: Uint8Array, from: number, end: number): void;
  json(id: number, payload: Uint8Array): void;
}

/** A cursor that reads varints without making anything. */
export class Scanner {
  bytes: Uint8Array = new Uint8Array(0);
  at = 0;

  varint(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.bytes[this.at++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
  }

  skip(): void {
    const length = this.varint();
    this.at += length;
  }
}

const scanner = new Scanner();

export const u32At = (bytes: Uint8Array, at: number): number =>
  (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0;

function scanPush(bytes: Uint8Array, from: number, sink: ScanSink): void {
  scanner.bytes = bytes;
  scanner.at = from;
  scanner.varint();
  scanner.varint();
  scanner.varint();
  for (let items = scanner.varint(); items > 0; items -= 1) {
    const kind = bytes[scanner.at++];
    scanner.skip();
    if (kind !== ITEM_MESSAGES) {
      scanner.varint();
      scanner.varint();
      scanner.varint();
      continue;
    }
    scanMessages(bytes, sink);
  }
}

function scanMessages(bytes: Uint8Array, sink: ScanSink): void {
  for (let messages = scanner.varint(); messages > 0; messages -= 1) {
    scanner.varint();
    scanner.varint();
    const length = scanner.varint();
    const isControl = bytes[scanner.at + 1] === TYPE_CONTROL;
    scanner.at += length;
    if (isControl) sink.control(bytes, scanner.at - length, scanner.at);
    else sink.entry(bytes, scanner.at);
  }
}

function scanLive(bytes: Uint8Array, from: number, sink: ScanSink): void {
  scanner.bytes = bytes;
  scanner.at = from;
  scanner.skip();
  scanner.varint();
  scanner.varint();
  scanner.varint();
  scanMessages(bytes, sink);
}

export function scanServerMessage(bytes: Uint8Array, sink: ScanSink): void {
  for (let at = 0; at + HEADER_BYTES <= bytes.length;) {
    const end = at + HEADER_BYTES + u32At(bytes, at);
    const kind = bytes[at + 4];
    const id = u32At(bytes, at + 8);
    if (kind === KIND_ACK) sink.acked(id);
    else if (kind === KIND_PUSH) scanPush(bytes, at + HEADER_BYTES, sink);
    else if (kind === KIND_LIVE) scanLive(bytes, at + HEADER_BYTES, sink);
    else if (kind === KIND_JSON) sink.json(id, bytes.subarray(at + HEADER_BYTES, end));
    at = end;
  }
}
