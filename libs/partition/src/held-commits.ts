import { ByteWriter, invariant, type Clock, type PartitionId } from '@millrace/kernel';
import type { Commit } from './commit.ts';
import type { OwnerToken } from './owner-token.ts';
import { packCommit, unpackCommit } from './packed-commit.ts';

export interface HeldLimits {
  /** At least as long as the store may take to make an acknowledged commit durable, milliseconds. */
  readonly ageMsMax: number;
  readonly bytesMax: number;
}

/** What holding a commit takes beside its bytes: the record, the buffer and the id, about. */
const RECORD_BYTES = 400;

interface Held {
  readonly commitNo: number;
  readonly commitId: string;
  readonly token: OwnerToken;
  readonly packed: Uint8Array;
  readonly atMs: number;
}

const weigh = ({ packed }: Held): number => packed.length + RECORD_BYTES;

/** One at a time is packed, whosever it is. */
const packing = new ByteWriter(4_096);

/**
 * The recent acknowledged commits of one partition, for a store that lost them. Contiguous, bounded in age and bytes. Kept
 * packed: under load a node holds hundreds of thousands of writes, and hardly ever wants one again.
 */
export class HeldCommits {
  readonly #clock: Clock;
  readonly #limits: HeldLimits;
  readonly #partition: PartitionId;
  #held: Held[] = [];
  #bytes = 0;
  /** The last one that was let go: the base that a replay starts from. */
  #base: { readonly commitNo: number; readonly commitId: string };

  constructor(
    partition: PartitionId,
    clock: Clock,
    limits: HeldLimits,
    base: { readonly commitNo: number; readonly commitId: string },
  ) {
    this.#partition = partition;
    this.#clock = clock;
    this.#limits = limits;
    this.#base = { commitNo: base.commitNo, commitId: base.commitId };
  }

  get last(): { readonly commitNo: number; readonly commitId: string } {
    return this.#held.at(-1) ?? this.#base;
  }

  /** A replay begins behind this commit, or a later one. */
  get base(): number {
    return this.#base.commitNo;
  }

  add(commit: Commit): void {
    invariant(commit.commitNo === this.last.commitNo + 1, 'held commits are contiguous');
    const atMs = this.#clock.monotonicMs();
    const { commitNo, commitId, token } = commit;
    const added = { commitNo, commitId, token, packed: packCommit(packing, commit), atMs };
    this.#held.push(added);
    this.#bytes += weigh(added);
    let gone = 0;
    for (const held of this.#held) {
      if (atMs - held.atMs <= this.#limits.ageMsMax && this.#bytes <= this.#limits.bytesMax) break;
      this.#bytes -= weigh(held);
      this.#base = { commitNo: held.commitNo, commitId: held.commitId };
      gone += 1;
    }
    if (gone > 0) this.#held = this.#held.slice(gone);
  }

  idOf(commitNo: number): string | null {
    if (commitNo === this.#base.commitNo) return this.#base.commitId;
    return this.#at(commitNo)?.commitId ?? null;
  }

  holdsFrom(commitNo: number): boolean {
    return commitNo === this.last.commitNo + 1 || this.#at(commitNo) !== undefined;
  }

  from(commitNo: number): readonly Commit[] {
    return this.#held
      .filter((held) => held.commitNo >= commitNo)
      .map((held) => ({
        ...{ partition: this.#partition, token: held.token, commitNo: held.commitNo, commitId: held.commitId },
        ...unpackCommit(held.packed),
      }));
  }

  #at(commitNo: number): Held | undefined {
    const first = this.#held[0]?.commitNo;
    return first === undefined ? undefined : this.#held[commitNo - first];
  }
}
