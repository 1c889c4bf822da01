import { ByteWriter, invariant, Slabs, type Clock, type PartitionId } from '@millrace/kernel';
import type { Commit, HeldCommit, SentCommit } from './commit.ts';
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
  /** As its store has sent it; else its content as this file packs it. */
  readonly content: SentCommit | Uint8Array;
  readonly atMs: number;
}

const isSent = (content: Held['content']): content is SentCommit => 'bytes' in content;

const weigh = ({ content }: Held): number => (isSent(content) ? content.bytes : content).length + RECORD_BYTES;

/** One at a time is packed, whosever it is. */
const packing = new ByteWriter(4_096);
/** Commits are held for about equally long: those that came one after the other share memory, of all partitions. */
const slabs = new Slabs(16_384, 4_096);

/**
 * The recent acknowledged commits of one partition, for a store that lost them. Contiguous, bounded in age and bytes. Kept
 * packed: under load a node holds hundreds of thousands of writes, and hardly ever wants one again. A store that leaves what
 * it has sent has packed them already.
 */
export class HeldCommits {
  readonly #clock: Clock;
  readonly #limits: HeldLimits;
  readonly #partition: PartitionId;
  /** Null for those before `#first`, which were let go. */
  #held: (Held | null)[] = [];
  #first = 0;
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
    const content = commit.memo?.sent ?? slabs.copyOf(packCommit(packing, commit));
    const added: Held = { commitNo, commitId, token, content, atMs };
    this.#held.push(added);
    this.#bytes += weigh(added);
    let gone: Held | null = null;
    for (let held = this.#oldest; held !== null; held = this.#oldest) {
      if (atMs - held.atMs <= this.#limits.ageMsMax && this.#bytes <= this.#limits.bytesMax) break;
      this.#bytes -= weigh(held);
      gone = held;
      this.#held[this.#first] = null;
      this.#first += 1;
    }
    if (gone !== null) this.#base = { commitNo: gone.commitNo, commitId: gone.commitId };
    // One goes with each that comes, so they are not moved up each time.
    if (this.#first * 2 <= this.#held.length) return;
    this.#held = this.#held.slice(this.#first);
    this.#first = 0;
  }

  get #oldest(): Held | null {
    return this.#held[this.#first] ?? null;
  }

  idOf(commitNo: number): string | null {
    if (commitNo === this.#base.commitNo) return this.#base.commitId;
    return this.#at(commitNo)?.commitId ?? null;
  }

  holdsFrom(commitNo: number): boolean {
    return commitNo === this.last.commitNo + 1 || this.#at(commitNo) !== undefined;
  }

  from(commitNo: number): readonly HeldCommit[] {
    return this.#held
      .filter((held): held is Held => held !== null && held.commitNo >= commitNo)
      .map(({ token, commitNo: no, commitId, content }) => {
        const identity = { partition: this.#partition, token, commitNo: no, commitId };
        return isSent(content) ? { ...identity, sent: content } : { ...identity, ...unpackCommit(content) };
      });
  }

  #at(commitNo: number): Held | undefined {
    const oldest = this.#oldest;
    return oldest === null ? undefined : (this.#held[this.#first + commitNo - oldest.commitNo] ?? undefined);
  }
}
