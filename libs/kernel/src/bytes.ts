import { InvariantViolation, invariant } from './assert.ts';
import { readAscii, writeAscii } from './code-units.ts';
import { Slabs } from './slabs.ts';

const utf8Encoder = new TextEncoder();
// A text may begin with U+FEFF: it is part of the text, not a mark of the encoding.
const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export const utf8 = (text: string): Uint8Array => utf8Encoder.encode(text);
/** @throws TypeError when `bytes` is not UTF-8. */
export const fromUtf8 = (bytes: Uint8Array): string => utf8Decoder.decode(bytes);

/** Input ended early, or holds a value out of range. Thrown by {@link ByteReader}; decoders turn it into a value. */
export class MalformedBytes extends Error {
  override readonly name = 'MalformedBytes';
}

/**
 * Appends to a growing buffer. Integers are unsigned LEB128 (`varint`) unless their width is named, then
 * big-endian. A string is its UTF-8 length as a varint, then the bytes.
 */
export class ByteWriter {
  #bytes: Uint8Array;
  #length = 0;

  constructor(initialCapacityBytes = 128) {
    this.#bytes = new Uint8Array(initialCapacityBytes);
  }

  get length(): number {
    return this.#length;
  }

  #room(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }

  u8(value: number): this {
    this.#room(1);
    this.#bytes[this.#length++] = value;
    return this;
  }

  u32(value: number): this {
    this.#room(4);
    this.#bytes[this.#length++] = value >>> 24;
    this.#bytes[this.#length++] = value >>> 16;
    this.#bytes[this.#length++] = value >>> 8;
    this.#bytes[this.#length++] = value;
    return this;
  }

