import { err, ok, type Clock, type Random, type Result, type Timers } from '@millrace/kernel';
import type { NodeStreams } from '@millrace/node-link';
import {
  doTimelinesBeginShort,
  type AckLevel,
  type ClusterStore,
  type PartitionStore,
  type StoreError,
  type StoreFormat,
} from '@millrace/partition';
import type {
  ConversationNames,
  HotTimelines,
  RecordReader,
  StoredConversations,
  StoredUsers,
  TimelineReader,
} from '@millrace/timeline';
import { Cluster, type Redis } from 'ioredis';
import { isArchiveHeld } from './archive-hold.ts';
import { CommitPipe, defaultCommitPipeLimits, type CommitPipeLimits } from './commit-pipe.ts';
import { Connection } from './connection.ts';
import { answerWithin } from './deadline.ts';
import { loadLibrary } from './function-library.ts';
import { inspectRedis, parseInfo, type RedisInspection } from './inspect-redis.ts';
import { openJobConnection } from './job-connection.ts';
import type { RedisFinding } from './judge-redis.ts';
import { keyLayout } from './key-layout.ts';
import { KeyScan } from './key-scan.ts';
import { RedisClusterStore } from './redis-cluster-store.ts';
import { RedisConversationNames } from './redis-conversation-names.ts';
import { defaultNodeStreamLimits, type NodeStreamLimits } from './node-stream-limits.ts';
import { RedisConversations } from './redis-conversations.ts';
import { RedisNodeStreams } from './redis-node-streams.ts';
import { RedisPartitionStore } from './redis-partition-store.ts';
import { RedisRecordReader } from './redis-record-reader.ts';
import { RedisTimelineReader } from './redis-timeline-reader.ts';
import { RedisUsers } from './redis-users.ts';
import { messageOf } from './store-errors.ts';
import { silentObserver, type StoreObserver } from './store-observer.ts';

export interface RedisStoresOptions {
  /** `redis://`, `rediss://`, `redis+sentinel://`, `unix:///path` or a path; of a Cluster, any of its nodes. */
  readonly url: string;
  readonly ackLevel: AckLevel;
  /** What the store was, or will be, born with. */
  readonly storeFormat: StoreFormat;
  /** Put before every key. Default: none. */
  readonly keyPrefix?: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly observer?: StoreObserver;
  readonly limits?: Partial<CommitPipeLimits>;
  readonly nodeStreamLimits?: Partial<NodeStreamLimits>;
  /** How long a claim, a lease or a read may take. Default 5,000. */
  readonly answerMsMax?: number;
}

/** Why Redis was not taken. `unfit` will be the same at the next try: its settings must be changed. */
export type ConnectError =
  StoreError | { readonly code: 'unfit'; readonly message: string; readonly findings: readonly RedisFinding[] };

export interface StoreHealth {
  /** Redis answered just now. */
  readonly reachable: boolean;
  readonly usedMemoryBytes: number;
  /** Null without a limit. Sends are to be refused well before it is reached. */
  readonly maxMemoryBytes: number | null;
  readonly queuedCommitBytes: number;
  readonly batchesInFlight: number;
  /** Of the connection, empty when there was none. */
  readonly lastError: string;
}

interface Connections {
  readonly commits: Connection;
  readonly reads: Connection;
  readonly leases: Connection;
  readonly streams: Connection;
}

const openConnection = (
  { url, random, timers }: RedisStoresOptions,
  cluster: boolean,
  purpose: string,
  forReads: boolean,
): Connection => new Connection({ url, cluster, name: `millrace-${purpose}`, forReads, random, timers });

/**
 * Redis as Millrace uses it: a connection for each purpose, so that neither a large page nor a full pipe of commits
 * holds up a lease or a word to another node, and one for each stream that is read. All of them reconnect for ever;
 * `onReconnect` tells of the one that carries commits.
 */
export class RedisStores {
  readonly partitions: PartitionStore;
  readonly cluster: ClusterStore;
  readonly timelines: TimelineReader;
  readonly records: RecordReader;
  readonly names: ConversationNames;
  readonly hotTimelines: HotTimelines;
  readonly storedConversations: StoredConversations;
  readonly storedUsers: StoredUsers;
  readonly nodeStreams: NodeStreams;
  /** What the keys of the queues of jobs begin with: all are in one slot of a Cluster. */
  readonly jobsPrefix: string;
  /** What was found at the start, for the log. */
  readonly inspection: RedisInspection;
  readonly #options: RedisStoresOptions;
  readonly #connections: Connections;
  readonly #nodeStreams: RedisNodeStreams;
  readonly #pipe: CommitPipe;
  readonly #timers: Timers;
  readonly #answerMsMax: number;

