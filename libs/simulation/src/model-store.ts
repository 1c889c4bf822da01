import { invariant, partitionId, type PartitionId } from '@millrace/kernel';
import type { ClusterStore, PartitionStore } from '@millrace/partition';
import type { RecordReader, TimelineReader } from '@millrace/timeline';
import { ModelConnection, type ModelServer, type ModelStoreParts } from './model-connection.ts';
import { ModelState, type ModelOperation } from './model-state.ts';

/** A Redis ends, and comes back without the end of what it was told. */
export interface ModelCrash {
  readonly lostOperations: number;
  readonly downMs: number;
  readonly shard?: number;
}

/**
 * A Redis with Millrace's functions, in memory and on handed-in time, and any number of connections to it. Seen from
 * its ports it is the real store; beside them it can lose, delay and refuse what it is asked, crash, and come back with
 * an older state, as a Redis does that lost the end of its log. It may be a Cluster of several, each of which loses what
 * it holds for itself. Its own ports are those of a first connection.
 *
 * (M2) The log holds every operation that was executed since the state was last kept, at first from the beginning; the
 *      state is what was kept and the log amount to.
 */
export class ModelStore {
  readonly partitions: PartitionStore;
  readonly cluster: ClusterStore;
  readonly timelines: TimelineReader;
  readonly records: RecordReader;
  readonly #parts: ModelStoreParts;
  readonly #connections: ModelConnection[] = [];
  readonly #first: ModelConnection;
  #state = new ModelState();
  #kept = new ModelState();
  #log: ModelOperation[] = [];
  /** By shard, as all that follow. */
  readonly #lengths = new Map<number, number>();
  readonly #runs = new Map<number, string>();
  readonly #lives = new Map<number, number>();
  readonly #stalledUntilMs = new Map<number, number>();

  constructor(parts: ModelStoreParts) {
    this.#parts = parts;
    this.#first = this.connect();
    const { partitions, cluster, timelines, records } = this.#first;
    this.partitions = partitions;
    this.cluster = cluster;
    this.timelines = timelines;
    this.records = records;
  }

  /** How many operations of a shard were executed, and not lost: how many a crash could lose at most, if none are kept. */
  logLength(shard = 0): number {
    return this.#lengths.get(shard) ?? 0;
  }

  /** Forgets how the state came to be: no crash loses any of it from now on. */
  keep(): void {
    this.#kept = this.#state.copy();
    this.#log = [];
  }

  /** Takes entries out of a Timeline, past the log: see `ModelState.archive`. */
  archive(partition: number, actor: string, seq: number): void {
    for (const state of [this.#state, this.#kept]) state.archive(partition, actor, seq);
  }

  /** What is stored, past the connections and their faults: for checkers. */
  get state(): ModelState {
    return this.#state;
  }

  connect(): ModelConnection {
    const server: ModelServer = this.#server();
    const connection = new ModelConnection(server, this.#parts);
    this.#connections.push(connection);
    return connection;
  }

  /** The process of that connection is gone for good. */
  forget(connection: ModelConnection): void {
    const at = this.#connections.indexOf(connection);
    if (at !== -1) this.#connections.splice(at, 1);
  }

  onReconnect(listener: () => void): () => void {
    return this.#first.onReconnect(listener);
  }

  /** Ends every connection; Redis itself goes on, and may still execute what was under way. */
  cut(reconnectMs?: number): void {
    for (const connection of this.#connections) connection.cut(reconnectMs);
  }

  /**
   * Kills Redis and starts it again, as another run, without the last `lostOperations` of its log: of a Cluster, one
   * shard, whose place an older replica takes.
   *
   * @param downMs - until it can be reached again.
   */
  crash({ lostOperations, downMs, shard = 0 }: ModelCrash): void {
    this.#goBack(lostOperations, shard);
    this.#lives.set(shard, (this.#lives.get(shard) ?? 0) + 1);
    this.cut(downMs);
  }

  /**
   * A replica takes the place of Redis, without the last `lostOperations` of its log, and the connections stay: what is
   * under way waits, and is executed by the replica.
   *
   * @param lateMs - asked for each connection: how much later than `downMs` its requests of now are executed.
   */
  failOver({ lostOperations, downMs, shard = 0, lateMs }: ModelCrash & { readonly lateMs: () => number }): void {
    this.#goBack(lostOperations, shard);
    const untilMs = this.#parts.clock.monotonicMs() + downMs;
    this.#stalledUntilMs.set(shard, untilMs);
    const concerns = (partition: PartitionId | null): boolean => this.#shard(partition) === shard;
    for (const connection of this.#connections) connection.delay(untilMs + lateMs(), concerns);
  }

  #goBack(lostOperations: number, shard: number): void {
    let left = this.#log.filter((operation) => this.#shardOf(operation) === shard).length - lostOperations;
    invariant(lostOperations >= 0 && left >= 0, 'a crash cannot lose more than there is');
    const survives = (operation: ModelOperation): boolean => this.#shardOf(operation) !== shard || (left -= 1) >= 0;
    const survivors = this.#log.filter(survives);
    const isKept = new Set(survivors);
    const lost = this.#log.filter((operation) => !isKept.has(operation));
    this.#log = survivors;
    this.#lengths.set(shard, this.logLength(shard) - lostOperations);
    this.#state = this.#kept.copy();
    for (const operation of this.#log) this.#state.apply(operation);
    this.#runs.delete(shard);
    this.#parts.observer?.lost(lost);
  }

  #shardOf(operation: ModelOperation): number {
    if (operation.kind === 'cluster') return 0;
    return this.#shard(partitionId(operation.kind === 'commit' ? operation.commit.partition : operation.partition));
  }

  /** Null stands for what is kept of the cluster. */
  #shard(partition: PartitionId | null): number {
    return partition === null ? 0 : (this.#parts.shardOf?.(partition) ?? 0);
  }

  #run(shard: number): string {
    const run = this.#runs.get(shard) ?? this.#newRun();
    this.#runs.set(shard, run);
    return run;
  }

  #newRun(): string {
    const { random } = this.#parts;
    return `${random.id()}/${random.id()}`;
  }

  #server(): ModelServer {
    const now = { state: () => this.#state };
    return {
      get state() {
        return now.state();
      },
      run: (partition) => this.#run(this.#shard(partition)),
      life: (partition) => this.#lives.get(this.#shard(partition)) ?? 0,
      stalledUntilMs: (partition) => this.#stalledUntilMs.get(this.#shard(partition)) ?? 0,
      log: (operation) => {
        this.#log.push(operation);
        const shard = this.#shardOf(operation);
        this.#lengths.set(shard, this.logLength(shard) + 1);
        this.#parts.observer?.executed(operation);
      },
    };
  }
}