  /** @param value - a whole number, 0..2^53-1. */
  varint(value: number): this {
    // Most are of one byte. True of whole numbers only.
    if ((value & 0x7f) === value) return this.u8(value);
    // Not `invariant`: it would make the text of the message each time.
    if (!Number.isSafeInteger(value) || value < 0) throw new InvariantViolation(`not a varint: ${String(value)}`);
    this.#room(8);
    // Shifts are for 32 bits, and a division for each byte would be slow: so it is divided once.
    const high = Math.floor(value / 0x10000000);
    let rest = value - high * 0x10000000;
    if (high > 0) {
      for (let count = 0; count < 4; count += 1) {
        this.#bytes[this.#length++] = rest | 0x80;
        rest >>>= 7;
      }
      rest = high;
    }
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = rest | 0x80;
      rest >>>= 7;
    }
    this.#bytes[this.#length++] = rest;
    return this;
  }

  /** Its decimal digits, a byte each. @param value - a whole number, 0..2^53-1. */
  decimal(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0) throw new InvariantViolation(`not a count: ${String(value)}`);
    this.#room(16);
    // Numbers of 32 bits are divided faster.
    const high = Math.floor(value / 1e9);
    if (high > 0) this.decimal(high);
    const end = this.#length + (high > 0 ? 9 : digitsOf(value));
    let rest = high > 0 ? value - high * 1e9 : value;
    for (let at = end - 1; at >= this.#length; at -= 1) {
      const left = (rest / 10) | 0;
      this.#bytes[at] = 0x30 + rest - left * 10;
      rest = left;
    }
    this.#length = end;
    return this;
  }

  string(text: string): this {
    // Most strings here are ids of a few ASCII characters.
    if (text.length < 0x80 && this.#ascii(text)) return this;
    // At most 3 bytes a UTF-16 unit, in one pass.
    const most = text.length * 3;
    if (most < 0x80) {
      this.#room(1 + most);
      const { written } = utf8Encoder.encodeInto(text, this.#bytes.subarray(this.#length + 1));
      this.#bytes[this.#length] = written;
      this.#length += 1 + written;
      return this;
    }
    return this.bytes(utf8(text));
  }

  /** The UTF-8 bytes alone. */
  text(text: string): this {
    this.#room(text.length * 3);
    this.#length += utf8Encoder.encodeInto(text, this.#bytes.subarray(this.#length)).written;
    return this;
  }

  /** A text of fewer than 128 characters, a byte each. @returns false when it has others, and nothing is written. */
  #ascii(text: string): boolean {
    this.#room(1 + text.length);
    if (!writeAscii(text, this.#bytes, this.#length + 1)) return false;
    this.#bytes[this.#length] = text.length;
    this.#length += 1 + text.length;
    return true;
  }

  /** Length as a varint, then the bytes. */
  bytes(bytes: Uint8Array): this {
    return this.varint(bytes.length).raw(bytes);
  }

  /** The bytes alone. */
  raw(bytes: Uint8Array): this {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  /** Overwrites four bytes written before, for a length that is known only at the end. */
  patchU32(at: number, value: number): this {
    invariant(at >= 0 && at + 4 <= this.#length, 'patch outside of what was written');
    this.#bytes[at] = value >>> 24;
    this.#bytes[at + 1] = value >>> 16;
    this.#bytes[at + 2] = value >>> 8;
    this.#bytes[at + 3] = value;
    return this;
  }

  /** Forgets what was written and keeps the room: what `finish` handed out before is overwritten by what comes. */
  reset(): this {
    this.#length = 0;
    return this;
  }

  /** What was written, without a copy: the writer must not be used after, but for a `reset`. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** What was written, in memory of its own. */
  copy(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }
}

/** @param value - below 1e9. */
function digitsOf(value: number): number {
  let digits = 1;
  for (let more = 10; more <= value; more *= 10) digits += 1;
  return digits;
}

/** A scratch that something large grew is not kept. */
const SCRATCH_BYTES_MAX = 65_536;
let scratch = new ByteWriter(1_024);
const slabs = new Slabs(16_384, 2_048);

/**
 * What `write` appends: for what is small and made for every message, a writer for each, or memory of its own, costs more
 * than the writing. It shares its memory with what is packed at about the same time: who keeps it for longer copies it.
 * `write` must not call this again.
 */
export function packed(write: (writer: ByteWriter) => void): Uint8Array {
  write(scratch.reset());
  const bytes = slabs.copyOf(scratch.finish());
  if (bytes.length > SCRATCH_BYTES_MAX) scratch = new ByteWriter(1_024);
  return bytes;
}

/** Reads what {@link ByteWriter} wrote. Every method throws {@link MalformedBytes} on bad input, and nothing else. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;

  /** Reads from `start` to `end`: within `bytes`, all of them if nothing is said. */
  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  get remaining(): number {
    return this.#end - this.#at;
  }

  u8(): number {
    if (this.#at >= this.#end) throw new MalformedBytes('the input ends early');
    return this.#bytes[this.#at++] ?? 0;
  }

  u32(): number {
    return this.u8() * 0x1000000 + ((this.u8() << 16) | (this.u8() << 8) | this.u8());
  }

  varint(): number {
    const first = this.u8();
    if (first < 0x80) return first;
    let value = first & 0x7f;
    let scale = 0x80;
    for (let count = 1; count < 8; count += 1) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (!Number.isSafeInteger(value)) throw new MalformedBytes('a number is over 2^53-1');
        return value;
      }
      scale *= 0x80;
    }
    throw new MalformedBytes('a number is longer than 8 bytes');
  }

  string(): string {
    const length = this.varint();
    // Most strings here are ids of a few ASCII characters.
    const ascii = length <= this.remaining ? readAscii(this.#bytes, this.#at, length) : null;
    if (ascii !== null) {
      this.#at += length;
      return ascii;
    }
    const bytes = this.raw(length);
    try {
      return fromUtf8(bytes);
    } catch {
      throw new MalformedBytes('a text is not UTF-8');
    }
  }

  /** A view into the input, not a copy. */
  bytes(): Uint8Array {
    return this.raw(this.varint());
  }

  /** A view into the input, not a copy. */
  raw(length: number): Uint8Array {
    if (length > this.remaining) throw new MalformedBytes('the input ends early');
    const view = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return view;
  }
}
