export interface Pause {
  readonly ms: number;
  /** When it began, by the clock that the watch was given. */
  readonly fromMs: number;
}

/**
 * The longest time without an acknowledged write while something waits for one: from when it began to wait, or the ack
 * before, to the next ack. A refusal ends no pause.
 */
export class PauseWatch {
  #sinceMs: number | null = null;
  #longest: Pause = { ms: 0, fromMs: 0 };
  /** Told of each pause of at least `tellMs`. */
  readonly #tell: (pause: Pause) => void;
  readonly #tellMs: number;

  constructor(tellMs = Infinity, tell: (pause: Pause) => void = () => undefined) {
    this.#tellMs = tellMs;
    this.#tell = tell;
  }

  get longest(): Pause {
    return this.#longest;
  }

  /** Something waits; the time runs unless it does already. */
  waits(nowMs: number): void {
    this.#sinceMs ??= nowMs;
  }

  acked(nowMs: number, stillWaits: boolean): void {
    this.#over(nowMs);
    this.#sinceMs = stillWaits ? nowMs : null;
  }

  /** Nothing will be acknowledged any more: what waits has waited until now. */
  ended(nowMs: number): void {
    this.#over(nowMs);
    this.#sinceMs = null;
  }

  #over(nowMs: number): void {
    if (this.#sinceMs === null) return;
    const pause = { ms: nowMs - this.#sinceMs, fromMs: this.#sinceMs };
    if (pause.ms > this.#longest.ms) this.#longest = pause;
    if (pause.ms >= this.#tellMs) this.#tell(pause);
  }
}
