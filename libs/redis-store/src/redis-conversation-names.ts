import { parseConversationId, type ConversationId } from '@millrace/kernel';
import type { ConversationNames, NamesPage } from '@millrace/timeline';
import type { KeyScan } from './key-scan.ts';

/** {@link ConversationNames} of Redis: a record stays there, also when all entries have left for the archive. */
export class RedisConversationNames implements ConversationNames {
  readonly #scan: KeyScan;

  /** @param scan - of the records of conversations. */
  constructor(scan: KeyScan) {
    this.#scan = scan;
  }

  async page(cursor: string | null): Promise<NamesPage | null> {
    const step = await this.#scan.step(cursor);
    if (step === null) return null;
    const conversations = step.actors.flatMap((actor): readonly ConversationId[] => {
      const id = parseConversationId(actor.slice(2));
      return id.ok ? [id.value] : [];
    });
    return { conversations, next: step.next };
  }
}
