import type { Clock, NodeId, Timers } from '@millrace/kernel';
import type { LeaseAnswer, LeaseStore } from '@millrace/partition';
import type { Connection } from './connection.ts';
import { answerWithin } from './deadline.ts';
import { callFunction } from './function-library.ts';
import type { KeyLayout } from './key-layout.ts';
import { messageOf } from './store-errors.ts';

export interface RedisLeaseStoreParts {
  readonly connection: Connection;
  readonly layout: KeyLayout;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly answerMsMax: number;
}

/** {@link LeaseStore} on the clock of Redis (I10). Works over maxmemory, when nothing else is accepted. */
export class RedisLeaseStore implements LeaseStore {
  readonly #parts: RedisLeaseStoreParts;

  constructor(parts: RedisLeaseStoreParts) {
    this.#parts = parts;
  }

  async acquire(name: string, holder: NodeId, identity: string, durationMs: number): Promise<LeaseAnswer> {
    const { connection, layout, clock, timers, answerMsMax } = this.#parts;
    const askedMs = clock.monotonicMs();
    const args = [holder, identity, String(Math.floor(durationMs))];
    try {
      const call = callFunction(connection.client, 'acquire_lease', [layout.lease(name)], args);
      const [code, heldBy = '', remaining] = (await answerWithin(timers, answerMsMax, call)) as readonly string[];
      if (code === 'held') return { code: 'held', untilMonotonicMs: askedMs + Math.floor(durationMs) };
      return { code: 'taken', heldBy, remainingMs: Number(remaining) };
    } catch (error) {
      return { code: 'unavailable', message: `could not ask for the lease ${name}: ${messageOf(error)}` };
    }
  }

  async release(name: string, holder: NodeId): Promise<void> {
    const { connection, layout, timers, answerMsMax } = this.#parts;
    try {
      const call = callFunction(connection.client, 'release_lease', [layout.lease(name)], [holder]);
      await answerWithin(timers, answerMsMax, call);
    } catch {
      // Nothing to do: a lease that could not be given back runs out.
    }
  }
}
