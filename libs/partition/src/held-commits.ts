import { invariant, type Clock } from '@millrace/kernel';
import type { Commit } from './commit.ts';

export interface HeldLimits {
  /** At least as long as the store may take to make an acknowledged commit durable, milliseconds. */
  readonly ageMsMax: number;
  readonly bytesMax: number;
}

/** About what a commit keeps alive in memory, bytes. */
function weigh(commit: Commit): number {
  let bytes = 200 + (commit.feed?.length ?? 0);
  for (const { entries, set } of commit.writes) {
    bytes += 100;
    for (const entry of entries) bytes += entry.length;
    for (const [field, value] of set) bytes += field.length + value.length;
  }
  return bytes;
}

/** The recent acknowledged commits of one partition, for a store that lost them. Contiguous, bounded in age and bytes. */
export class HeldCommits {
  readonly #clock: Clock;
  readonly #limits: HeldLimits;
  #held: { readonly commit: Commit; readonly atMs: number; readonly bytes: number }[] = [];
  #bytes = 0;
  /** The last one that was let go: the base that a replay starts from. */
  #base: { commitNo: number; commitId: string };

  constructor(clock: Clock, limits: HeldLimits, base: { commitNo: number; commitId: string }) {
    this.#clock = clock;
    this.#limits = limits;
    this.#base = base;
  }

  get last(): { readonly commitNo: number; readonly commitId: string } {
    return this.#held.at(-1)?.commit ?? this.#base;
  }

  /** A replay begins behind this commit, or a later one. */
  get base(): number {
    return this.#base.commitNo;
  }

  add(commit: Commit): void {
    invariant(commit.commitNo === this.last.commitNo + 1, 'held commits are contiguous');
    const bytes = weigh(commit);
    const atMs = this.#clock.monotonicMs();
    this.#held.push({ commit, atMs, bytes });
    this.#bytes += bytes;
    let gone = 0;
    for (const held of this.#held) {
      if (atMs - held.atMs <= this.#limits.ageMsMax && this.#bytes <= this.#limits.bytesMax) break;
      this.#bytes -= held.bytes;
      this.#base = held.commit;
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
    return this.#held.filter(({ commit }) => commit.commitNo >= commitNo).map(({ commit }) => commit);
  }

  #at(commitNo: number): Commit | undefined {
    const first = this.#held[0]?.commit.commitNo;
    return first === undefined ? undefined : this.#held[commitNo - first]?.commit;
  }
}
