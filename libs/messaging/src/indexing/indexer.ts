import {
  partitionId,
  type Clock,
  type ConversationId,
  type Generation,
  type PartitionId,
  type Timers,
} from '@millrace/kernel';
import type { PartitionLog } from '@millrace/partition';
import type { IndexVersion, SearchIndex } from '@millrace/search';
import { conversationKey, type ActorKey, type ConversationNames } from '@millrace/timeline';
import type { Effect } from '../effects.ts';
import { Comparisons } from './comparisons.ts';
import type { FieldRules } from './field-rules.ts';
import { PartitionIndexer, type FollowedNode, type PartitionIndexerLimits } from './partition-indexer.ts';
import { Rebuild } from './rebuild.ts';
import { Turns } from './turns.ts';

export interface IndexerLimits extends PartitionIndexerLimits {
  /** Partitions that read and write at a time. */
  readonly partitionsAtOnce: number;
  readonly partitionsPerPass: number;
  readonly namesPauseMs: number;
  /** How often it is looked whether the index has fallen behind. */
  readonly lookMs: number;
  /** An index that is behind for longer is told of as an error, again each time as long. */
  readonly alarmMs: number;
}

export const defaultIndexerLimits: IndexerLimits = {
  feedCommits: 64,
  entriesPerRead: 200,
  entriesPerBatch: 500,
  readsAtOnce: 32,
  gatherMs: 50,
  idleMs: 5_000,
  verifyMs: 60_000,
  asideMs: 600_000,
  retry: { msMin: 100, msMax: 10_000 },
  partitionsAtOnce: 8,
  partitionsPerPass: 32,
  namesPauseMs: 2,
  lookMs: 5_000,
  alarmMs: 30_000,
};

/** The identity of an index that nobody but its node can see. */
export const EMBEDDED_INDEX = 'embedded';

const VERSIONS = ['live', 'next'] as const satisfies readonly IndexVersion[];
/** Whose owner finishes what all have made. */
const FIRST = partitionId(0);

export interface IndexerParts {
  /** Of {@link index}: {@link EMBEDDED_INDEX}, or what tells those apart that several nodes see. */
  readonly identity: string;
  readonly index: SearchIndex;
  readonly rules: FieldRules;
  readonly names: ConversationNames;
  readonly limits: IndexerLimits;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: PartitionLog;
}

/** The node that it works for. */
export interface IndexerNode extends FollowedNode {
  partitions(this: void): ReadonlySet<PartitionId>;
  /** Of the cluster. */
  readonly partitionCount: number;
}

export interface IndexerStats {
  /** For how long the oldest commit here waits that is not indexed, milliseconds. */
  readonly lagMs: number;
  /** Partitions whose conversations are compared with the index, or wait for that. */
  readonly comparing: number;
  /** Since the start: messages that came in, were edited or recalled. */
  readonly changesIndexed: number;
  /** Since the start: conversations that could not be read, and are not indexed any further. */
  readonly conversationsAside: number;
  /** For how long nothing could be indexed though something waits, milliseconds; 0 when it can. */
  readonly failingMs: number;
  /** Why, in words for the operator; empty when it can. */
  readonly failingWhy: string;
}

/**
 * Brings what the partitions of this node commit into the search index, each by a follower of its own
 * ({@link PartitionIndexer}).
 */
