import { isIPv6 } from 'node:net';
import type { Clock } from '@millrace/kernel';

export interface RateLimit {
  /** Requests a second that one address may go on making. */
  readonly perSecond: number;
  /** Requests that it may make at once after a pause. */
  readonly burst: number;
}

interface Bucket {
  tokens: number;
  atMs: number;
}

/** Buckets kept; beyond them the one that was used the longest ago is forgotten, and so is full again. */
const BUCKETS_MAX = 20_000;

/** An IPv6 customer has a /64 at least: counting single addresses would count nothing. */
export function rateLimitKey(ip: string): string {
  if (!isIPv6(ip)) return ip;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(ip);
  if (mapped?.[1] !== undefined) return mapped[1];
  const [left = '', right] = (ip.split('%')[0] ?? '').split('::');
  const head = left === '' ? [] : left.split(':');
  const tail = right === undefined || right === '' ? [] : right.split(':');
  const zeros = right === undefined ? 0 : 8 - head.length - tail.length;
  const groups = [...head, ...Array<string>(Math.max(0, zeros)).fill('0'), ...tail];
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}

/** A token bucket for each address; bounded (I9). */
export class IpRateLimit {
  readonly #limit: RateLimit;
  readonly #clock: Clock;
  /** The least recently used first. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(limit: RateLimit, clock: Clock) {
    this.#limit = limit;
    this.#clock = clock;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** @returns 0 when the request may go on, else how many milliseconds to wait. */
  take(ip: string): number {
    const key = rateLimitKey(ip);
    const nowMs = this.#clock.monotonicMs();
    const bucket = this.#buckets.get(key) ?? { tokens: this.#limit.burst, atMs: nowMs };
    const gained = ((nowMs - bucket.atMs) / 1_000) * this.#limit.perSecond;
    bucket.tokens = Math.min(this.#limit.burst, bucket.tokens + gained);
    bucket.atMs = nowMs;
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > BUCKETS_MAX) {
      const oldest = this.#buckets.keys().next();
      if (oldest.done !== true) this.#buckets.delete(oldest.value);
    }
    if (bucket.tokens >= 1) {
      bucket.tokens -= 1;
      return 0;
    }
    return Math.ceil(((1 - bucket.tokens) / this.#limit.perSecond) * 1_000);
  }
}
