import type { ArchiveStore } from '@millrace/archive';
import { invariant, ok, type Timers } from '@millrace/kernel';
import type { NodeStreams } from '@millrace/node-link';
import type { ClusterStore, Commit, CommitOutcome, PartitionStore, SentCommit } from '@millrace/partition';
import type { SearchIndex } from '@millrace/search';
import type { ConversationNames, RecordReader, TimelineReader } from '@millrace/timeline';

export interface Stores {
  readonly partitions: PartitionStore;
  readonly cluster: ClusterStore;
  readonly timelines: TimelineReader;
  readonly records: RecordReader;
}

/** Of a commit that this process has sent. */
class Left implements SentCommit {
  static readonly #about = new Uint8Array(500);
  readonly bytes = Left.#about;
  readonly commit: Commit;

  constructor(commit: Commit) {
    this.commit = commit;
  }
}

/**
 * One run of a program, which can be paused, woken and killed. Whatever reaches it passes {@link enter}: while paused
 * that waits, and once dead nothing happens any more. What it had asked the store to do may still be done.
 */
export class SimulatedProcess {
  readonly #timers: Timers;
  #life: 'running' | 'paused' | 'dead' = 'running';
  #waiting: (() => void)[] = [];

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  get isDead(): boolean {
    return this.#life === 'dead';
  }

  get isPaused(): boolean {
    return this.#life === 'paused';
  }

  enter(callback: () => void): void {
    if (this.#life === 'running') callback();
    else if (this.#life === 'paused') this.#waiting.push(callback);
  }

  pause(): void {
    if (this.#life === 'running') this.#life = 'paused';
  }

  wake(): void {
    if (this.#life !== 'paused') return;
    this.#life = 'running';
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const callback of waiting) {
      this.#timers.soon(() => {
        this.enter(callback);
      });
    }
  }

  kill(): void {
    this.#life = 'dead';
    this.#waiting = [];
  }

  get timers(): Timers {
    return {
      after: (delayMs, callback) =>
        this.#timers.after(delayMs, () => {
          this.enter(callback);
        }),
      soon: (callback) => {
        this.#timers.soon(() => {
          this.enter(callback);
        });
      },
    };
  }

  /** The stores as this process reaches them. `committed` is told of every commit that this process knows is stored. */
  reach({ partitions, cluster, timelines, records }: Stores, committed: (commit: Commit) => void): Stores {
    const ask = <T>(request: () => Promise<T>): Promise<T> => this.#through(request);
    const send = (commit: Commit): Promise<CommitOutcome> =>
      ask(async () => {
        const outcome = await partitions.commit(commit);
        if (outcome.code === 'ok' || outcome.code === 'dup') committed(commit);
        return outcome;
      });
    return {
      partitions: {
        claim: (...args) => ask(() => partitions.claim(...args)),
        commit: (commit) => {
          // As the store on Redis does; the others are held as their owner packs them.
          if (commit.memo !== undefined && commit.partition % 2 === 0) commit.memo.sent = new Left(commit);
          return send(commit);
        },
        sendAgain: (identity, sent) => {
          invariant(sent instanceof Left, 'this is what was left of a commit');
          return send({ ...sent.commit, ...identity });
        },
        release: (...args) => ask(() => partitions.release(...args)),
        loadActor: (...args) => ask(() => partitions.loadActor(...args)),
        loadFields: (...args) => ask(() => partitions.loadFields(...args)),
        readFeed: (...args) => ask(() => partitions.readFeed(...args)),
        stands: (...args) => ask(() => partitions.stands(...args)),
      },
      cluster: this.reachCluster(cluster),
      timelines: {
        range: (...args) => ask(() => timelines.range(...args)),
        at: (...args) => ask(() => timelines.at(...args)),
      },
      records: { fields: (...args) => ask(() => records.fields(...args)) },
    };
  }

  /** The archive as this process reaches it. */
  reachArchive(archive: ArchiveStore): ArchiveStore {
    const ask = <T>(request: () => Promise<T>): Promise<T> => this.#through(request);
    return {
      append: (...args) => ask(() => archive.append(...args)),
      read: (...args) => ask(() => archive.read(...args)),
      at: (...args) => ask(() => archive.at(...args)),
      extent: (...args) => ask(() => archive.extent(...args)),
      erase: (...args) => ask(() => archive.erase(...args)),
      chain: (...args) => ask(() => archive.chain(...args)),
      trim: (...args) => ask(() => archive.trim(...args)),
      drop: (...args) => ask(() => archive.drop(...args)),
      identity: () => ask(() => archive.identity()),
      health: () => ask(() => archive.health()),
      stats: () => ask(() => archive.stats()),
      close: () => ask(() => archive.close()),
    };
  }

  /** The search index as this process reaches it. */
  reachSearch(index: SearchIndex): SearchIndex {
    const ask = <T>(request: () => Promise<T>): Promise<T> => this.#through(request);
    return {
      apply: (...args) => ask(() => index.apply(...args)),
      cursor: (...args) => ask(() => index.cursor(...args)),
      indexedThrough: (...args) => ask(() => index.indexedThrough(...args)),
      search: (...args) => ask(() => index.search(...args)),
      eraseConversation: (...args) => ask(() => index.eraseConversation(...args)),
      eraseSender: (...args) => ask(() => index.eraseSender(...args)),
      purge: () => ask(() => index.purge()),
      beginRebuild: () => ask(() => index.beginRebuild()),
      finishRebuild: () => ask(() => index.finishRebuild()),
      abandonRebuild: () => ask(() => index.abandonRebuild()),
      health: () => ask(() => index.health()),
      stats: () => ask(() => index.stats()),
      close: () => ask(() => index.close()),
    };
  }

  reachNames(names: ConversationNames): ConversationNames {
    return { page: (cursor) => this.#through(() => names.page(cursor)) };
  }

  /** The streams as this process reaches them. */
  reachStreams(streams: NodeStreams): NodeStreams {
    const ask = <T>(request: () => Promise<T>): Promise<T> => this.#through(request);
    return {
      open: async (node, take) => {
        const opened = await ask(() =>
          streams.open(node, (entries) => {
            this.enter(() => {
              take(entries);
            });
          }),
        );
        if (!opened.ok) return opened;
        const reader = opened.value;
        return ok({
          onReset: (listener) =>
            reader.onReset(() => {
              this.enter(listener);
            }),
          close: () => ask(() => reader.close()),
        });
      },
      send: (...args) => ask(() => streams.send(...args)),
      discard: (...args) => ask(() => streams.discard(...args)),
    };
  }

  /** The cluster's store as this process reaches it. */
  reachCluster(cluster: ClusterStore): ClusterStore {
    return {
      register: (...args) => this.#through(() => cluster.register(...args)),
      leave: (...args) => this.#through(() => cluster.leave(...args)),
      lead: (...args) => this.#through(() => cluster.lead(...args)),
      putView: (...args) => this.#through(() => cluster.putView(...args)),
    };
  }

  #through<T>(request: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.isDead) return;
      request().then(
        (value) => {
          this.enter(() => {
            resolve(value);
          });
        },
        (error: unknown) => {
          this.enter(() => {
            reject(error instanceof Error ? error : new Error(String(error)));
          });
        },
      );
    });
  }
}
