import { invariant } from '@millrace/kernel';

const cutOff = 'a text that Redis packed ends early';

/** Reads the little of MessagePack that our functions answer: arrays, lengths and strings. See `Packer`. */
export class Unpacker {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    invariant(byte !== undefined, cutOff);
    this.#at += 1;
    return byte;
  }

  /** Big-endian, of that many bytes. */
  #whole(width: number): number {
    let value = 0;
    for (let count = 0; count < width; count += 1) value = value * 0x100 + this.#byte();
    return value;
  }

  /** How many values of a flat list follow. */
  array(): number {
    const head = this.#byte();
    // An empty table of Lua is a list as much as a map.
    if ((head & 0xf0) === 0x90 || head === 0x80) return head & 0x0f;
    invariant(head === 0xdc || head === 0xdd, `Redis packed no list: ${String(head)}`);
    return this.#whole(head === 0xdc ? 2 : 4);
  }

  count(): number {
    const head = this.#byte();
    if (head < 0x80) return head;
    invariant(head >= 0xcc && head <= 0xce, `Redis packed no length: ${String(head)}`);
    return this.#whole(1 << (head - 0xcc));
  }

  /** Whether a text is next. */
  get isAtText(): boolean {
    const head = this.#bytes[this.#at] ?? 0;
    return (head & 0xe0) === 0xa0 || (head >= 0xd9 && head <= 0xdb);
  }

  /** A view into what is unpacked, not a copy. */
  bytes(): Buffer {
    const head = this.#byte();
    let length = head & 0x1f;
    if ((head & 0xe0) !== 0xa0) {
      invariant(head >= 0xd9 && head <= 0xdb, `Redis packed no text: ${String(head)}`);
      length = this.#whole(1 << (head - 0xd9));
    }
    const from = this.#at;
    this.#at += length;
    invariant(this.#at <= this.#bytes.length, cutOff);
    return this.#bytes.subarray(from, this.#at);
  }

  /** What was not read yet: a view. */
  get rest(): Buffer {
    return this.#bytes.subarray(this.#at);
  }

  /** The id of an entry of a stream, `first-second`. */
  id(): readonly [first: number, second: number] {
    const head = this.#byte();
    invariant((head & 0xe0) === 0xa0 || head === 0xd9, `Redis packed no id of an entry: ${String(head)}`);
    const end = head === 0xd9 ? this.#byte() : head & 0x1f;
    const to = this.#at + end;
    let [first, half] = [0, 0];
    while (this.#at < to) {
      const byte = this.#byte();
      if (byte === DASH) [first, half] = [half, 0];
      else half = half * 10 + (byte - ZERO);
    }
    return [first, half];
  }
}

const ZERO = 48;
const DASH = 45;
