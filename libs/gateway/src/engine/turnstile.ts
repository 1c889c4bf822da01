import type { Timers } from '@millrace/kernel';

/** A connection that was accepted. */
export interface Accepted {
  /** Nothing is read of it from here on, nor is noticed that it ends. */
  pause(): void;
  resume(): void;
  /** It is not to be touched from then on. */
  onAborted(gone: () => void): void;
}

export interface TurnstileLimits {
  /** Connections that may be on their way in at a time. */
  readonly entering: number;
  /** After so long as many more may enter, whatever became of those. */
  readonly everyMs: number;
  /** Of many that wait so many more than that, that none waits for much longer: then it is they who keep others out. */
  readonly waitMs: number;
}

/**
 * Lets the connections of a crowd in a few at a time, in the order in which they came; of the others nothing is read meanwhile.
 *
 * The kernel tells of sockets in the order in which they had something. Behind thousands that are new, each of which wants an
 * upgrade and then a session, those that are there already would wait for all of it. So as many are on their way in as cost
 * some milliseconds, and each that has got in makes room for the next. Who says nothing, or is far away, keeps a place for
 * `everyMs` only.
 */
export class Turnstile {
  readonly #timers: Pick<Timers, 'after'>;
  readonly #limits: TurnstileLimits;
  readonly #waiting = new Set<Accepted>();
  #entering = 0;
  /** Those that took longer than `everyMs`, of which none is told from the others: the first that get in are taken for them. */
  #late = 0;
  #isTimed = false;
  #isStopped = false;

  constructor(timers: Pick<Timers, 'after'>, limits: TurnstileLimits) {
    this.#timers = timers;
    this.#limits = limits;
  }

  accepted(connection: Accepted): void {
    if (this.#isStopped) return;
    this.#forgetLater();
    if (this.#entering < this.#limits.entering) {
      this.#entering += 1;
      return;
    }
    this.#waiting.add(connection);
    connection.onAborted(() => this.#waiting.delete(connection));
    connection.pause();
  }

  /** Those that wait are not touched any more: they are about to be closed. */
  stop(): void {
    this.#isStopped = true;
    this.#waiting.clear();
  }

  /** One has got in, or has gone before. */
  entered(): void {
    if (this.#late > 0) this.#late -= 1;
    else this.#entering = Math.max(0, this.#entering - 1);
    this.#admit(this.#limits.entering);
  }

  #admit(most: number): void {
    for (const connection of this.#waiting) {
      if (this.#entering >= most) return;
      this.#entering += 1;
      this.#waiting.delete(connection);
      connection.resume();
    }
  }

  #forgetLater(): void {
    if (this.#isTimed) return;
    this.#isTimed = true;
    const { entering, everyMs, waitMs } = this.#limits;
    this.#timers.after(everyMs, () => {
      this.#isTimed = false;
      this.#late += this.#entering;
      this.#entering = 0;
      this.#admit(Math.max(entering, Math.ceil((this.#waiting.size * everyMs) / waitMs)));
      if (this.#entering > 0) this.#forgetLater();
    });
  }
}
