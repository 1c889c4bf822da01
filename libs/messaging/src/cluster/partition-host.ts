import type { RestingActors } from '@millrace/actor';
import {
  err,
  ok,
  type ConversationId,
  type Generation,
  type PartitionId,
  type Result,
  type UserId,
} from '@millrace/kernel';
import {
  PartitionOwner,
  takenSoon,
  type ActorRecord,
  type PartitionActor,
  type Placement,
  type Refusal,
} from '@millrace/partition';
import { frameError, type FrameError } from '@millrace/protocol';
import {
  conversationKey,
  StoreUnavailable,
  userKey,
  type ActorKey,
  type TimelineHead,
  type TimelineReader,
} from '@millrace/timeline';
import { isQuestion, type AnyCommand, type AnyReply } from '../actor-calls.ts';
import type { ConversationHead } from '../conversation/commands.ts';
import { partialHead, partialWatch } from '../conversation/partial-record.ts';
import type { KeptTiers } from '../conversation/commands.ts';
import { storedTiers } from '../conversation/tiers.ts';
import { encodeFeed, type FeedChange } from '../diffuse/changefeed-entry.ts';
import { Diffuser } from '../diffuse/diffuser.ts';
import type { Planned } from '../diffuse/plan.ts';
import type { UserChannels } from '../diffuse/user-channels.ts';
import type { FeedStanding } from '../indexing/index-cursor.ts';
import type { Effect } from '../effects.ts';
import type { ChatNodeParts } from '../chat-node-parts.ts';
import type { Attached } from '../chat-service.ts';
import { Lobbies } from '../lobby/lobbies.ts';
import type { UserCalls } from '../user/commands.ts';
import type { Arrival } from './arrival.ts';
import type { PartitionStatus } from './cluster-status.ts';
import type { HeadHere } from './heads.ts';
import type { NodeAnswer, Priority } from './node-messages.ts';
import { StoreChecks } from './store-checks.ts';
import { Successions } from './successions.ts';

type Actor = PartitionActor<AnyCommand, AnyReply, Effect>;
type Owner = PartitionOwner<AnyCommand, AnyReply, Effect>;

export interface PartitionHostParts extends Pick<
  ChatNodeParts,
  'node' | 'ackLevel' | 'clock' | 'timers' | 'random' | 'log' | 'limits' | 'trace'
> {
  readonly stores: Pick<ChatNodeParts['stores'], 'partitions'> & { readonly timelines: TimelineReader };
  readonly resting: RestingActors<ActorKey, Actor>;
  readonly channels: UserChannels;
  activate(key: ActorKey, record: ActorRecord, gen: Generation): Actor;
  partitionOf(key: ActorKey): PartitionId;
  /** Whether this node may act for its partitions, by its own clock. */
  mayServe(): boolean;
  /** The newest generation of the partition that is known here, 0 for none. */
  knownGen(partition: PartitionId): Generation;
  /** What the newest view says of the partition, to this node. */
  placementOf(partition: PartitionId): Placement;
  recall(change: FeedChange): Promise<Result<readonly Planned[], FrameError>>;
  /** Called after each claim. */
  claimed(partition: PartitionId, gen: Generation): void;
  /** What an actor wants told, after its commit. */
  told(effects: readonly Effect[]): void;
  /** Another owner has claimed the partition; this node has let go of it. */
  lost(partition: PartitionId, why: string): void;
}

interface Hosted {
  readonly owner: Owner;
  readonly diffuser: Diffuser;
  /** Null before the claim. */
  claimed: Promise<void> | null;
}

function refusalError({ code, message }: Refusal): FrameError {
  if (code === 'overloaded') return frameError('overloaded', message);
  if (code === 'poison') return frameError('internal', message);
  return frameError('unavailable', message);
}

/**
 * The partitions that this node owns, or is about to, each with the diffusion of what it commits.
 *
 * (H1) A command for a partition that is not here is answered `not_owner`, and nothing of it was done.
 * (H2) A partition that was handed back or lost leaves nothing of its actors in memory.
 */
