import type { ConversationId } from '@millrace/kernel';

/**
 * What can be wrong while a cluster is watched:
 *
 * - `duplicated`: one client message, or one entry on one device, twice.
 * - `gap`: seqs that do not follow on each other.
 * - `conflict`: two values at one `(gen, seq)`: an ack and the store, or two readers, disagree.
 * - `backwards`: a cursor of a device, or the acks of a sender, went back without a word of lost history.
 * - `disordered`: the store holds the messages of one sender in another order than they were sent in.
 * - `refused`: an ordinary message was refused for good.
 *
 * Lost messages and incomplete devices are counted apart, for which they are matters.
 */
export const violationKinds = ['duplicated', 'gap', 'conflict', 'backwards', 'disordered', 'refused'] as const;
export type ViolationKind = (typeof violationKinds)[number];

const SAMPLES_MAX = 50;

/** Counts of what was wrong, and the first few in words. */
export class Findings {
  readonly counts: Record<ViolationKind, number> = {
    duplicated: 0,
    gap: 0,
    conflict: 0,
    backwards: 0,
    disordered: 0,
    refused: 0,
  };
  readonly samples: string[] = [];

  add(kind: ViolationKind, conversation: ConversationId, text: string): void {
    this.counts[kind] += 1;
    this.note(`${kind}, ${conversation}: ${text}`);
  }

  /** Something that is counted elsewhere. */
  note(text: string): void {
    if (this.samples.length < SAMPLES_MAX) this.samples.push(text);
  }

  get total(): number {
    return violationKinds.reduce((sum, kind) => sum + this.counts[kind], 0);
  }
}
