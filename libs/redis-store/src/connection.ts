import type { Cancel, Random, Timers } from '@millrace/kernel';
import { Cluster, Command, type Redis, type RedisOptions } from 'ioredis';
import type { RedisClient } from './function-library.ts';
import { clientUrl, openRedis } from './redis-address.ts';
import { isDemotion, messageOf } from './store-errors.ts';

export interface ConnectionOptions {
  /** `redis://`, `rediss://`, `redis+sentinel://`, `unix:///path` or a path. */
  readonly url: string;
  readonly cluster: boolean;
  /** Shown in CLIENT LIST. */
  readonly name: string;
  /**
   * For reads, which come in crowds and may be repeated: the commands of one turn are joined into one write, and while
   * a connection is being made they wait for the outcome of this one attempt.
   */
  readonly forReads: boolean;
  readonly random: Random;
  readonly timers: Timers;
}

const RECONNECT_MS_MIN = 20;
const RECONNECT_MS_MAX = 1_000;
/** Of one node of a Cluster, and how often its heir is asked for meanwhile. */
const CLUSTER_NODE_MS_MAX = 200;
const CONNECT_MS_MAX = 5_000;
/** Between two reconnects because the server is a replica: its heir may not be known at once. */
const DEMOTED_MS_MIN = 1_000;

const mastersOf = ({ slots }: Cluster): string => [...new Set(slots.map(([master]) => master))].sort().join(';');

/**
 * One connection to Redis that executes nothing twice (I5):
 *
 * (C1) A command whose reply was lost is rejected, not sent again: `maxRetriesPerRequest: 0`, in a Cluster
 *      `retryDelayOnFailover: 0`. (`autoResendUnfulfilledCommands: false` would leave its promise hanging.)
 * (C2) A command that cannot be written now is rejected at once, unless it is a read.
 * (C3) It reconnects for ever, and says so each time.
 * (C4) It leaves a server that has become a replica, and looks for the master anew: nobody else may end that connection.
 */
export class Connection {
  readonly client: RedisClient;
  readonly #lost = new Set<() => void>();
  readonly #reconnected = new Set<() => void>();
  readonly #firstReady: Promise<void>;
  readonly #timers: Timers;
  readonly #slots = new Map<string, number>();
  readonly #backoff: (attempt: number) => number;
  #cancelDemoted: Cancel | null = null;
  #cancelRevival: Cancel = () => undefined;
  #cancelLook: Cancel | null = null;
  #closed = false;
  #wasReady = false;
  #ready = false;
  #lastError = '';
  /** Of the Cluster, as they were told last. */
  #masters = '';