export class PartitionHost {
  readonly #parts: PartitionHostParts;
  readonly #hosted = new Map<PartitionId, Hosted>();
  readonly #successions: Successions;
  readonly #checks: StoreChecks;
  readonly lobbies: Lobbies;

  constructor(parts: PartitionHostParts) {
    this.#parts = parts;
    this.#successions = new Successions((partition) => parts.placementOf(partition));
    const { clock, timers, log, limits, stores } = parts;
    this.#checks = new StoreChecks({
      timers,
      owners: () => [...this.#hosted.values()].map(({ owner }) => owner),
      stands: (partition) => stores.partitions.stands(partition),
    });
    this.lobbies = new Lobbies({
      ...{ clock, timers, log, messaging: limits.messaging, limits: limits.lobbies },
      partitionOf: (key) => parts.partitionOf(key),
      has: (partition) => this.has(partition),
      epochOf: (partition) => {
        const owner = this.#hosted.get(partition)?.owner;
        return owner?.isServing === true ? owner.epoch : null;
      },
      mayServe: () => parts.mayServe(),
      stored: (partition, key, command) =>
        new Promise((resolve) => {
          this.#postStored(partition, key, command, resolve, 'client');
        }),
      told: (effects) => {
        parts.told(effects);
      },
    });
  }

  get partitions(): ReadonlySet<PartitionId> {
    return new Set(this.#hosted.keys());
  }

  has(partition: PartitionId): boolean {
    return this.#hosted.has(partition);
  }

  get serving(): number {
    let count = 0;
    for (const { owner } of this.#hosted.values()) if (owner.isServing) count += 1;
    return count;
  }

  get queued(): number {
    let count = 0;
    for (const { owner } of this.#hosted.values()) count += owner.queued;
    return count;
  }

  /** Where a partition's changefeed stands, for who follows it. */
  standing(partition: PartitionId): FeedStanding | 'waits' | 'gone' {
    const owner = this.#hosted.get(partition)?.owner;
    if (owner === undefined) return 'gone';
    if (!owner.isServing || !this.#parts.mayServe()) return 'waits';
    const { gen, commitNo, feedTrimmedTo: trimmedTo } = owner;
    return { gen, commitNo, trimmedTo };
  }

  /** What an operator is told of each partition here. */
  stats(): readonly PartitionStatus[] {
    return [...this.#hosted].map(([partition, { owner }]) => {
      const { epoch, gen, commitNo, isServing, queued, undiffused } = owner;
      return { partition, epoch, gen, commitNo, isServing, queued, undiffused };
    });
  }

  /** Partitions that have lost something and have not recovered yet, each with the generation of that. */
  recovering(): ReadonlyMap<PartitionId, Generation> {
    const recovering = [...this.#hosted].map(([partition, { owner }]) => [partition, owner.recovering] as const);
    return new Map(recovering.filter(([, gen]) => gen > 0));
  }

  recovered(partition: PartitionId, gen: Generation): void {
    this.#hosted.get(partition)?.owner.recovered(gen);
  }

  /** Takes commands for a partition from here on, without serving them before {@link claim}. */
  expect(partition: PartitionId): void {
    if (this.#hosted.has(partition)) return;
    const hosted = this.#host(partition);
    hosted.owner.expect();
    this.#hosted.set(partition, hosted);
    this.#checks.begin();
  }

  /** Resolves once the partition serves, or is not ours any more. Waits for a store that is away. */
  async claim(partition: PartitionId): Promise<void> {
    this.expect(partition);
    const hosted = this.#hosted.get(partition);
    if (hosted === undefined) return;
    hosted.claimed ??= hosted.owner.claim();
    await hosted.claimed;
  }

  /** Finishes what was taken, and hands the partition back with the clean-stop mark. */
  async release(partition: PartitionId): Promise<void> {
    const hosted = this.#hosted.get(partition);
    if (hosted === undefined) return;
    // What comes in from here on is refused, and goes to the next owner.
    this.#hosted.delete(partition);
    this.lobbies.drop(partition);
    await hosted.owner.stop();
    hosted.diffuser.stop();
  }

  /** Lets go at once, of one partition or all. */
  abandon(why: string, partition?: PartitionId): void {
    for (const [each, { owner, diffuser }] of [...this.#hosted]) {
      if (partition !== undefined && each !== partition) continue;
      this.#hosted.delete(each);
      this.lobbies.drop(each);
      owner.abandon(why);
      diffuser.stop();
    }
  }

  /** The connection to the store was lost, or the lease had lapsed: claims again before anything is committed (I5). */
  reclaimAll(): void {
    for (const { owner } of this.#hosted.values()) owner.reclaim();
  }

  /** `answer` is called exactly once, never before this returns. */
  post(
    partition: PartitionId,
    key: ActorKey,
    command: AnyCommand,
    answer: (outcome: NodeAnswer) => void,
    priority: Priority,
  ): void {
    if (this.#hosted.has(partition) && this.lobbies.post(key, command, answer)) return;
    this.#postStored(partition, key, command, answer, priority);
  }

  #postStored(
    partition: PartitionId,
    key: ActorKey,
    command: AnyCommand,
    answer: (outcome: NodeAnswer) => void,
    priority: Priority,
  ): void {
    const hosted = this.#hosted.get(partition);
    if (hosted === undefined) {
      this.#parts.timers.soon(() => {
        answer('not_owner');
      });
      return;
    }
    const told = isQuestion(command) ? hosted.owner.ask(key, command) : null;
    if (told !== null) {
      takenSoon(told, answer, (error) => {
        this.#parts.log.error('an answer could not be taken', { partition, error: String(error) });
      });
      return;
    }
    hosted.owner.post(
      key,
      command,
      (outcome) => {
        if (outcome.ok) answer(outcome.value);
        else if (outcome.error.code === 'not_owner') answer('not_owner');
        else answer(err(refusalError(outcome.error)));
      },
      priority,
    );
  }

  /** Where a conversation stands for a user. It need not come into memory for that. */
  head(partition: PartitionId, conversation: ConversationId, user: UserId): HeadHere | Promise<HeadHere> {
    const owner = this.#hosted.get(partition)?.owner;
    if (owner === undefined) return 'not_here';
    const key = conversationKey(conversation);
    const told = owner.ask(key, { t: 'head', user });
    return told?.ok === true ? (told.value as ConversationHead | null) : this.#headRead(owner, key, user);
  }

  async #headRead(owner: Owner, key: ActorKey, user: UserId): Promise<HeadHere> {
    const read = await partialHead(user, owner.gen, (fields) => owner.readFields(key, fields));
    if (!read.ok) return 'not_here';
    if (read.value !== 'ask') return read.value;
    const asked = await new Promise<NodeAnswer>((resolve) => {
      this.post(owner.partition, key, { t: 'head', user }, resolve, 'client');
    });
    return asked !== 'not_owner' && asked.ok ? (asked.value as ConversationHead | null) : 'not_here';
  }

  /**
   * Where a conversation stands and who of these users is in it, for a node that watches it. A large one need not come into
   * memory because somebody who is in it has connected.
   */
  async watch(partition: PartitionId, conversation: ConversationId, users: readonly UserId[]): Promise<NodeAnswer> {
    const owner = this.#hosted.get(partition)?.owner;
    if (owner === undefined) return 'not_owner';
    const told = this.watchAtRest(partition, conversation, users);
    if (told !== null) return told;
    const key = conversationKey(conversation);
    const read = await partialWatch(users, owner.gen, (fields) => owner.readFields(key, fields));
    if (!read.ok) return err(refusalError(read.error));
    if (read.value === null) return err(frameError('not_found', `there is no conversation ${conversation}`));
    if (read.value !== 'ask') return ok(read.value);
    return new Promise((resolve) => {
      this.post(partition, key, { t: 'watch', users }, resolve, 'client');
    });
  }

  /** The same of one that rests here; null for any other. */
  watchAtRest(partition: PartitionId, conversation: ConversationId, users: readonly UserId[]): NodeAnswer | null {
    const owner = this.#hosted.get(partition)?.owner;
    return owner?.ask(conversationKey(conversation), { t: 'watch', users }) ?? null;
  }

  /** Where a conversation's entries are, without bringing it into memory; null when it cannot be told, or lives elsewhere. */
  async tiers(conversation: ConversationId): Promise<KeptTiers | null> {
    const told = await this.#tiers(conversation);
    return told.ok ? told.value : null;
  }

  /** As far as it is acknowledged; null when there is no such conversation. Rejects with StoreUnavailable. */
  async headOf(conversation: ConversationId): Promise<TimelineHead | null> {
    const told = await this.#tiers(conversation);
    if (!told.ok) throw new StoreUnavailable(told.error);
    return told.value?.head ?? null;
  }

  async #tiers(conversation: ConversationId): Promise<Result<KeptTiers | null, string>> {
    const key = conversationKey(conversation);
    const partition = this.#parts.partitionOf(key);
    const owner = this.#hosted.get(partition)?.owner;
    if (owner === undefined) return err(`${conversation} does not live here`);
    const read = await owner.readFields(key, ['z', 's']);
    if (!read.ok) return err(read.error.message);
    if (read.value !== null) return ok(storedTiers(read.value, owner.gen));
    const asked = await new Promise<NodeAnswer>((resolve) => {
      this.post(partition, key, { t: 'tiers' }, resolve, 'client');
    });
    if (asked === 'not_owner') return err(`${conversation} does not live here`);
    if (asked.ok) return ok(asked.value as KeptTiers);
    return asked.error.code === 'not_found' ? ok(null) : err(asked.error.message);
  }

  /** Where a user's inbox stands: what a gateway is answered that attaches. */
  inboxHead(partition: PartitionId, user: UserId, arrival: Arrival, answer: (outcome: NodeAnswer) => void): void {
    const told = (outcome: NodeAnswer): void => {
      if (outcome === 'not_owner' || !outcome.ok) {
        answer(outcome);
        return;
      }
      const { head, readMode } = outcome.value as UserCalls['attach']['reply'];
      answer(ok({ gen: head.gen, seq: head.seq, arrival, readMode } satisfies Attached));
    };
    this.post(partition, userKey(user), { t: 'attach' }, told, 'client');
  }

  #host(partition: PartitionId): Hosted {
    const { stores, node, ackLevel, clock, timers, random, limits, log, resting, channels, trace } = this.#parts;
    const diffuser = new Diffuser({
      timers,
      channels,
      readFeed: (after, limit) => stores.partitions.readFeed(partition, after, limit),
      recall: async (change) => {
        try {
          return await this.#parts.recall(change);
        } catch (error) {
          if (error instanceof StoreUnavailable) return err(error);
          throw error;
        }
      },
      diffused: (commitNo) => owner.diffused(commitNo),
      traced: (commit) => trace.diffused(commit),
      failed: (error) => {
        log.error('the changefeed of a partition cannot be followed', { partition, error: String(error) });
      },
    });
    const owner: Owner = new PartitionOwner<AnyCommand, AnyReply, Effect>({
      partition,
      node,
      clock,
      timers,
      random,
      log,
      store: stores.partitions,
      level: ackLevel,
      limits: limits.partition,
      resting,
      mayServe: () => this.#parts.mayServe(),
      knownGen: () => this.#parts.knownGen(partition),
      placement: () => this.#successions.placementOf(partition),
      activate: (key, record, gen) => this.#parts.activate(key, record, gen),
      encodeFeed,
      afterCommit: (effects, batch) => {
        if (batch !== null) diffuser.committed(effects, batch.commitNo, trace.committed(partition, batch));
        this.#parts.told(effects);
      },
      claimed: (claim) => {
        this.#successions.claimed(partition);
        // Another owner may have gone on with the lobbies, or made them groups.
        if (!claim.memoryKept) this.lobbies.drop(partition);
        diffuser.claimed(claim);
        this.#parts.claimed(partition, owner.gen);
      },
      lost: (why) => {
        diffuser.stop();
        if (this.#hosted.get(partition)?.owner !== owner) return;
        this.#hosted.delete(partition);
        this.lobbies.drop(partition);
        this.#parts.lost(partition, why);
      },
    });
    return { owner, diffuser, claimed: null };
  }
}
