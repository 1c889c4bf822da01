import { err, generation, type ConversationId, type Generation, type PartitionId, type Timers } from '@millrace/kernel';
import { frameError } from '@millrace/protocol';
import type { ActorKey } from '@millrace/timeline';
import type { AnyCommand } from '../actor-calls.ts';
import type { NodeAnswer } from '../cluster/node-messages.ts';
import { promotedKey } from './promoted-lobbies.ts';

/** What this node knows of a partition for as long as it owns it, and nobody else can have owned it in between. */
export interface LobbyTenure {
  readonly partition: PartitionId;
  /** Lobbies that have become groups, or were about to. */
  readonly promoted: Set<ConversationId>;
  /** Below every generation that this node gives, and above all that others before it have given. */
  readonly firstGen: number;
  /** Lobbies that have begun. */
  begun: number;
}

export interface LobbyTenuresParts {
  readonly timers: Timers;
  epochOf(partition: PartitionId): number | null;
  stored(partition: PartitionId, key: ActorKey, command: AnyCommand): Promise<NodeAnswer>;
}

interface Waiting {
  readonly failed: (outcome: NodeAnswer) => void;
  readonly known: () => void;
}

/**
 * Generations of one epoch of a partition. At a thousand lobbies a second begun in one partition they last for twelve
 * days; then it takes another claim.
 */
export const GENS_PER_EPOCH = 2 ** 30;
/** For one partition. */
const WAITING_MAX = 8_192;

/** What the lobbies of each partition of this node begin with. Asked of the store once, when it is needed first. */
export class LobbyTenures {
  readonly #parts: LobbyTenuresParts;
  readonly #known = new Map<PartitionId, LobbyTenure>();
  readonly #waiting = new Map<PartitionId, Waiting[]>();
  /** By partition, how often what was known of it has been dropped. */
  readonly #drops = new Map<PartitionId, number>();

  constructor(parts: LobbyTenuresParts) {
    this.#parts = parts;
  }

  known(partition: PartitionId): LobbyTenure | null {
    return this.#known.get(partition) ?? null;
  }

  /** Calls one of the two, later. */
  whenKnown(partition: PartitionId, failed: Waiting['failed'], known: Waiting['known']): void {
    const waiting = this.#waiting.get(partition);
    if (waiting !== undefined && waiting.length >= WAITING_MAX) {
      this.#parts.timers.soon(() => {
        failed(err(frameError('overloaded', 'too many requests wait for the lobbies of the partition')));
      });
    } else if (waiting !== undefined) waiting.push({ failed, known });
    else {
      this.#waiting.set(partition, [{ failed, known }]);
      void this.#load(partition);
    }
  }

  /** The next lobby's; null while the partition does not serve. */
  nextGen(tenure: LobbyTenure): Generation | null {
    const epoch = this.#parts.epochOf(tenure.partition);
    if (epoch === null || tenure.begun + 1 >= GENS_PER_EPOCH) return null;
    tenure.begun += 1;
    return generation(epoch * GENS_PER_EPOCH + tenure.begun);
  }

  /** That lobby is about to become a group: null when that is stored, else why it is not, as far as is known. */
  async note(partition: PartitionId, id: ConversationId): Promise<NodeAnswer | null> {
    const noted = await this.#parts.stored(partition, promotedKey(partition), { t: 'promoted', add: id });
    return noted !== 'not_owner' && noted.ok ? null : noted;
  }

  drop(partition: PartitionId): void {
    this.#known.delete(partition);
    this.#drops.set(partition, this.#dropsOf(partition) + 1);
  }

  #dropsOf(partition: PartitionId): number {
    return this.#drops.get(partition) ?? 0;
  }

  async #load(partition: PartitionId): Promise<void> {
    const drops = this.#dropsOf(partition);
    const found = await this.#parts.stored(partition, promotedKey(partition), { t: 'promoted', add: null });
    if (found !== 'not_owner' && found.ok && drops !== this.#dropsOf(partition)) {
      // Of a tenure that is over.
      void this.#load(partition);
      return;
    }
    const epoch = this.#parts.epochOf(partition);
    const waiting = this.#waiting.get(partition) ?? [];
    this.#waiting.delete(partition);
    if (found === 'not_owner' || !found.ok || epoch === null) {
      const why = err(frameError('unavailable', 'the partition is being claimed; try again'));
      for (const { failed } of waiting) failed(found === 'not_owner' || !found.ok ? found : why);
      return;
    }
    const promoted = new Set(found.value as readonly ConversationId[]);
    this.#known.set(partition, { partition, promoted, firstGen: epoch * GENS_PER_EPOCH, begun: 0 });
    for (const { known } of waiting) known();
  }
}