export class Indexer {
  readonly identity: string;
  readonly #parts: IndexerParts;
  readonly #turns: Turns;
  readonly #followers: Readonly<Record<IndexVersion, Map<PartitionId, PartitionIndexer>>> = {
    live: new Map(),
    next: new Map(),
  };
  #rebuild: Rebuild | null = null;
  #node: IndexerNode | null = null;
  #comparisons: Comparisons | null = null;
  #isStopped = false;
  #changesIndexed = 0;
  #conversationsAside = 0;
  /** When something was last said of an index that cannot be fed, or is behind; null when all is well. */
  #toldMs: number | null = null;

  constructor(parts: IndexerParts) {
    this.identity = parts.identity;
    this.#parts = parts;
    this.#turns = new Turns(parts.limits.partitionsAtOnce);
  }

  get stats(): IndexerStats {
    const followers = [...this.#followers.live.values()];
    const failing = followers.flatMap((follower) => follower.failing ?? []);
    const [longest] = failing.sort((one, other) => one.sinceMs - other.sinceMs);
    return {
      lagMs: Math.max(0, ...followers.map(({ lagMs }) => lagMs)),
      comparing: followers.filter(({ isComparing }) => isComparing).length,
      changesIndexed: this.#changesIndexed,
      conversationsAside: this.#conversationsAside,
      failingMs: longest === undefined ? 0 : this.#parts.clock.monotonicMs() - longest.sinceMs,
      failingWhy: longest?.why ?? '',
    };
  }

  /** The making of a new version; null before the node serves. */
  get rebuild(): Rebuild | null {
    return this.#rebuild;
  }

  /** From here on it works. */
  serve(node: IndexerNode): void {
    if (this.#isStopped) return;
    const { names, timers, limits } = this.#parts;
    this.#node = node;
    this.#comparisons = new Comparisons({
      ...{ names, timers, partitionsPerPass: limits.partitionsPerPass, pauseMs: limits.namesPauseMs },
      partitionOf: (key) => node.calls.partitionOf(key),
    });
    this.#rebuild = new Rebuild({
      ...{ index: this.#parts.index, log: this.#parts.log, partitionCount: node.partitionCount },
      changed: () => {
        void this.#feedNext();
      },
    });
    for (const partition of node.partitions()) this.#follow(partition, 'live');
    void this.#feedNext();
    this.#lookLater();
  }

  stop(): void {
    this.#isStopped = true;
    this.#comparisons?.stop();
    for (const into of VERSIONS) this.#stopAll(into);
  }

  /** A partition is this node's from now on, or still, perhaps in another generation. */
  claimed(partition: PartitionId, _gen?: Generation): void {
    if (!this.#followers.live.has(partition)) this.#follow(partition, 'live');
    for (const into of VERSIONS) this.#followers[into].get(partition)?.claimed();
  }

  /** What an actor wants told, after its commit. */
  told(effects: readonly Effect[]): void {
    if (this.#node === null) return;
    for (const effect of effects) {
      if (effect.e === 'appended') this.#committed(conversationKey(effect.facts.conversation));
      else if (effect.e === 'imported') this.#committed(conversationKey(effect.conversation));
    }
  }

  #committed(key: ActorKey): void {
    const node = this.#node;
    const partition = node?.calls.partitionOf(key);
    if (node === null || partition === undefined) return;
    const standing = node.standing(partition);
    if (typeof standing === 'string') return;
    for (const into of VERSIONS) this.#followers[into].get(partition)?.committed(standing.commitNo);
  }

  #stopAll(into: IndexVersion): void {
    for (const follower of this.#followers[into].values()) follower.stop();
    this.#followers[into].clear();
  }

  /** Feeds the version that is being made, if there is one; the owner of the first partition puts it into its place. */
  async #feedNext(): Promise<void> {
    const [node, rebuild] = [this.#node, this.#rebuild];
    const health = await this.#parts.index.health();
    if (node === null || rebuild === null || !health.ok || this.#isOver()) return;
    if (!health.value.isRebuilding) {
      this.#endNext();
      return;
    }
    for (const partition of node.partitions()) {
      if (!this.#followers.next.has(partition)) this.#follow(partition, 'next');
    }
    if (typeof node.standing(FIRST) === 'string' || !(await rebuild.finish())) return;
    this.#endNext();
  }

  /** Each goes on where the new version stands. */
  #endNext(): void {
    for (const [partition, next] of this.#followers.next) this.#followers.live.get(partition)?.takesPlaceOf(next);
    this.#stopAll('next');
  }

  #isOver(): boolean {
    return this.#isStopped;
  }

  #follow(partition: PartitionId, into: IndexVersion): void {
    const [node, comparisons] = [this.#node, this.#comparisons];
    if (node === null || comparisons === null || this.#isStopped) return;
    const follower = new PartitionIndexer({
      ...this.#parts,
      ...{ partition, node, comparisons, turns: this.#turns, into },
      indexed: (changes) => {
        if (into === 'live') this.#changesIndexed += changes.length;
      },
      setAside: (conversation, error) => {
        this.#setAside(conversation, error);
      },
    });
    this.#followers[into].set(partition, follower);
    void this.#run(partition, into, follower);
  }

  async #run(partition: PartitionId, into: IndexVersion, follower: PartitionIndexer): Promise<void> {
    try {
      await follower.run();
    } catch (error) {
      this.#parts.log.error('a partition is not indexed any more', { partition, error: String(error) });
    }
    if (this.#followers[into].get(partition) !== follower) return;
    this.#followers[into].delete(partition);
    if (into === 'next') {
      // Another node has put it in its place, or given it up.
      this.#followers.live.get(partition)?.takesPlaceOf(follower);
      return;
    }
    // It came back while its follower ended.
    const standing = this.#node?.standing(partition);
    if (standing !== undefined && standing !== 'gone') this.#follow(partition, into);
  }

  #setAside(conversation: ConversationId, error: unknown): void {
    this.#conversationsAside += 1;
    this.#parts.log.error('a conversation cannot be read, and is not indexed any further', {
      conversation,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
  }

  #lookLater(): void {
    this.#parts.timers.after(this.#parts.limits.lookMs, () => {
      if (this.#isStopped) return;
      this.#look();
      void this.#feedNext();
      this.#lookLater();
    });
  }

  /** What went wrong and is well again before it is looked is not told: nobody could do anything. */
  #look(): void {
    const { log, clock, limits } = this.#parts;
    const { lagMs, comparing, failingMs, failingWhy, changesIndexed } = this.stats;
    const nowMs = clock.monotonicMs();
    const isBehind = lagMs >= limits.alarmMs;
    if (failingMs === 0 && !isBehind) {
      if (this.#toldMs !== null) log.info('the search index is up to date again', { changesIndexed });
      this.#toldMs = null;
      return;
    }
    const isFirst = this.#toldMs === null;
    if (!isFirst && nowMs - (this.#toldMs ?? nowMs) < limits.alarmMs) return;
    this.#toldMs = nowMs;
    const seconds = { failingForSeconds: Math.round(failingMs / 1_000), behindForSeconds: Math.round(lagMs / 1_000) };
    if (failingMs > 0) {
      const fields = { error: failingWhy, ...seconds };
      if (isFirst) log.warn('messages cannot be indexed for the search at the moment', fields);
      else log.error('the search index is not fed: chat goes on, and searches lack what is new', fields);
    } else if (comparing > 0) log.info('the search index is being brought up to date', { comparing, changesIndexed });
    else log.error('the search index is behind', { ...seconds, changesIndexed });
  }
}
