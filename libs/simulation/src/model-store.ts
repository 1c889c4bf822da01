import { invariant } from '@millrace/kernel';
import type { ClusterStore, PartitionStore } from '@millrace/partition';
import type { TimelineReader } from '@millrace/timeline';
import { ModelConnection, type ModelServer, type ModelStoreParts } from './model-connection.ts';
import { ModelState, type ModelOperation } from './model-state.ts';

/**
 * A Redis with Millrace's functions, in memory and on handed-in time, and any number of connections to it. Seen from
 * its ports it is the real store; beside them it can lose, delay and refuse what it is asked, crash, and come back with
 * an older state, as a Redis does that lost the end of its log. Its own ports are those of a first connection.
 *
 * (M2) The log holds every operation that was executed, from the first; the state is what the log amounts to.
 */
export class ModelStore {
  readonly partitions: PartitionStore;
  readonly cluster: ClusterStore;
  readonly timelines: TimelineReader;
  readonly #parts: ModelStoreParts;
  readonly #connections: ModelConnection[] = [];
  readonly #first: ModelConnection;
  #state = new ModelState();
  #log: ModelOperation[] = [];
  #run: string;
  #life = 0;
  #stalledUntilMs = 0;

  constructor(parts: ModelStoreParts) {
    this.#parts = parts;
    this.#run = this.#newRun();
    this.#first = this.connect();
    const { partitions, cluster, timelines } = this.#first;
    this.partitions = partitions;
    this.cluster = cluster;
    this.timelines = timelines;
  }

  /** How many operations a crash could lose at most. */
  get logLength(): number {
    return this.#log.length;
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

  onReconnect(listener: () => void): () => void {
    return this.#first.onReconnect(listener);
  }

  /** Ends every connection; Redis itself goes on, and may still execute what was under way. */
  cut(reconnectMs?: number): void {
    for (const connection of this.#connections) connection.cut(reconnectMs);
  }

  /**
   * Kills Redis and starts it again, as another run, without the last `lostOperations` of its log.
   *
   * @param downMs - until it can be reached again.
   */
  crash({ lostOperations, downMs }: { readonly lostOperations: number; readonly downMs: number }): void {
    this.#goBack(lostOperations);
    this.#life += 1;
    this.cut(downMs);
  }

  /**
   * A replica takes the place of Redis, without the last `lostOperations` of its log, and the connections stay: what is
   * under way waits, and is executed by the replica.
   *
   * @param lateMs - asked for each connection: how much later than `downMs` its requests of now are executed.
   */
  failOver({ lostOperations, downMs, lateMs }: { lostOperations: number; downMs: number; lateMs: () => number }): void {
    this.#goBack(lostOperations);
    this.#stalledUntilMs = this.#parts.clock.monotonicMs() + downMs;
    for (const connection of this.#connections) connection.delay(this.#stalledUntilMs + lateMs());
  }

  #goBack(lostOperations: number): void {
    invariant(lostOperations >= 0 && lostOperations <= this.#log.length, 'a crash cannot lose more than there is');
    this.#log = this.#log.slice(0, this.#log.length - lostOperations);
    this.#state = new ModelState();
    for (const operation of this.#log) this.#state.apply(operation);
    this.#run = this.#newRun();
    this.#parts.observer?.lost(lostOperations);
  }

  #newRun(): string {
    const { random } = this.#parts;
    return `${random.id()}/${random.id()}`;
  }

  #server(): ModelServer {
    const now = {
      state: () => this.#state,
      run: () => this.#run,
      life: () => this.#life,
      stalledUntilMs: () => this.#stalledUntilMs,
    };
    return {
      get state() {
        return now.state();
      },
      get run() {
        return now.run();
      },
      get life() {
        return now.life();
      },
      get stalledUntilMs() {
        return now.stalledUntilMs();
      },
      log: (operation) => {
        this.#log.push(operation);
        this.#parts.observer?.executed(operation);
      },
    };
  }
}
