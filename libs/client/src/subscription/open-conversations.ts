import type { ConversationId } from '@millrace/kernel';
import type { ConversationSummary } from '@millrace/protocol';
import type { Asker } from '../connection/asker.ts';
import { MillraceError } from '../errors.ts';

/**
 * What the application shows: the server is told, and told again after each connect, and when the user is back in one of
 * them, for it forgets with the connection and with a leave.
 */
export class OpenConversations {
  readonly #asker: Asker;
  readonly #open = new Set<ConversationId>();
  /** Of those, the ones that the user is out of. */
  readonly #left = new Set<ConversationId>();

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

  /** It is shown already: the server is told so that it stays. */
  keep(conversation: ConversationId): void {
    this.#open.add(conversation);
    this.#again(conversation);
  }

  async close(conversation: ConversationId): Promise<void> {
    this.#left.delete(conversation);
    if (this.#open.delete(conversation)) await this.#asker.ask({ t: 'close', conversation });
  }

  connected(): void {
    for (const conversation of this.#open) this.#again(conversation);
  }

  /** The conversation as the device knows it now. */
  changed({ conversation, member }: Pick<ConversationSummary, 'conversation' | 'member'>): void {
    if (!this.#open.has(conversation)) return;
    if (!member) this.#left.add(conversation);
    else if (this.#left.delete(conversation)) this.#again(conversation);
  }

  #again(conversation: ConversationId): void {
    // Refused, say, because the user was removed: what is pulled says so, too.
    this.open(conversation).catch(() => undefined);
  }
}
