import { RestingActors, type RestingLimits } from '@millrace/actor';
import {
  err,
  type Clock,
  type ConversationId,
  type Generation,
  type NodeId,
  partitionId,
  type PartitionId,
  type Random,
  type Result,
  type Timers,
  type UserId,
} from '@millrace/kernel';
import {
  PartitionOwner,
  partitionOf,
  type AckLevel,
  type ActorRecord,
  type LeaseStore,
  type PartitionActor,
  type PartitionLimits,
  type PartitionLog,
  type PartitionStore,
  type Refusal,
} from '@millrace/partition';
import { frameError, type FrameError } from '@millrace/protocol';
import { conversationKey, StoreUnavailable, userKey, type ActorKey, type TimelineReader } from '@millrace/timeline';
import type { ActorCalls, AnyCommand, AnyReply } from './actor-calls.ts';
import { chatOver } from './chat.ts';
import { BirthActor, birthKey, PartitionCountMismatch } from './cluster/birth-actor.ts';
import type { ChatService, UserPushPort } from './chat-service.ts';
import { ConversationActor } from './conversation/conversation-actor.ts';
import { decodeConversation } from './conversation/conversation-record.ts';
import { encodeFeed } from './diffuse/changefeed-entry.ts';
import { Diffuser } from './diffuse/diffuser.ts';
import { recall } from './diffuse/recall.ts';
import { UserChannels } from './diffuse/user-channels.ts';
import type { Effect } from './effects.ts';
import type { MessagingLimits } from './limits.ts';
import { NodeLease } from './node-lease.ts';
import { UserActor } from './user/user-actor.ts';
import { decodeUser } from './user/user-record.ts';

export interface ChatNodeLimits {
  readonly messaging: MessagingLimits;
  readonly partition: PartitionLimits;
  readonly resting: RestingLimits;
  /** How long a node that stops waits for what it has committed to reach the inboxes. The changefeed keeps the rest. */
  readonly stopDiffusionMs: number;
}

export interface ChatNodeParts {
  readonly stores: {
    readonly partitions: PartitionStore;
    readonly leases: LeaseStore;
    readonly timelines: TimelineReader;
  };
  readonly node: NodeId;
  /** The same for every run of one node: a new run replaces the one before it at once. */
  readonly identity: string;
  readonly partitionCount: number;
  readonly ackLevel: AckLevel;
  readonly leaseMs: number;
  readonly limits: ChatNodeLimits;
  readonly pushPort: UserPushPort;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: PartitionLog;
  /** Another node holds the lease now: this one serves nothing any more and should end. */
  readonly onLost: (why: string) => void;
}

export interface Readiness {
  readonly ok: boolean;
  readonly reasons: readonly string[];
}

export interface ChatNodeStats {
  readonly partitionsServing: number;
  readonly commandsQueued: number;
  readonly actorsResting: number;
  readonly usersBehind: number;
}

const BIRTH_RETRY_MS = 200;

type Owner = PartitionOwner<AnyCommand, AnyReply, Effect>;

function refusalError({ code, message }: Refusal): FrameError {
  if (code === 'overloaded') return frameError('overloaded', message);
  if (code === 'poison') return frameError('internal', message);
  return frameError('unavailable', message);
}

/**
 * One node: the partitions that it owns, their actors, and the diffusion between them. Owns all partitions of its
 * store, under the lease `cluster` and one claim for each.
 */
export class ChatNode {
  readonly chat: ChatService;
  readonly #parts: ChatNodeParts;
  readonly #lease: NodeLease;
  readonly #owners: readonly Owner[];
  readonly #diffusers: readonly Diffuser[];
  readonly #channels: UserChannels;
  readonly #resting: RestingActors<ActorKey, PartitionActor<AnyCommand, AnyReply, Effect>>;
  readonly #calls: ActorCalls;
  #stopping = false;
  #isLost = false;

