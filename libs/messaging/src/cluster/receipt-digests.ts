import type { ConversationId, Result, Timers, UserId } from '@millrace/kernel';
import type { FrameError } from '@millrace/protocol';
import type { LatestReceipts } from '../conversation/commands.ts';
import type { Notice } from './node-messages.ts';

export interface ReceiptDigestsParts {
  readonly timers: Timers;
  /** The conversation's own counts, as of its last commit. */
  ask(this: void, conversation: ConversationId): Promise<Result<LatestReceipts, FrameError>>;
  tell(this: void, users: readonly UserId[], notice: Notice): void;
}

/** From the first position that moves to the notice that tells of all that moved until then. */
const GATHER_MS = 1_000;
/** Conversations that wait for their notice on one node. Of more, positions that move tell nothing now (I9). */
const WAITING_MAX = 10_000;

/**
 * What becomes of positions that move in large conversations: at most one notice a second and conversation, with the
 * counts of its latest messages, to their authors. However many members read at once, a notice costs one question to the
 * conversation and a frame to each of those few. Nothing depends on it: `readers` tells the same at any time.
 */
export class ReceiptDigests {
  readonly #parts: ReceiptDigestsParts;
  readonly #waiting = new Map<ConversationId, () => void>();

  constructor(parts: ReceiptDigestsParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#waiting.size;
  }

  stop(): void {
    for (const cancel of this.#waiting.values()) cancel();
    this.#waiting.clear();
  }

  moved(conversation: ConversationId): void {
    if (this.#waiting.has(conversation) || this.#waiting.size >= WAITING_MAX) return;
    const cancel = this.#parts.timers.after(GATHER_MS, () => {
      this.#waiting.delete(conversation);
      void this.#tell(conversation);
    });
    this.#waiting.set(conversation, cancel);
  }

  async #tell(conversation: ConversationId): Promise<void> {
    const latest = await this.#parts.ask(conversation);
    // Refused: the conversation has moved to another node, or the store is away. The next position tells again.
    if (!latest.ok || latest.value.users.length === 0) return;
    this.#parts.tell(latest.value.users, { kind: 'receipts', receipts: latest.value.receipts });
  }
}
