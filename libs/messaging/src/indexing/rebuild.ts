import { ok, partitionId, type Result } from '@millrace/kernel';
import type { PartitionLog } from '@millrace/partition';
import type { SearchIndex, SearchUnavailable } from '@millrace/search';
import { decodeIndexCursor } from './index-cursor.ts';

/** Where the making of a new version of the index stands, as all nodes see it. */
export interface RebuildStatus {
  readonly isRebuilding: boolean;
  /** Of the cluster. */
  readonly partitions: number;
  /** Those whose conversations are all in the new version. All of them when none is being made. */
  readonly done: number;
}

export interface RebuildParts {
  readonly index: SearchIndex;
  readonly partitionCount: number;
  readonly log: PartitionLog;
  /** Whether a new version is being made may have changed: whoever feeds it looks now. */
  changed(this: void): void;
}

type Answer = Promise<Result<RebuildStatus, SearchUnavailable>>;

/** Cursors that are asked for at a time. */
const CURSORS_AT_ONCE = 16;

/**
 * A new version of the search index beside the live one, from all Timelines. What it is and how far it is, the index knows: so
 * any node may begin it, all feed it, and it goes on when nodes end.
 */
export class Rebuild {
  readonly #parts: RebuildParts;

  constructor(parts: RebuildParts) {
    this.#parts = parts;
  }

  async status(): Answer {
    const { index, partitionCount: partitions } = this.#parts;
    const none: RebuildStatus = { isRebuilding: false, partitions, done: partitions };
    const health = await index.health();
    if (!health.ok) return health;
    if (!health.value.isRebuilding) return ok(none);
    let done = 0;
    for (let from = 0; from < partitions; from += CURSORS_AT_ONCE) {
      const some = Array.from({ length: Math.min(CURSORS_AT_ONCE, partitions - from) }, (_, at) => from + at);
      const cursors = await Promise.all(some.map((partition) => index.cursor(partitionId(partition), 'next')));
      for (const cursor of cursors) {
        if (cursor.ok) done += decodeIndexCursor(cursor.value)?.phase === 'followed' ? 1 : 0;
        else if (cursor.error.code === 'no_rebuild') return ok(none);
        else return { ok: false, error: cursor.error };
      }
    }
    return ok({ isRebuilding: true, partitions, done });
  }

  /** Begins one, or goes on with the one that is under way. */
  async begin(): Answer {
    const before = await this.status();
    if (!before.ok || before.value.isRebuilding) return before;
    const begun = await this.#parts.index.beginRebuild();
    if (!begun.ok) return begun;
    this.#parts.log.info('the search index is made anew beside the present one');
    this.#parts.changed();
    return this.status();
  }

  async abandon(): Answer {
    const abandoned = await this.#parts.index.abandonRebuild();
    if (!abandoned.ok) return abandoned;
    this.#parts.changed();
    return this.status();
  }

  /** Puts it into the place of the live one, if all of it is there. @returns whether it did. */
  async finish(): Promise<boolean> {
    const status = await this.status();
    if (!status.ok || !status.value.isRebuilding || status.value.done < status.value.partitions) return false;
    const finished = await this.#parts.index.finishRebuild();
    if (finished.ok) this.#parts.log.info('the search index was made anew, and is in use');
    return finished.ok;
  }
}
