/**
 * Memory for many small byte arrays, which costs less than an allocation for each. A slab lives for as long as any of the
 * arrays in it: for what lives about equally long.
 */
export class Slabs {
  readonly #slabBytes: number;
  readonly #sharedBytesMax: number;
  #slab = new Uint8Array(0);
  #used = 0;

  /** @param sharedBytesMax - larger arrays get memory of their own; at most `slabBytes`. */
  constructor(slabBytes: number, sharedBytesMax: number) {
    this.#slabBytes = slabBytes;
    this.#sharedBytesMax = sharedBytesMax;
  }

  copyOf(bytes: Uint8Array): Uint8Array {
    if (bytes.length > this.#sharedBytesMax) return new Uint8Array(bytes);
    if (this.#slab.length - this.#used < bytes.length) {
      this.#slab = new Uint8Array(this.#slabBytes);
      this.#used = 0;
    }
    const copy = this.#slab.subarray(this.#used, this.#used + bytes.length);
    copy.set(bytes);
    this.#used += bytes.length;
    return copy;
  }
}
