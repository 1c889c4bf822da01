import { invariant, sequenceId, type Generation, type SequenceId } from '@millrace/kernel';
import type { TimelineEntry } from './timeline-reader.ts';

export interface MemoryTimelineLimits {
  readonly entriesMax: number;
  /** Of all entries together; a single one that is larger is not kept. */
  readonly bytesMax: number;
}

/** Dropped entries that stay in the list until it is worth moving the others. */
const DROPPED_MAX = 64;

/**
 * The latest entries of a Timeline of one generation, in memory alone.
 *
 * (M1) What it holds is dense, and ends with the last entry that was appended.
 * (M2) What it holds is bounded, by number and by bytes (I9): the oldest entries go first.
 */
export class MemoryTimeline {
  readonly gen: Generation;
  readonly #limits: MemoryTimelineLimits;
  #entries: TimelineEntry[] = [];
  /** Of those in the list, how many are dropped. */
  #dropped = 0;
  #bytes = 0;
  #next = 1;

  constructor(gen: Generation, limits: MemoryTimelineLimits) {
    this.gen = gen;
    this.#limits = limits;
  }

  /** The oldest entry that is held, or the next one to be appended when none is. */
  get first(): SequenceId {
    return sequenceId(this.#next - this.size);
  }

  get size(): number {
    return this.#entries.length - this.#dropped;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** All that are held, in rising seq. */
  get entries(): readonly TimelineEntry[] {
    return this.#entries.slice(this.#dropped);
  }

  /** @param seq - one above that of the last entry. */
  append(seq: SequenceId, data: Uint8Array): void {
    invariant(seq === this.#next, `entry ${String(seq)} does not follow on ${String(this.#next - 1)}`);
    this.#next += 1;
    this.#entries.push({ gen: this.gen, seq, data });
    this.#bytes += data.length;
    const { entriesMax, bytesMax } = this.#limits;
    while (this.size > entriesMax || this.#bytes > bytesMax) this.#dropFirst();
    if (this.#dropped > DROPPED_MAX && this.#dropped > this.size) {
      this.#entries = this.#entries.slice(this.#dropped);
      this.#dropped = 0;
    }
  }

  /** Those of `from..to` that are held, in rising seq. */
  range(from: SequenceId, to: SequenceId): readonly TimelineEntry[] {
    const { first } = this;
    const start = this.#dropped + Math.max(0, from - first);
    const end = this.#dropped + Math.max(0, to - first + 1);
    return this.#entries.slice(start, end);
  }

  #dropFirst(): void {
    const entry = this.#entries[this.#dropped];
    invariant(entry !== undefined, 'a Timeline that holds nothing is within its bounds');
    this.#bytes -= entry.data.length;
    // Not to be held by the list until that is made anew.
    this.#entries[this.#dropped] = { ...entry, data: NOTHING };
    this.#dropped += 1;
  }
}

const NOTHING = new Uint8Array(0);
