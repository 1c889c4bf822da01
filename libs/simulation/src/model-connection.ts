import { err, ok, type Clock, type PartitionId, type Random, type Timers } from '@millrace/kernel';
import { encodeOwnerToken, type ClusterStore, type CommitOutcome, type PartitionStore } from '@millrace/partition';
import {
  mustBeSince,
  StoreUnavailable,
  type RangeQuery,
  type RecordReader,
  type TimelineReader,
} from '@millrace/timeline';
import type { ClusterOperation } from './model-cluster.ts';
import type { ModelOperation, ModelState } from './model-state.ts';

export type ModelRequest = 'claim' | 'commit' | 'release' | 'cluster' | 'read';

/**
 * What happens to one request. `lose-request`: it never arrives. `lose-reply`: it is executed, nobody learns of it.
 * `refuse`: Redis refuses it (out of memory, say); only commits can meet that.
 */
export interface ModelFate {
  readonly kind: 'none' | 'lose-request' | 'lose-reply' | 'refuse';
  /** On the way there. Requests of one store never overtake each other. */
  readonly requestMs: number;
  readonly replyMs: number;
}

export interface ModelStoreParts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** Asked once for each request; by default nothing ever happens. */
  readonly fate?: (request: ModelRequest, partition: PartitionId | null) => ModelFate;
  /** After this without an answer the connection is given up, as the real store does. Default 5,000. */
  readonly answerMsMax?: number;
  /** Which of the Redis of a Cluster has the partition; what is kept of the cluster is in 0. Default: all in 0. */
  readonly shardOf?: (partition: PartitionId) => number;
  /** How long a new connection takes. Default 20. */
  readonly reconnectMs?: number;
  /** Told of everything that changes the state, and of what of it is lost again. */
  readonly observer?: { executed(operation: ModelOperation): void; lost(operations: readonly ModelOperation[]): void };
}

const noFault: ModelFate = { kind: 'none', requestMs: 0, replyMs: 0 };

type Failure = 'refused' | 'unknown';
type Reply<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly failure: Failure };

/** What connections share: the Redis itself. */
export interface ModelServer {
  readonly state: ModelState;
  /** The run and replication id where the partition is. */
  run(partition: PartitionId): string;
  /**
   * Rises with every crash of the Redis that has the partition: a request that was under way to a dead one is not
   * executed by the next.
   */
  life(partition: PartitionId | null): number;
  /** A replica is taking over where the partition is until then, monotonic ms: what arrives waits. */
  stalledUntilMs(partition: PartitionId | null): number;
  log(operation: ModelOperation): void;
}

/**
 * One process's connection to the model, and the ports over it.
 *
 * (M1) Requests are executed one after the other, in the order in which they were made, each at one instant.
 * (M3) When the connection ends, everything in flight is answered `unknown`; reconnect listeners run before anything
 *      is accepted on the next one.
 */
export class ModelConnection {
  readonly partitions: PartitionStore;
  readonly cluster: ClusterStore;
  readonly timelines: TimelineReader;
  readonly records: RecordReader;
  readonly #server: ModelServer;
  readonly #parts: ModelStoreParts;
  readonly #listeners = new Set<() => void>();
  readonly #inFlight = new Set<() => void>();
  #connection = 1;
  #connected = true;
  /** What was under way on a connection when a replica took over, and the earliest time for it, monotonic ms. */
  #late = { connection: 0, untilMs: 0, concerns: (_of: PartitionId | null): boolean => false };
  #executesFromMs = 0;

  constructor(server: ModelServer, parts: ModelStoreParts) {
    this.#server = server;
    this.#parts = parts;
    this.partitions = this.#partitionStore();
    this.cluster = this.#clusterStore();
    this.timelines = this.#timelineReader();
    this.records = this.#recordReader();
  }

