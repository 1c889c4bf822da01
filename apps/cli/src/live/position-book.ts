import type { ConversationId } from '@millrace/kernel';
import type { Findings } from './findings.ts';

/**
 * What stands where in one conversation, by whoever was first told: by an ack, a push, or a page of history.
 *
 * (B1) A `(gen, seq)` has one value, for ever: whoever is told another one has found a conflict.
 */
export class PositionBook {
  readonly #conversation: ConversationId;
  readonly #findings: Findings;
  /** By generation, values by seq. */
  readonly #values = new Map<number, string[]>();

  constructor(conversation: ConversationId, findings: Findings) {
    this.#conversation = conversation;
    this.#findings = findings;
  }

  /** @param by - who was told, for people. */
  told(gen: number, seq: number, value: string, by: string): void {
    let values = this.#values.get(gen);
    if (values === undefined) {
      values = [];
      this.#values.set(gen, values);
    }
    const before = values[seq];
    if (before === undefined) values[seq] = value;
    else if (before !== value) {
      const where = `${String(gen)}-${String(seq)}`;
      this.#findings.add('conflict', this.#conversation, `${by} was told ${value} at ${where}, others ${before}`);
    }
  }
}