  private constructor(options: RedisStoresOptions, connections: Connections, inspection: RedisInspection) {
    const { clock, timers, random, answerMsMax = 5_000, observer = silentObserver } = options;
    const { commits, reads, leases, streams } = connections;
    const layout = keyLayout(options.keyPrefix ?? '');
    const { cluster } = inspection.facts;
    this.inspection = inspection;
    this.#options = options;
    this.#connections = connections;
    this.#timers = timers;
    this.#answerMsMax = answerMsMax;
    this.#pipe = new CommitPipe({
      connection: commits,
      layout,
      shortTimelines: doTimelinesBeginShort(options.storeFormat),
      clock,
      timers,
      observer,
      limits: { ...defaultCommitPipeLimits, ...options.limits },
      awaitReplica: options.ackLevel === 'replicated',
    });
    this.partitions = new RedisPartitionStore({
      pipe: this.#pipe,
      commits,
      reads,
      layout,
      timers,
      random,
      answerMsMax,
    });
    this.cluster = new RedisClusterStore({ connection: leases, layout, clock, timers, answerMsMax });
    this.timelines = new RedisTimelineReader({ reads, layout, timers, answerMsMax });
    this.records = new RedisRecordReader({ reads, layout, timers, answerMsMax });
    const scan = { reads, timers, answerMsMax };
    this.names = new RedisConversationNames(new KeyScan(scan, layout.conversationRecords));
    this.hotTimelines = new RedisConversations(new KeyScan(scan, layout.conversationTimelines));
    this.storedConversations = new RedisConversations(new KeyScan(scan, layout.conversationRecords));
    this.storedUsers = new RedisUsers(new KeyScan(scan, layout.userRecords));
    this.jobsPrefix = layout.jobs;
    this.#nodeStreams = new RedisNodeStreams({
      connection: streams,
      openConnection: () => openConnection(options, cluster, 'stream-reader', false),
      layout,
      clock,
      timers,
      random,
      limits: { ...defaultNodeStreamLimits, ...options.nodeStreamLimits },
      answerMsMax,
    });
    this.nodeStreams = this.#nodeStreams;
  }

  /** Checks that this Redis can keep what the ack level promises, connects, and loads the functions. */
  static async connect(options: RedisStoresOptions): Promise<Result<RedisStores, ConnectError>> {
    const { url, ackLevel, timers, answerMsMax = 5_000 } = options;
    const inspected = await inspectRedis(url, ackLevel);
    if (!inspected.ok) return inspected;
    const refusals = inspected.value.findings.filter(({ severity }) => severity === 'refuse');
    if (refusals.length > 0) {
      const message = refusals.map((refusal) => refusal.message).join('; ');
      return err({ code: 'unfit', message, findings: refusals });
    }
    const { cluster } = inspected.value.facts;
    const open = (purpose: string, forReads = false): Connection => openConnection(options, cluster, purpose, forReads);
    const connections = {
      commits: open('commits'),
      reads: open('reads', true),
      leases: open('leases'),
      streams: open('streams'),
    };
    const all = Object.values(connections);
    try {
      await answerWithin(timers, answerMsMax, Promise.all(all.map((connection) => connection.firstReady())));
      await answerWithin(timers, answerMsMax, loadLibrary(connections.commits.client));
    } catch (error) {
      for (const connection of all) connection.close();
      return err({ code: 'unavailable', message: `Redis could not be used: ${messageOf(error)}` });
    }
    return ok(new RedisStores(options, connections, inspected.value));
  }

  /** A connection for jobs alone, of this Redis. Whoever asks for it disconnects it. */
  openJobConnection(purpose: string): Redis | Cluster {
    const { url, random } = this.#options;
    return openJobConnection({ url, cluster: this.inspection.facts.cluster, name: purpose, random });
  }

  /**
   * Calls `listener` each time the connection that carries commits is back, before anything goes over it: every owner
   * must claim again before it commits. Returns how to stop listening.
   */
  onReconnect(listener: () => void): () => void {
    return this.#connections.commits.onReconnect(listener);
  }

  /** Whether a backup is taken, so that nothing may leave the archive; also true when Redis does not tell. */
  async isArchiveHeld(): Promise<boolean> {
    const { clock, keyPrefix = '' } = this.#options;
    const asked = isArchiveHeld(this.#connections.leases.client, keyPrefix, clock.nowMs());
    return answerWithin(this.#timers, this.#answerMsMax, asked).catch(() => true);
  }

  async health(): Promise<StoreHealth> {
    const { commits } = this.#connections;
    const local = {
      queuedCommitBytes: this.#pipe.queuedBytes,
      batchesInFlight: this.#pipe.batchesInFlight,
      lastError: commits.lastError,
    };
    try {
      // The fullest node decides: it refuses first.
      const nodes = commits.client instanceof Cluster ? commits.client.nodes('master') : [commits.client];
      const replies = await answerWithin(
        this.#timers,
        this.#answerMsMax,
        Promise.all(nodes.map((node) => node.info('memory'))),
      );
      const memories = replies.map((reply) => {
        const info = parseInfo(reply);
        return { used: Number(info.get('used_memory') ?? 0), max: Number(info.get('maxmemory') ?? 0) };
      });
      const share = ({ used, max }: { used: number; max: number }): number => (max === 0 ? 0 : used / max);
      const fullest = memories.sort((left, right) => share(right) - share(left))[0] ?? { used: 0, max: 0 };
      const maxMemoryBytes = fullest.max === 0 ? null : fullest.max;
      return { reachable: memories.length > 0, usedMemoryBytes: fullest.used, maxMemoryBytes, ...local };
    } catch (error) {
      return { reachable: false, usedMemoryBytes: 0, maxMemoryBytes: null, ...local, lastError: messageOf(error) };
    }
  }

  /** Closes the connections. What is still in flight is answered `unknown`. */
  close(): void {
    this.#nodeStreams.close();
    const { commits, reads, leases, streams } = this.#connections;
    for (const connection of [commits, reads, leases, streams]) connection.close();
  }
}
