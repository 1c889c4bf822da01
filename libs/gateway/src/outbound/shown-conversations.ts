import type { ConversationId } from '@millrace/kernel';
import { protocolLimits } from '@millrace/protocol';

/** Stands for one `open` that is under way. */
export type Opening = symbol;

/**
 * The conversations that one device shows, a bounded number (I9).
 *
 * (V1) An `open` and a `close` of one conversation come to what they would one after the other, though only the first
 *      has to be asked about: what was closed meanwhile is not opened by a late answer.
 */
export class ShownConversations {
  readonly #open = new Set<ConversationId>();
  readonly #opening = new Map<ConversationId, Opening>();

  /** Null when it would be one too many. */
  begin(conversation: ConversationId): Opening | null {
    const all = new Set([...this.#open, ...this.#opening.keys()]);
    if (!all.has(conversation) && all.size >= protocolLimits.openConversations) return null;
    const opening = Symbol(conversation);
    this.#opening.set(conversation, opening);
    return opening;
  }

  /** @returns whether the conversation is shown from here on; it may have been closed, or opened again, meanwhile. */
  end(conversation: ConversationId, opening: Opening, isAllowed: boolean): boolean {
    if (this.#opening.get(conversation) !== opening) return false;
    this.#opening.delete(conversation);
    if (isAllowed) this.#open.add(conversation);
    else this.#open.delete(conversation);
    return isAllowed;
  }

  /** One whose name was not known while it was asked about. */
  open(conversation: ConversationId): void {
    this.#opening.delete(conversation);
    this.#open.add(conversation);
  }

  close(conversation: ConversationId): void {
    this.#opening.delete(conversation);
    this.#open.delete(conversation);
  }

  has(conversation: ConversationId): boolean {
    return this.#open.has(conversation);
  }

  /** Whether it is shown, or is about to be. */
  holds(conversation: ConversationId): boolean {
    return this.#open.has(conversation) || this.#opening.has(conversation);
  }

  /** Those that are shown, or are about to be. */
  held(): Iterable<ConversationId> {
    return new Set([...this.#open, ...this.#opening.keys()]);
  }

  all(): Iterable<ConversationId> {
    return this.#open;
  }
}
