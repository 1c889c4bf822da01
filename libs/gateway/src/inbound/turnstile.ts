import type { Clock } from '@millrace/kernel';

/** A place inside. */
export interface Ticket {
  /** Monotonic. */
  readonly sinceMs: number;
}

/**
 * Lets so many go on at a time; the others wait, in the order in which they came. For work that comes in crowds and would
 * hold up everybody else if all of it was begun at once.
 *
 * (T1) At most `atOnce` are inside. Who enters leaves, whatever becomes of them.
 * (T2) While there is room nobody waits, not even for the turn of the event loop: `enter` answers a ticket, no promise.
 * (T3) Who takes longer than `slowMs` waits for something itself, an owner or a store that is away, and costs nothing
 *      meanwhile: its place goes on to the next one, so that it holds up nobody who could go on.
 * (T4) Whoever waits is somebody's socket or request: their number is bounded where those are (I9).
 */
export class Turnstile {
  readonly #atOnce: number;
  readonly #slowMs: number;
  readonly #clock: Clock;
  /** In the order in which they entered. */
  readonly #inside = new Set<Ticket>();
  #waiting: ((ticket: Ticket) => void)[] = [];
  #next = 0;

  constructor(atOnce: number, slowMs: number, clock: Clock) {
    this.#atOnce = atOnce;
    this.#slowMs = slowMs;
    this.#clock = clock;
  }

  get waiting(): number {
    return this.#waiting.length - this.#next;
  }

  enter(): Ticket | Promise<Ticket> {
    if (this.#inside.size < this.#atOnce) return this.#ticket();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  leave(ticket: Ticket): void {
    if (this.#inside.delete(ticket)) this.#letIn();
  }

  /** Called several times a second. */
  sweep(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const ticket of this.#inside) {
      if (this.waiting === 0 || nowMs - ticket.sinceMs < this.#slowMs) return;
      this.leave(ticket);
    }
  }

  #ticket(): Ticket {
    const ticket: Ticket = { sinceMs: this.#clock.monotonicMs() };
    this.#inside.add(ticket);
    return ticket;
  }

  #letIn(): void {
    const next = this.#waiting[this.#next];
    if (next === undefined) return;
    this.#next += 1;
    if (this.#next === this.#waiting.length || this.#next >= 1_024) {
      this.#waiting = this.#waiting.slice(this.#next);
      this.#next = 0;
    }
    next(this.#ticket());
  }
}
