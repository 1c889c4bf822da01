import type { ConversationId } from '@millrace/kernel';
import type { WireEntry } from '@millrace/protocol';
import { comparePositions, type Position } from '@millrace/timeline';

interface Seen {
  readonly gen: number;
  readonly body: string;
}

/** What one device has put together from what it was told, as an application would show it. */
export class DeviceView {
  readonly #conversations = new Map<ConversationId, Map<number, Seen>>();
  /** How far deltas have come: they bring each entry once, in order. */
  readonly #through = new Map<ConversationId, Position>();

  of(conversation: ConversationId): ReadonlyMap<number, Seen> {
    return this.#conversations.get(conversation) ?? new Map<number, Seen>();
  }

  get conversations(): readonly ConversationId[] {
    return [...this.#conversations.keys()];
  }

  head(conversation: ConversationId): number {
    return Math.max(0, ...this.of(conversation).keys());
  }

  /** Drops what was checked. */
  forget(conversation: ConversationId, upTo: number): void {
    const seen = this.#conversations.get(conversation);
    for (const seq of [...(seen?.keys() ?? [])]) if (seq < upTo) seen?.delete(seq);
  }

  /** Starts over: the server said that the delta does not reach back to the device. */
  clear(): void {
    this.#conversations.clear();
    this.#through.clear();
  }

  #put(conversation: ConversationId, { gen, seq, message }: WireEntry): void {
    let seen = this.#conversations.get(conversation);
    if (seen === undefined) this.#conversations.set(conversation, (seen = new Map<number, Seen>()));
    // A newer generation goes on above what survived: what an older one had there was lost.
    for (const [other, { gen: older }] of seen) if (other >= seq && older < gen) seen.delete(other);
    seen.set(seq, { gen, body: typeof message.body === 'string' ? message.body : '' });
  }

  page(conversation: ConversationId, entries: readonly WireEntry[]): void {
    for (const entry of entries) this.#put(conversation, entry);
  }

  /** @returns what was wrong with the delta, null for nothing. */
  delta(conversation: ConversationId, entries: readonly WireEntry[]): string | null {
    for (const entry of entries) {
      const through = this.#through.get(conversation);
      if (through !== undefined && comparePositions(entry, through) <= 0) {
        return `${conversation} ${String(entry.gen)}-${String(entry.seq)} came after ${String(through.gen)}-${String(through.seq)}`;
      }
      this.#through.set(conversation, { gen: entry.gen, seq: entry.seq });
      this.#put(conversation, entry);
    }
    return null;
  }
}