  /**
   * Resolves once every partition is claimed and serves. Waits while another node's lease runs.
   *
   * Rejects with {@link PartitionCountMismatch} when the store was born with another number of partitions.
   */
  static async start(parts: ChatNodeParts): Promise<ChatNode> {
    const node = new ChatNode(parts);
    await node.#lease.acquire();
    await Promise.all(node.#owners.map((owner) => owner.claim()));
    await node.#checkBirth();
    return node;
  }

  private constructor(parts: ChatNodeParts) {
    this.#parts = parts;
    this.#resting = new RestingActors(parts.limits.resting);
    this.#lease = new NodeLease({
      ...parts,
      leases: parts.stores.leases,
      onLost: (why) => this.#lost(why),
      onRegained: () => this.#reclaimAll(),
    });
    this.#calls = this.#actorCalls();
    this.chat = chatOver(this.#calls, parts.stores.timelines, parts.random);
    this.#channels = new UserChannels({
      timers: parts.timers,
      deliver: (user, items, answer) => {
        this.#calls.post(userKey(user), { t: 'deliver', items }, answer as (reply: AnyReply) => void, 'follow-up');
      },
      setAside: (user, delivery, answer) => {
        parts.log.error('a delivery was set aside: the inbox breaks there', {
          user,
          conversation: delivery.d === 'messages' ? delivery.facts.conversation : delivery.conversation,
        });
        this.#calls.post(userKey(user), { t: 'break' }, answer as (reply: AnyReply) => void, 'follow-up');
      },
    });
    const partitions = Array.from({ length: parts.partitionCount }, (_, index) => partitionId(index));
    this.#diffusers = partitions.map((partition) => this.#diffuser(partition));
    this.#owners = partitions.map((partition) => this.#owner(partition));
  }

  async #checkBirth(): Promise<void> {
    const { partitionCount, timers } = this.#parts;
    for (;;) {
      const stored = await new Promise<Result<AnyReply, Refusal>>((resolve) => {
        const command: AnyCommand = { t: 'birth', partitionCount };
        this.#owners[0]?.post(birthKey, command, resolve, 'client');
      });
      if (stored.ok && stored.value.ok) {
        if (stored.value.value === partitionCount) return;
        await this.stop();
        throw new PartitionCountMismatch(Number(stored.value.value), partitionCount);
      }
      await new Promise<void>((resolve) => {
        timers.after(BIRTH_RETRY_MS, resolve);
      });
    }
  }

  /** Whether requests can be answered now, and if not, why. */
  ready(): Readiness {
    const reasons: string[] = [];
    const serving = this.#owners.filter(({ isServing }) => isServing).length;
    if (serving < this.#owners.length)
      reasons.push(`${String(serving)} of ${String(this.#owners.length)} partitions serve`);
    if (!this.#lease.isHeld) reasons.push('the lease of this node has run out');
    if (this.#stopping) reasons.push('the node is stopping');
    return { ok: reasons.length === 0, reasons };
  }

  stats(): ChatNodeStats {
    return {
      partitionsServing: this.#owners.filter(({ isServing }) => isServing).length,
      commandsQueued: this.#owners.reduce((sum, { queued }) => sum + queued, 0),
      actorsResting: this.#resting.size,
      usersBehind: this.#channels.size,
    };
  }

  /** The connection to the store was lost and is back: claims again before anything is committed (I5). */
  reclaim(): void {
    if (this.#stopping) return;
    this.#lease.renewNow();
    this.#reclaimAll();
  }

  #reclaimAll(): void {
    for (const owner of this.#owners) owner.reclaim();
  }

  /** Finishes what was taken, hands the partitions back with the clean-stop mark, and lets go of the lease. */
  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    await this.#diffusionDone();
    await Promise.all(this.#owners.map((owner) => owner.stop()));
    for (const diffuser of this.#diffusers) diffuser.stop();
    await this.#lease.release();
  }

  async #diffusionDone(): Promise<void> {
    const { timers, clock, limits } = this.#parts;
    const deadline = clock.monotonicMs() + limits.stopDiffusionMs;
    while (this.#channels.size > 0 && clock.monotonicMs() < deadline) {
      await new Promise<void>((resolve) => {
        timers.after(5, resolve);
      });
    }
  }

  /** Lets go of everything, the lease too: a node that holds it without its partitions would keep others from serving. */
  #lost(why: string): void {
    if (this.#isLost) return;
    this.#isLost = true;
    for (const owner of this.#owners) owner.abandon(why);
    for (const diffuser of this.#diffusers) diffuser.stop();
    void this.#lease.release();
    this.#parts.onLost(why);
  }

  #diffuser(partition: PartitionId): Diffuser {
    const { stores, timers, log } = this.#parts;
    return new Diffuser({
      timers,
      channels: this.#channels,
      readFeed: (after, limit) => stores.partitions.readFeed(partition, after, limit),
      recall: async (change) => {
        try {
          return await recall(this.#calls, stores.timelines, change);
        } catch (error) {
          if (error instanceof StoreUnavailable) return err(error);
          throw error;
        }
      },
      diffused: (commitNo) => this.#owners[partition]?.diffused(commitNo),
      failed: (error) => {
        log.error('the changefeed of a partition cannot be followed', { partition, error: String(error) });
      },
    });
  }

  #owner(partition: PartitionId): Owner {
    const { stores, node, ackLevel, clock, timers, random, limits, log, partitionCount } = this.#parts;
    const diffuser = this.#diffusers[partition];
    return new PartitionOwner<AnyCommand, AnyReply, Effect>({
      partition,
      node,
      clock,
      timers,
      random,
      log,
      store: stores.partitions,
      level: ackLevel,
      limits: limits.partition,
      resting: this.#resting,
      owns: (key) => partitionOf(key, partitionCount) === partition,
      mayServe: () => this.#lease.isHeld,
      activate: (key, record, gen) => this.#activate(key, record, gen),
      encodeFeed,
      afterCommit: (effects, commitNo) => {
        if (commitNo !== null) diffuser?.committed(effects, commitNo);
        this.#push(effects);
      },
      claimed: (claim) => diffuser?.claimed(claim),
      lost: (why) => this.#lost(why),
    });
  }

  #activate(key: ActorKey, record: ActorRecord, gen: Generation): PartitionActor<AnyCommand, AnyReply, Effect> {
    const { ackLevel, limits } = this.#parts;
    if (key === birthKey) return new BirthActor(record, gen);
    const name = key.slice(2);
    return key.startsWith('c:')
      ? new ConversationActor(decodeConversation(name as ConversationId, record, gen), ackLevel, limits.messaging)
      : new UserActor(decodeUser(name as UserId, record, gen), limits.messaging);
  }

  #push(effects: readonly Effect[]): void {
    const { pushPort } = this.#parts;
    for (const effect of effects) {
      if (effect.e === 'inbox') pushPort.push(effect.user, effect.push);
      else if (effect.e === 'broken') pushPort.resync(effect.user, 'incomplete');
      else if (effect.e === 'receipt') pushPort.receipt(effect.users, effect.receipt);
      else if (effect.e === 'typing') pushPort.typing(effect.users, effect.notice);
    }
  }

  #actorCalls(): ActorCalls {
    const partition = (key: ActorKey): PartitionId => partitionOf(key, this.#parts.partitionCount);
    const post: ActorCalls['post'] = (key, command, answer, priority) => {
      const owner = this.#owners[partition(key)];
      if (owner === undefined || (this.#stopping && priority === 'client')) {
        this.#parts.timers.soon(() => {
          answer(err(frameError('draining', 'this node is stopping; reconnect')));
        });
        return;
      }
      owner.post(
        key,
        command,
        (outcome) => {
          answer(outcome.ok ? outcome.value : err(refusalError(outcome.error)));
        },
        priority,
      );
    };
    const ask = (key: ActorKey, command: AnyCommand): Promise<AnyReply> =>
      new Promise((resolve) => {
        post(key, command, resolve, 'client');
      });
    return {
      post,
      partitionOf: partition,
      conversation: (id, command) => ask(conversationKey(id), command) as Promise<never>,
      user: (id, command) => ask(userKey(id), command) as Promise<never>,
    };
  }
}
