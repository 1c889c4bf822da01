import { TrackedMap } from '@millrace/actor';
import { forgottenNext, modeNow, switchedAt, type DiffusionMode, type ReadSegment } from '@millrace/diffusion';
import type { SequenceId } from '@millrace/kernel';
import { NO_COMMITS, type CommitsBefore } from '@millrace/partition';

/**
 * In which commits a conversation ended its read segments. Not stored: of what was ended before the conversation was loaded
 * it is known that it was by then.
 *
 * (S1) A segment is not forgotten before what it tells of is diffused, and is not followed up again: diffusion that resumes
 *      after a crash finds out from the segments who got which entry (I6, I7). Once as many as are remembered wait for
 *      that, the mode stays `write`.
 */
export class Switches {
  readonly endedIn = new TrackedMap<SequenceId, number>();
  #commits = NO_COMMITS;
  #loadedAfter: number | null = null;

  /** What comes next is decided after these commits. */
  before(commits: CommitsBefore): void {
    this.#commits = commits;
    this.#loadedAfter ??= commits.last;
  }

  /** See {@link before}. */
  get commits(): CommitsBefore {
    return this.#commits;
  }

  /** Whether the mode may become `read`. */
  mayRead(segments: readonly ReadSegment[]): boolean {
    const forgotten = forgottenNext(segments)?.to ?? null;
    if (forgotten === null) return true;
    return (this.endedIn.get(forgotten) ?? this.#loadedAfter ?? 0) <= this.#commits.doneTo;
  }

  /** As `switchedAt`. */
  switched(segments: readonly ReadSegment[], mode: DiffusionMode, seq: SequenceId): readonly ReadSegment[] {
    if (modeNow(segments) === mode) return segments;
    const after = switchedAt(segments, mode, seq);
    if (mode === 'write') this.endedIn.set(seq, this.#commits.last + 1);
    const forgotten = mode === 'read' ? (forgottenNext(segments)?.to ?? null) : null;
    if (forgotten !== null) this.endedIn.delete(forgotten);
    return after;
  }
}