  constructor(options: ConnectionOptions) {
    const { url, cluster, name, forReads, random, timers } = options;
    this.#timers = timers;
    const backoff = (attempt: number): number =>
      Math.min(RECONNECT_MS_MAX, RECONNECT_MS_MIN * 2 ** Math.min(attempt, 16)) * (0.5 + random.fraction() / 2);
    this.#backoff = backoff;
    const common = {
      connectionName: name,
      connectTimeout: CONNECT_MS_MAX,
      // After this a socket whose other side is silent is destroyed, so that a new one can be opened.
      disconnectTimeout: 100,
      maxRetriesPerRequest: 0,
      protocol: 2,
      enableAutoPipelining: forReads,
    } as const satisfies RedisOptions;
    this.client = cluster
      ? new Cluster([clientUrl(url)], {
          redisOptions: common,
          enableAutoPipelining: forReads,
          enableOfflineQueue: forReads,
          retryDelayOnFailover: 0,
          retryDelayOnClusterDown: 0,
          clusterRetryStrategy: backoff,
          clusterNodeRetryStrategy: (attempt: number) => Math.min(CLUSTER_NODE_MS_MAX, backoff(attempt)),
        })
      : openRedis(url, {
          ...common,
          // What reads Timelines is gathered before it comes here, and need not wait once more.
          autoPipeliningIgnoredCommands: ['fcall_ro'],
          enableOfflineQueue: forReads,
          retryStrategy: backoff,
          reconnectOnError: (error) => this.#isLeft(error),
        });
    this.client.on('error', (error: unknown) => {
      this.#lastError = messageOf(error);
    });
    this.client.on('close', () => {
      this.#ready = false;
      for (const listener of this.#lost) listener();
    });
    this.client.on('end', () => {
      this.#revive();
    });
    this.#firstReady = new Promise((resolve) => {
      this.client.once('ready', resolve);
    });
    this.client.on('ready', () => {
      this.#announce();
    });
    if (this.client instanceof Cluster) {
      const { client } = this;
      // A node that is gone may have an heir. By itself the client asks each five seconds, or when a node tells it so.
      client.on('node error', () => {
        client.refreshSlotsCache();
        this.#lookForHeirs(client);
      });
      client.on('+node', (node: Redis) => {
        node.on('close', () => {
          this.#lookForHeirs(client);
        });
        // A node of a Cluster that comes back is a reconnect of its partitions.
        node.on('ready', () => {
          if (client.status === 'ready') this.#announce();
        });
      });
      // The heir may have had an open connection before it was one: then nothing becomes ready.
      client.on('refresh', () => {
        const masters = mastersOf(client);
        const isOther = this.#masters !== '' && masters !== this.#masters;
        this.#masters = masters;
        if (isOther && client.status === 'ready') this.#announce();
      });
    }
  }

  /**
   * Whether a command would be written now. The client is ready one tick before it says so; until the listeners of a
   * reconnect have been called, nothing may go out.
   */
  get ready(): boolean {
    return this.#ready && this.client.status === 'ready';
  }

  /**
   * Names the master that holds a key, and its replicas, as far as is known now: what one pipeline may reach. Empty
   * without a Cluster. For the keys of owners alone: their slots are remembered.
   */
  masterOf(key: string): string {
    if (!(this.client instanceof Cluster)) return '';
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      slot = new Command('get', [key]).getSlot();
      this.#slots.set(key, slot);
    }
    return (this.client.slots[slot] ?? []).join(';');
  }

  /** The last trouble of the connection itself, empty if there was none. */
  get lastError(): string {
    return this.#lastError;
  }

  /** Resolves once it is ready for the first time. */
  firstReady(): Promise<void> {
    return this.#firstReady;
  }

  /** Called whenever the connection is lost; what was written and not answered has been or will be rejected. */
  onLost(listener: () => void): void {
    this.#lost.add(listener);
  }

  /** Called each time it is ready again after it was ready before, ahead of any command on it. */
  onReconnect(listener: () => void): () => void {
    this.#reconnected.add(listener);
    return () => {
      this.#reconnected.delete(listener);
    };
  }

  /** Gives up on the socket, for one that answers nothing, and opens another one. */
  reset(): void {
    if (this.client instanceof Cluster) {
      for (const node of this.client.nodes()) node.disconnect(true);
      this.#lookForHeirs(this.client);
    } else this.client.disconnect(true);
  }

  close(): void {
    this.#closed = true;
    this.#cancelRevival();
    this.#cancelLook?.();
    this.#cancelDemoted?.();
    this.client.disconnect();
  }

  /**
   * For as long as a master is not to be reached. Each failed attempt to reach it makes the client ask, but one that
   * comes back as a replica is reached, and for a second or two says nothing but that it is loading.
   */
  #lookForHeirs(client: Cluster): void {
    this.#cancelLook ??= this.#timers.after(CLUSTER_NODE_MS_MAX, () => {
      this.#cancelLook = null;
      const isAway = client.nodes('master').some(({ status }) => status !== 'ready' && status !== 'wait');
      if (this.#closed || !isAway) return;
      client.refreshSlotsCache();
      this.#lookForHeirs(client);
    });
  }

  /** The client gives up, and for ever, when it is told to reconnect while it still asks the Sentinels for the master. */
  #revive(): void {
    if (this.#closed) return;
    this.#cancelRevival();
    this.#cancelRevival = this.#timers.after(this.#backoff(1), () => {
      // What went wrong is told as an error of the client, and ends it again.
      this.client.connect().catch(() => undefined);
    });
  }

  /** @returns whether to reconnect for this answer. What it answers is rejected, and sent again by nobody (C1). */
  #isLeft(error: Error): boolean {
    if (!isDemotion(error.message) || this.#cancelDemoted !== null) return false;
    this.#cancelDemoted = this.#timers.after(DEMOTED_MS_MIN, () => {
      this.#cancelDemoted = null;
    });
    return true;
  }

  #announce(): void {
    if (this.#wasReady) for (const listener of [...this.#reconnected]) listener();
    this.#wasReady = true;
    this.#ready = true;
  }
}
