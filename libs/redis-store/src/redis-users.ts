import { StoreUnavailable, type ActorKey, type StoredUsers } from '@millrace/timeline';
import type { KeyScan } from './key-scan.ts';

/** {@link StoredUsers} of Redis, by the keys of their records. */
export class RedisUsers implements StoredUsers {
  readonly #scan: KeyScan;

  constructor(scan: KeyScan) {
    this.#scan = scan;
  }

  async *users(): AsyncGenerator<readonly ActorKey[]> {
    let cursor: string | null = null;
    do {
      const step = await this.#scan.step(cursor);
      if (step === null) throw new StoreUnavailable('the masters of Redis changed while users were looked for');
      yield step.actors;
      cursor = step.next;
    } while (cursor !== null);
  }
}
