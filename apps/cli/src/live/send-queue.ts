export interface SendQueueLimits {
  /** Unanswered sends at a time. */
  readonly window: number;
  /** Messages that wait for their turn. */
  readonly waitingMax: number;
}

export interface QueuedSend {
  /** The counter that it is sent with, its own for ever. */
  readonly n: number;
  /** The counter that it follows, when that is not the one below. */
  readonly after?: number;
  /** Of all messages of this sender, from 1. */
  readonly number: number;
}

/**
 * The messages of one device in one conversation that have no ack, in order.
 *
 * (Q1) Counters are used one after the other, each for one message. None of these messages is ever skipped.
 */
export class SendQueue {
  readonly #limits: SendQueueLimits;
  /** Number by counter, rising. */
  readonly #unanswered = new Map<number, number>();
  readonly #waiting: number[] = [];
  #nextCounter = 1;
  /** The last counter that the server has accepted, since it said that it had lost history. */
  #last: number | null = null;
  #written = 0;

  constructor(limits: SendQueueLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#waiting.length + this.#unanswered.size;
  }

  get written(): number {
    return this.#written;
  }

  /** One more message. @returns false when too many wait: then there is none. */
  write(): boolean {
    if (this.#waiting.length >= this.#limits.waitingMax) return false;
    this.#written += 1;
    this.#waiting.push(this.#written);
    return true;
  }

  /** What may be sent now, from here on unanswered. */
  take(): readonly QueuedSend[] {
    const taken: QueuedSend[] = [];
    while (this.#unanswered.size < this.#limits.window) {
      const number = this.#waiting.shift();
      if (number === undefined) break;
      this.#unanswered.set(this.#nextCounter, number);
      taken.push({ n: this.#nextCounter, number });
      this.#nextCounter += 1;
    }
    return taken;
  }

  /** What is to be sent again when it is not known what became of it. */
  unanswered(): readonly QueuedSend[] {
    return [...this.#unanswered].map(([n, number], index) => {
      const skips = index === 0 && this.#last !== null && this.#last < n - 1;
      return skips ? { n, after: this.#last ?? 0, number } : { n, number };
    });
  }

  /** @returns which message it was; null when it had its answer before. */
  acked(n: number): number | null {
    const number = this.#unanswered.get(n);
    this.#unanswered.delete(n);
    if (this.#last !== null) this.#last = Math.max(this.#last, n);
    return number ?? null;
  }

  /** The server waits for that counter. Below all of ours: it lost history, and the first of ours skips what is gone. */
  expects(expected: number): void {
    this.#last = expected - 1;
  }
}
