import { invariant, writeAscii } from '@millrace/kernel';

/** Longer texts are written faster by the platform, though that takes two calls for each. */
const ASCII_MAX = 48;

/**
 * Writes the little of MessagePack that the functions read with cmsgpack: strings, arrays, lengths and `false` (which stands for
 * "none", since a nil would be a hole in a Lua table). Bytes are written as strings, because Redis 7's cmsgpack refuses
 * the binary type, and any number that is not
 * a length as a decimal string, because Lua loses integers past 2^53.
 *
 * A Packer is used again and again: {@link take} copies what was written and starts anew.
 */
export class Packer {
  #buffer: Buffer;
  #length = 0;
  /** Values written since the last take; those of a nested array count, too. */
  #values = 0;

  constructor(initialCapacityBytes = 16 * 1024) {
    this.#buffer = Buffer.allocUnsafe(initialCapacityBytes);
  }

  #room(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }

  #stringHeader(length: number): void {
    if (length < 32) this.#buffer[this.#length++] = 0xa0 | length;
    else if (length < 0x100) {
      this.#buffer[this.#length++] = 0xd9;
      this.#buffer[this.#length++] = length;
    } else if (length < 0x10000) {
      this.#buffer[this.#length++] = 0xda;
      this.#length = this.#buffer.writeUInt16BE(length, this.#length);
    } else {
      this.#buffer[this.#length++] = 0xdb;
      this.#length = this.#buffer.writeUInt32BE(length, this.#length);
    }
  }

  text(text: string): this {
    this.#values += 1;
    const units = text.length;
    this.#room(5 + units * 3);
    // Behind where the header will stand.
    if (units <= ASCII_MAX && writeAscii(text, this.#buffer, this.#length + (units < 32 ? 1 : 2))) {
      this.#stringHeader(units);
      this.#length += units;
      return this;
    }
    this.#stringHeader(Buffer.byteLength(text));
    this.#length += this.#buffer.write(text, this.#length);
    return this;
  }

  bytes(bytes: Uint8Array): this {
    this.#values += 1;
    this.#room(5 + bytes.length);
    this.#stringHeader(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  value(value: string | Uint8Array): this {
    return typeof value === 'string' ? this.text(value) : this.bytes(value);
  }

  /** How many of something follow: a whole number, 0..2^32-1. */
  count(count: number): this {
    this.#values += 1;
    this.#room(5);
    if (count < 0x80) this.#buffer[this.#length++] = count;
    else {
      this.#buffer[this.#length++] = 0xce;
      this.#length = this.#buffer.writeUInt32BE(count, this.#length);
    }
    return this;
  }

  /** An array of whatever `fill` writes, which must not be arrays. */
  list(fill: () => void): this {
    this.#room(5);
    this.#buffer[this.#length] = 0xdd;
    const lengthAt = this.#length + 1;
    this.#length += 5;
    const before = this.#values;
    fill();
    this.#buffer.writeUInt32BE(this.#values - before, lengthAt);
    return this;
  }

  none(): this {
    this.#values += 1;
    this.#room(1);
    this.#buffer[this.#length++] = 0xc2;
    return this;
  }

  /** Must be followed by `length` values. */
  array(length: number): this {
    invariant(Number.isInteger(length) && length >= 0 && length < 2 ** 32, `not an array length: ${String(length)}`);
    this.#room(5);
    if (length < 16) this.#buffer[this.#length++] = 0x90 | length;
    else if (length < 0x10000) {
      this.#buffer[this.#length++] = 0xdc;
      this.#length = this.#buffer.writeUInt16BE(length, this.#length);
    } else {
      this.#buffer[this.#length++] = 0xdd;
      this.#length = this.#buffer.writeUInt32BE(length, this.#length);
    }
    return this;
  }

  /** A copy of what was written since the last take. */
  take(): Buffer {
    return this.takeAs((written) => Buffer.from(written));
  }

  /** What `copy` makes of what was written since the last take: of a view that is not to be kept. */
  takeAs<T>(copy: (written: Uint8Array) => T): T {
    const taken = copy(this.#buffer.subarray(0, this.#length));
    this.#length = 0;
    this.#values = 0;
    return taken;
  }
}
