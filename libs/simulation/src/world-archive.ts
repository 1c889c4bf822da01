import { MemoryArchiveDisk } from '@millrace/archive/testing';
import { generation, seededRandom, type ConversationId } from '@millrace/kernel';
import type { Commit } from '@millrace/partition';
import { spansOf, type Position } from '@millrace/timeline';
import type { ArchiveFate } from './model-archive.ts';
import type { World } from './world.ts';

const FAULT_CHANCE = 0.05;
/** How likely such a fault is the first of many. */
const AWAY_CHANCE = 0.3;

/** The archive of a world, past all its faults, what becomes of calls to it, and whether it is filled before Redis is emptied. */
export class WorldArchive {
  readonly disk: MemoryArchiveDisk;
  readonly #world: World;
  #awayUntilMs = 0;

  constructor(world: World, seed: number) {
    this.#world = world;
    this.disk = new MemoryArchiveDisk(seededRandom(seed));
  }

  /** How many entries it has. */
  get size(): number {
    const generations = [...this.disk.conversations.values()].flatMap((each) => [...each.values()]);
    return generations.reduce((sum, { length }) => sum + length, 0);
  }

  /** Null for nothing. */
  entryAt(conversation: ConversationId, { gen, seq }: Pick<Position, 'seq'> & { gen: number }): Uint8Array | null {
    const entries = this.disk.conversations.get(conversation)?.get(generation(gen));
    const first = entries?.[0]?.seq;
    return first === undefined ? null : (entries?.[seq - first]?.data ?? null);
  }

  /** Of one call; one that fails may take the archive away for a while. */
  fate(): ArchiveFate {
    const { time, isFaulty } = this.#world;
    const times = { requestMs: this.#world.between(0, 3), replyMs: this.#world.between(0, 3) };
    if (isFaulty && time.nowMs < this.#awayUntilMs) return { kind: 'lose-request', ...times };
    if (!isFaulty || !this.#world.chance(FAULT_CHANCE)) return { kind: 'none', ...times };
    if (this.#world.chance(AWAY_CHANCE)) this.#awayUntilMs = time.nowMs + this.#world.between(100, 3_000);
    return { kind: this.#world.chance(0.5) ? 'lose-request' : 'lose-reply', ...times };
  }

  /** A commit was executed: whatever it took out of a conversation's Timeline must be here already (I8). */
  committed({ writes }: Commit): void {
    for (const { actor, head, trimBefore } of writes) {
      if (trimBefore === null || !actor.startsWith('c:')) continue;
      const conversation = actor.slice(2) as ConversationId;
      const gone = spansOf(head).flatMap(({ gen, first, last }) =>
        Array.from({ length: Math.max(0, Math.min(last, trimBefore.seq - 1) - first + 1) }, (_, index) => ({
          gen,
          seq: (first + index) as typeof first,
        })),
      );
      const lost = gone.find((at) => this.entryAt(conversation, at) === null);
      if (lost === undefined) continue;
      const name = `${conversation} ${String(lost.gen)}-${String(lost.seq)}`;
      this.#world.history.violated(`(I8) ${name} left the hot Timeline, and is not archived`);
    }
  }
}
