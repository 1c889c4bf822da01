import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '@millrace/kernel';

const POLL_MS = 50;
const PATIENCE_MS = 1_800_000;
/** Looks in a row: a follower that has not begun yet says nothing. */
const CALM_LOOKS = 4;

export interface FoundPage {
  readonly hits: readonly {
    readonly conversation: string;
    readonly message: { readonly seq: number; readonly from: string | null; readonly body: unknown };
  }[];
}

/** A search as the HTTP API takes it; without `as` everything is searched, as far as it is indexed. */
export interface SearchBody {
  readonly as?: string;
  readonly text: string;
  readonly prefix: boolean;
  readonly senders?: readonly string[];
  readonly conversations?: readonly string[];
  readonly limit: number;
}

/** The HTTP API of a server, as its backend asks it. */
export class SearchApi {
  readonly #url: string;
  readonly #key: string;

  constructor(url: string, key: string) {
    this.#url = url;
    this.#key = key;
  }

  async #ask(path: string, body?: object): Promise<unknown> {
    const answer = await fetch(`${this.#url}${path}`, {
      headers: { authorization: `Bearer ${this.#key}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${path}: ${String(answer.status)} ${text}`);
    return path === '/metrics' ? text : JSON.parse(text);
  }

  search(body: SearchBody): Promise<FoundPage> {
    return this.#ask('/api/v1/search', body) as Promise<FoundPage>;
  }

  async #metric(name: string): Promise<number> {
    const text = String(await this.#ask('/metrics'));
    const value = new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1];
    if (value === undefined) throw new Error(`the server does not tell ${name}`);
    return Number(value);
  }

  /** Changes of messages that were indexed since the start. */
  indexed(): Promise<number> {
    return this.#metric('millrace_search_indexed');
  }

  /** Waits until so many changes are indexed and nothing waits. @returns when the last of them was seen, monotonic milliseconds. */
  async untilIndexed(changes: number): Promise<number> {
    const startedMs = systemClock.monotonicMs();
    let reachedMs: number | null = null;
    for (let calm = 0; ;) {
      const isThere = (await this.indexed()) >= changes;
      if (isThere) reachedMs ??= systemClock.monotonicMs();
      const isCalm = (await this.#metric('millrace_search_lag_seconds')) === 0;
      calm = isThere && isCalm ? calm + 1 : 0;
      if (reachedMs !== null && calm >= CALM_LOOKS) return reachedMs;
      if (systemClock.monotonicMs() - startedMs > PATIENCE_MS) throw new Error('the index does not catch up');
      await sleep(POLL_MS);
    }
  }

  /** Has the index made anew, and waits for that. */
  async rebuild(): Promise<void> {
    type Status = { readonly rebuilding: boolean };
    const startedMs = systemClock.monotonicMs();
    let status = (await this.#ask('/api/v1/search/rebuild', { abandon: false })) as Status;
    while (status.rebuilding) {
      if (systemClock.monotonicMs() - startedMs > PATIENCE_MS) throw new Error('the index is not made anew in time');
      await sleep(POLL_MS);
      status = (await this.#ask('/api/v1/search/rebuild')) as Status;
    }
  }
}
