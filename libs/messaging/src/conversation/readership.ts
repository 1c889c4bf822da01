import type { SequenceId } from '@millrace/kernel';
import type { Member } from './conversation-state.ts';
import { SeqCounts } from './seq-counts.ts';

/** How many members received an entry, and how many of those say that they have it, and that they have read it. */
export interface ReadCounts {
  readonly recipients: number;
  readonly delivered: number;
  readonly read: number;
}

type Range = readonly [from: number, to: number | null];

/** The entries that a member received. */
const received = ({ intervals }: Member): readonly Range[] => intervals.map(({ joined, to }) => [joined, to]);

/** Of those, the ones up to a position of the member. */
const receivedUpTo = (member: Member, position: SequenceId): readonly Range[] =>
  member.intervals.flatMap(({ joined, to }): Range[] =>
    joined > position ? [] : [[joined, Math.min(to ?? position, position)]],
  );

/** How many of its ranges hold a seq; no two ranges of one member hold the same. */
class RangeCounts {
  readonly #begun = new SeqCounts();
  readonly #ended = new SeqCounts();

  /** Puts a member's ranges in the place of what they were before. What is the same at the same place is not touched. */
  replace(before: readonly Range[], after: readonly Range[]): void {
    for (let index = 0; index < Math.max(before.length, after.length); index += 1) {
      const [was, is] = [before[index], after[index]];
      if (was?.[0] !== is?.[0]) {
        if (was !== undefined) this.#begun.remove(was[0]);
        if (is !== undefined) this.#begun.add(is[0]);
      }
      const [ended, ends] = [was?.[1] ?? null, is?.[1] ?? null];
      if (ended === ends) continue;
      if (ended !== null) this.#ended.remove(ended);
      if (ends !== null) this.#ended.add(ends);
    }
  }

  holding(seq: SequenceId): number {
    return this.#begun.upTo(seq) - this.#ended.upTo(seq - 1);
  }
}

/**
 * Exact receipts: of any entry, how many of those who received it (I7) have it, and have read it, out of one position a
 * member and without going through the members.
 *
 * A position counts as the protocol says: who is at or behind a seq that they received has read it. Moving one costs some
 * binary searches, whatever the size of the conversation; see {@link SeqCounts}.
 */
export class Readership {
  readonly #received = new RangeCounts();
  readonly #delivered = new RangeCounts();
  readonly #read = new RangeCounts();

  constructor(members: Iterable<Member>) {
    for (const member of members) this.change(null, member);
  }

  /** @param before - null for one who was never a member. */
  change(before: Member | null, after: Member): void {
    if (before?.intervals !== after.intervals) {
      this.#received.replace(before === null ? [] : received(before), received(after));
    }
    this.#delivered.replace(
      before === null ? [] : receivedUpTo(before, before.deliveredSeq),
      receivedUpTo(after, after.deliveredSeq),
    );
    this.#read.replace(before === null ? [] : receivedUpTo(before, before.readSeq), receivedUpTo(after, after.readSeq));
  }

  at(seq: SequenceId): ReadCounts {
    return {
      recipients: this.#received.holding(seq),
      delivered: this.#delivered.holding(seq),
      read: this.#read.holding(seq),
    };
  }
}