  onReconnect(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Ends the connection; Redis itself goes on, and may still execute what was under way. */
  cut(reconnectMs = this.#parts.reconnectMs ?? 20): void {
    this.#connection += 1;
    this.#connected = false;
    const connection = this.#connection;
    for (const fail of [...this.#inFlight]) fail();
    this.#parts.timers.after(reconnectMs, () => {
      if (connection !== this.#connection) return;
      for (const listener of [...this.#listeners]) listener();
      this.#connected = true;
    });
  }

  /**
   * What this connection is asked of these partitions waits until then, monotonic ms, though the store may be there
   * before. The process may be gone by then, or have made another connection.
   */
  delay(untilMs: number, concerns: (partition: PartitionId | null) => boolean): void {
    this.#late = { connection: this.#connection, untilMs, concerns };
  }

  #stalledForMs(connection: number, partition: PartitionId | null): number {
    const { untilMs, concerns } = this.#late;
    const ofConnectionMs = connection === this.#late.connection && concerns(partition) ? untilMs : 0;
    return Math.max(this.#server.stalledUntilMs(partition), ofConnectionMs) - this.#parts.clock.monotonicMs();
  }

  /** Carries one request to the state and its answer back, or tells what came between. */
  #carry<T>(request: ModelRequest, partition: PartitionId | null, execute: () => T): Promise<Reply<T>> {
    const { clock, timers, answerMsMax = 5_000 } = this.#parts;
    if (!this.#connected) return Promise.resolve({ ok: false, failure: 'refused' });
    const { kind, requestMs, replyMs } = this.#parts.fate?.(request, partition) ?? noFault;
    const life = this.#server.life(partition);
    const connection = this.#connection;
    return new Promise((resolve) => {
      const fail = (): void => {
        settle({ ok: false, failure: 'unknown' });
      };
      const settle = (reply: Reply<T>): void => {
        this.#inFlight.delete(fail);
        resolve(reply);
      };
      this.#inFlight.add(fail);
      const giveUp = (): void => {
        timers.after(answerMsMax, () => {
          if (this.#inFlight.has(fail) && connection === this.#connection) this.cut();
        });
      };
      let isStalled = false;
      const arrive = (): void => {
        if (life !== this.#server.life(partition)) return;
        const stalledMs = this.#stalledForMs(connection, partition);
        if (stalledMs > 0) {
          if (!isStalled) giveUp();
          isStalled = true;
          this.#later(stalledMs, arrive);
          return;
        }
        if (kind === 'refuse') {
          settle({ ok: false, failure: 'refused' });
          return;
        }
        const value = execute();
        if (kind === 'lose-reply') giveUp();
        else this.#later(replyMs, () => settle({ ok: true, value }));
      };
      if (kind === 'lose-request') {
        giveUp();
        return;
      }
      const nowMs = clock.monotonicMs();
      this.#executesFromMs = Math.max(this.#executesFromMs, nowMs + requestMs);
      this.#later(this.#executesFromMs - nowMs, arrive);
    });
  }

  #later(delayMs: number, callback: () => void): void {
    if (delayMs > 0) this.#parts.timers.after(delayMs, callback);
    else this.#parts.timers.soon(callback);
  }

  #logged<T>(operation: ModelOperation, answer: T, changed: boolean): T {
    if (changed) this.#server.log(operation);
    return answer;
  }

  #partitionStore(): PartitionStore {
    return {
      claim: async (partition, _node, aboveEpoch) => {
        const uuid = this.#parts.random.id();
        const reply = await this.#carry('claim', partition, () => {
          const { epoch, found } = this.#server.state.claim(partition, uuid, aboveEpoch);
          const answer = { token: { epoch, uuid }, found, run: this.#server.run(partition) };
          return this.#logged({ kind: 'claim', partition, uuid, aboveEpoch }, answer, true);
        });
        return reply.ok ? reply : err({ code: 'unavailable', message: 'the claim was not answered' });
      },
      commit: async (commit) => {
        const reply = await this.#carry('commit', commit.partition, () => {
          const outcome = this.#server.state.commit(commit);
          return this.#logged({ kind: 'commit', commit }, outcome, outcome.code === 'ok');
        });
        if (reply.ok) return reply.value;
        const code = reply.failure === 'refused' ? 'unavailable' : 'unknown';
        return { code, message: 'the commit was not answered' } satisfies CommitOutcome;
      },
      release: async (partition, token, commitNo, givenIn) => {
        const text = encodeOwnerToken(token);
        await this.#carry('release', partition, () => {
          const released = this.#server.state.release(partition, text, commitNo, givenIn);
          return this.#logged({ kind: 'release', partition, token: text, commitNo, givenIn }, released, released);
        });
      },
      loadActor: async (partition, actor) => {
        const reply = await this.#carry('read', partition, () => this.#server.state.record(partition, actor));
        return reply.ok ? ok(reply.value) : err({ code: 'unavailable', message: 'the read was not answered' });
      },
      loadFields: async (partition, actor, names) => {
        const reply = await this.#carry('read', partition, () => this.#server.state.record(partition, actor));
        if (!reply.ok) return err({ code: 'unavailable', message: 'the read was not answered' });
        const { head, fields } = reply.value;
        return ok({ head, fields: new Map([...fields].filter(([name]) => names.includes(name))) });
      },
      readFeed: async (partition, after, limit) => {
        const reply = await this.#carry('read', partition, () => this.#server.state.feed(partition, after, limit));
        return reply.ok ? ok(reply.value) : err({ code: 'unavailable', message: 'the read was not answered' });
      },
      stands: async (partition) => {
        const reply = await this.#carry('read', partition, () => this.#server.state.stands(partition));
        return reply.ok ? ok(reply.value) : err({ code: 'unavailable', message: 'the read was not answered' });
      },
    };
  }

  /** Asks the state of the cluster. `execute` tells what it did, null when that changed nothing. */
  async #askCluster<T>(
    what: string,
    execute: (nowMs: number) => { readonly answer: T; readonly done: ClusterOperation | null },
  ): Promise<T | { readonly code: 'unavailable'; readonly message: string }> {
    const reply = await this.#carry('cluster', null, () => {
      const { answer, done } = execute(this.#parts.clock.monotonicMs());
      if (done !== null) this.#server.log({ kind: 'cluster', operation: done });
      return answer;
    });
    return reply.ok ? reply.value : { code: 'unavailable', message: `${what} was not answered` };
  }

  #clusterStore(): ClusterStore {
    const { clock } = this.#parts;
    return {
      register: async (member, leaseMs, known) => {
        const askedMs = clock.monotonicMs();
        const answer = await this.#askCluster('the registration', (nowMs) => {
          const registered = this.#server.state.cluster.register(member, leaseMs, known, nowMs);
          const done = { kind: 'register', member, leaseMs, known, nowMs } as const;
          return { answer: registered, done: registered.code === 'held' ? done : null };
        });
        return answer.code === 'held' ? { ...answer, untilMonotonicMs: askedMs + leaseMs } : answer;
      },
      leave: async (name, node) => {
        await this.#askCluster('the leave', () => {
          const left = this.#server.state.cluster.leave(name, node);
          return { answer: null, done: left ? { kind: 'leave', name, node } : null };
        });
      },
      lead: async (name, node, leaseMs) => {
        const askedMs = clock.monotonicMs();
        const answer = await this.#askCluster('the leadership', (nowMs) => {
          const led = this.#server.state.cluster.lead(name, node, leaseMs, nowMs);
          return { answer: led, done: led.code === 'leading' ? { kind: 'lead', name, node, leaseMs, nowMs } : null };
        });
        return answer.code === 'leading' ? { ...answer, untilMonotonicMs: askedMs + leaseMs } : answer;
      },
      putView: (term, node, view) =>
        this.#askCluster('the view', () => {
          const put = this.#server.state.cluster.putView(term, node, view);
          const answer = { code: put ? ('put' as const) : ('outdated' as const) };
          return { answer, done: put ? { kind: 'put-view', term, node, view } : null };
        }),
    };
  }

  #recordReader(): RecordReader {
    return {
      fields: async (partition, actor, names, since) => {
        const reply = await this.#carry('read', partition, () => {
          const { state } = this.#server;
          return { fields: state.record(partition, actor).fields, stands: state.stands(partition) };
        });
        if (!reply.ok) throw new StoreUnavailable('the read was not answered');
        if (since !== undefined) mustBeSince(since, reply.value.stands);
        return new Map([...reply.value.fields].filter(([name]) => names.includes(name)));
      },
    };
  }

  #timelineReader(): TimelineReader {
    const range: TimelineReader['range'] = async (partition, actor, query) => {
      const reply = await this.#carry('read', partition, () => this.#server.state.range(partition, actor, query));
      if (reply.ok) return reply.value;
      throw new StoreUnavailable('the read was not answered');
    };
    return {
      range,
      at: async (partition, actor, position) => {
        const query: RangeQuery = { from: position, to: position, limit: 1, direction: 'forward' };
        return (await range(partition, actor, query))[0] ?? null;
      },
    };
  }
}
