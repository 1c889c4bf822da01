import { StoreUnavailable, type ActorKey, type HotTimelines, type StoredConversations } from '@millrace/timeline';
import type { KeyScan } from './key-scan.ts';

/** {@link HotTimelines} or {@link StoredConversations} of Redis, by the keys that are gone through. */
export class RedisConversations implements HotTimelines, StoredConversations {
  readonly #scan: KeyScan;

  /** @param scan - of their Timelines, or of their records. */
  constructor(scan: KeyScan) {
    this.#scan = scan;
  }

  async *conversations(): AsyncGenerator<readonly ActorKey[]> {
    let cursor: string | null = null;
    do {
      const step = await this.#scan.step(cursor);
      if (step === null) throw new StoreUnavailable('the masters of Redis changed while conversations were looked for');
      yield step.actors;
      cursor = step.next;
    } while (cursor !== null);
  }
}
