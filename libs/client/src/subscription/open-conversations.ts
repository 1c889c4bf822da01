import type { ConversationId } from '@millrace/kernel';
import type { Asker } from '../connection/asker.ts';
import { MillraceError } from '../errors.ts';

/** What the application shows: the server is told, and told again after each connect, for it forgets with the connection. */
export class OpenConversations {
  readonly #asker: Asker;
  readonly #open = new Set<ConversationId>();

  constructor(asker: Asker) {
    this.#asker = asker;
  }

  has(conversation: ConversationId): boolean {
    return this.#open.has(conversation);
  }

  /** Rejects with a {@link MillraceError}: then it is not open, unless there was only no answer in time. */
  async open(conversation: ConversationId): Promise<void> {
    this.#open.add(conversation);
    try {
      await this.#asker.ask({ t: 'open', conversation });
    } catch (error) {
      if (error instanceof MillraceError && error.retry === 'never') this.#open.delete(conversation);
      throw error;
    }
  }

  async close(conversation: ConversationId): Promise<void> {
    if (this.#open.delete(conversation)) await this.#asker.ask({ t: 'close', conversation });
  }

  connected(): void {
    for (const conversation of this.#open) {
      // Refused, say, because the user was removed: what is pulled says so, too.
      this.open(conversation).catch(() => undefined);
    }
  }
}
