import type { Generation, NodeId, PartitionId, UserId } from '@millrace/kernel';
import { StoreUnavailable, userKey, type ActorKey } from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';
import type { ChatNodeParts } from '../chat-node-parts.ts';
import type { Effect } from '../effects.ts';
import { confirmed } from '../sync/recount.ts';
import { Confirmer } from './confirmer.ts';
import { Generations, type GenerationNews } from './generations.ts';
import type { PartitionHost } from './partition-host.ts';
import { Recovery } from './recovery.ts';

export interface LossesParts extends Pick<ChatNodeParts, 'stores' | 'timers' | 'log' | 'partitionCount'> {
  readonly calls: ActorCalls;
  partitionOf(this: void, key: ActorKey): PartitionId;
  tell(this: void, node: NodeId, news: GenerationNews): Promise<boolean>;
  host(this: void): Pick<PartitionHost, 'has' | 'recovering' | 'recovered'>;
  /** Has users of these partitions with sockets here told where their inboxes stand. */
  tellInboxes(this: void, partitions: ReadonlySet<PartitionId>): void;
  /** Who knows of users with sockets: here, or of those that live here elsewhere. */
  sockets(this: void): readonly { readonly users: Iterable<UserId>; has(user: UserId): boolean }[];
}

/** What this node does about partitions that lost their end while others kept theirs. */
export class Losses {
  readonly generations: Generations;
  readonly #parts: LossesParts;
  readonly #recovery: Recovery;
  readonly #confirmer: Confirmer;

  constructor(parts: LossesParts) {
    const { stores, timers, log, partitionOf, tell } = parts;
    this.#parts = parts;
    const livesHere = (user: UserId): boolean => parts.host().has(partitionOf(userKey(user)));
    this.#confirmer = new Confirmer({
      timers,
      isConcerned: (user) => livesHere(user) && parts.sockets().some((sockets) => sockets.has(user)),
      confirm: (user) => this.#confirm(user),
    });
    this.generations = new Generations({
      timers,
      partitionOf,
      tell,
      risen: (partitions) => {
        // What an inbox has lost may be of nothing that is left.
        parts.tellInboxes(partitions);
        this.#confirmer.add(parts.sockets().flatMap(({ users }) => [...users].filter(livesHere)));
      },
    });
    this.#recovery = new Recovery({
      ...parts,
      timelines: stores.timelines,
      recovering: () => parts.host().recovering(),
      recovered: (partition, gen) => {
        parts.host().recovered(partition, gen);
      },
      readFeed: (partition, after, limit) => stores.partitions.readFeed(partition, after, limit),
      failed: (source, error) => {
        log.error('a changefeed cannot be read: what others have lost of it is not found', {
          partition: source,
          error: String(error),
        });
      },
    });
  }

  /** A partition of this node was claimed. */
  claimed(partition: PartitionId, gen: Generation): void {
    this.generations.claimed(partition, gen);
    this.#parts.timers.soon(() => {
      void this.#recovery.run();
    });
  }

  /** Users who were told of what may have been lost, and see it. */
  told(effects: readonly Effect[]): void {
    for (const effect of effects) if (effect.e === 'doubtful') this.#confirmer.add([effect.user]);
  }

  /** The user, who lives here, has opened a session somewhere. */
  attached(user: UserId): void {
    if (this.generations.version > 0) this.#confirmer.add([user]);
  }

  stop(): void {
    this.generations.stop();
    this.#recovery.stop();
    this.#confirmer.stop();
  }

  async #confirm(user: UserId): Promise<boolean> {
    const { calls, stores } = this.#parts;
    try {
      return (await confirmed(calls, stores.timelines, user, () => calls.user(user, { t: 'inbox' }))).ok;
    } catch (error) {
      if (error instanceof StoreUnavailable) return false;
      throw error;
    }
  }
}
