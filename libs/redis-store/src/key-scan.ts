import { hash32, type Timers } from '@millrace/kernel';
import { StoreUnavailable, type ActorKey } from '@millrace/timeline';
import { Cluster, type Redis } from 'ioredis';
import type { Connection } from './connection.ts';
import { answerWithin } from './deadline.ts';
import { parseInfo } from './inspect-redis.ts';
import type { KeySort } from './key-layout.ts';
import { messageOf } from './store-errors.ts';

/** Keys that Redis looks at in one call: a millisecond's work at most. */
const SCAN_KEYS = 500;

/** `<index of the master> <SCAN cursor> <which masters>`. */
const CURSOR = /^(\d{1,5}) (\d{1,20}) ([0-9a-f]{1,8})$/;

interface Master {
  readonly client: Redis;
  readonly run: string;
}

export interface KeyScanParts {
  readonly reads: Connection;
  readonly timers: Timers;
  readonly answerMsMax: number;
}

export interface ScannedKeys {
  /** In no order; one may come twice. */
  readonly actors: readonly ActorKey[];
  /** Null behind the last step. */
  readonly next: string | null;
}

/**
 * All keys of one sort, of a Redis or of all masters of a Cluster, one after the other, by SCAN. A cursor of SCAN is good for
 * the process that gave it: with it goes which processes there were, and one that is not there any more makes it of no use.
 */
export class KeyScan {
  readonly #parts: KeyScanParts;
  readonly #sort: KeySort;

  constructor(parts: KeyScanParts, sort: KeySort) {
    this.#parts = parts;
    this.#sort = sort;
  }

  /**
   * Rejects with {@link StoreUnavailable} when the store cannot be asked now.
   *
   * @param cursor - null to begin.
   * @returns null when the cursor is of no use any more.
   */
  async step(cursor: string | null): Promise<ScannedKeys | null> {
    const { timers, answerMsMax } = this.#parts;
    try {
      return await answerWithin(timers, answerMsMax, this.#step(cursor));
    } catch (error) {
      throw new StoreUnavailable(`the conversations could not be listed: ${messageOf(error)}`, { cause: error });
    }
  }

  async #step(cursor: string | null): Promise<ScannedKeys | null> {
    const masters = await this.#masters();
    const which = hash32(masters.map(({ run }) => run).join(' ')).toString(16);
    const [, index = '', from = '', sameAs] = CURSOR.exec(cursor ?? `0 0 ${which}`) ?? [];
    const at = Number(index);
    const master = masters[at];
    if (sameAs !== which || master === undefined) return null;
    const [next, keys] = await master.client.scan(from, 'MATCH', this.#sort.pattern, 'COUNT', SCAN_KEYS);
    const actors = keys.map((key) => this.#sort.actorOf(key)).filter((actor) => actor !== null);
    if (next !== '0') return { actors, next: `${index} ${next} ${which}` };
    return { actors, next: at + 1 < masters.length ? `${String(at + 1)} 0 ${which}` : null };
  }

  /** In an order that every node finds. */
  async #masters(): Promise<readonly Master[]> {
    const { client } = this.#parts.reads;
    const nodes = client instanceof Cluster ? client.nodes('master') : [client];
    const masters = await Promise.all(
      nodes.map(async (node) => ({ client: node, run: parseInfo(await node.info('server')).get('run_id') ?? '' })),
    );
    return masters.sort((one, other) => (one.run < other.run ? -1 : 1));
  }
}
