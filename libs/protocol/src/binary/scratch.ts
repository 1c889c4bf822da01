import { ByteWriter, Slabs } from '@millrace/kernel';

/*
 * A typed array of its own for every small message costs more than writing it. So records are written into one
 * reused writer and copied into slabs that many messages share. A slab lives for as long as any of its messages:
 * what is encoded is meant for a socket or a store, and who keeps it copies it.
 */

const SLAB_BYTES = 65_536;
/** Larger messages get memory of their own. */
const SHARED_BYTES_MAX = 4_096;
/** A scratch that one large message grew is not kept. */
const SCRATCH_BYTES_MAX = 1_048_576;

const slabs = new Slabs(SLAB_BYTES, SHARED_BYTES_MAX);

/** A writer that is used again and again, for what is not written within one another. */
export class Scratch {
  readonly #bytes: number;
  #writer: ByteWriter;

  constructor(bytes: number) {
    this.#bytes = bytes;
    this.#writer = new ByteWriter(bytes);
  }

  /** @returns what `write` appended. */
  written(write: (writer: ByteWriter) => void): Uint8Array {
    write(this.#writer.reset());
    const bytes = this.#writer.finish();
    const copy = slabs.copyOf(bytes);
    if (bytes.length > SCRATCH_BYTES_MAX) this.#writer = new ByteWriter(this.#bytes);
    return copy;
  }
}

const messages = new Scratch(8_192);

/** @returns what `write` appended to a message. */
export const written = (write: (writer: ByteWriter) => void): Uint8Array => messages.written(write);
