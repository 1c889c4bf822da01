import type { Clock } from '@millrace/kernel';

export interface Rate {
  /** What may go on for ever. */
  readonly perSecond: number;
  /** What may come at once after a pause. */
  readonly burst: number;
}

/** A token bucket. */
export class TokenBucket {
  readonly #rate: Rate;
  #tokens: number;
  #atMs: number;

  constructor(rate: Rate, nowMs: number) {
    this.#rate = rate;
    this.#tokens = rate.burst;
    this.#atMs = nowMs;
  }

  /** @returns 0 when it was taken, else after how many milliseconds there will be one. */
  take(nowMs: number): number {
    const { perSecond, burst } = this.#rate;
    this.#tokens = Math.min(burst, this.#tokens + ((nowMs - this.#atMs) * perSecond) / 1000);
    this.#atMs = nowMs;
    if (this.#tokens >= 1) {
      this.#tokens -= 1;
      return 0;
    }
    return Math.ceil(((1 - this.#tokens) * 1000) / perSecond);
  }

  /** Whether it is as if it had never been used. */
  isFull(nowMs: number): boolean {
    return this.#tokens + ((nowMs - this.#atMs) * this.#rate.perSecond) / 1000 >= this.#rate.burst;
  }
}

/** One bucket for each name that was lately seen. Bounded: full buckets are forgotten, and over the bound all are shared. */
export class RateTable {
  readonly #rate: Rate;
  readonly #clock: Clock;
  readonly #namesMax: number;
  readonly #buckets = new Map<string, TokenBucket>();
  /** For names beyond the bound: an attacker with many addresses shares one bucket. */
  readonly #overflow: TokenBucket;

  constructor(rate: Rate, clock: Clock, namesMax = 100_000) {
    this.#rate = rate;
    this.#clock = clock;
    this.#namesMax = namesMax;
    this.#overflow = new TokenBucket(rate, clock.monotonicMs());
  }

  take(name: string, nowMs = this.#clock.monotonicMs()): number {
    let bucket = this.#buckets.get(name);
    if (bucket === undefined) {
      if (this.#buckets.size >= this.#namesMax) return this.#overflow.take(nowMs);
      bucket = new TokenBucket(this.#rate, nowMs);
      this.#buckets.set(name, bucket);
    }
    return bucket.take(nowMs);
  }

  /** Forgets who has been quiet; called now and then. */
  sweep(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [name, bucket] of this.#buckets) if (bucket.isFull(nowMs)) this.#buckets.delete(name);
  }

  get size(): number {
    return this.#buckets.size;
  }
}
