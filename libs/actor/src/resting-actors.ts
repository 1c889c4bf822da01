import { LRUCache } from 'lru-cache';

export interface RestingLimits {
  /** Actors kept in memory while nothing is asked of them. */
  readonly actorsMax: number;
  /** The sum of their weights (about one for each member or conversation that they remember). */
  readonly weightMax: number;
}

/**
 * Stands beside the last resting actor while that one is taken out. The cache empties itself when its only entry goes,
 * and that costs time in proportion to `actorsMax`, not to what is in it: for each message, on a quiet node.
 */
const COMPANION = '';

/**
 * The actors of a node that are in memory with nothing to do. The least recently used ones are forgotten over the
 * limits: that is passivation, and it loses nothing, because an idle actor equals its record in the store.
 */
export class RestingActors<Key extends string, Actor extends { readonly weight: number }> {
  readonly #cache: LRUCache<Key | typeof COMPANION, Actor | typeof COMPANION>;

  constructor(limits: RestingLimits) {
    this.#cache = new LRUCache({
      max: limits.actorsMax,
      maxSize: limits.weightMax,
      sizeCalculation: (actor) => (actor === COMPANION ? 1 : actor.weight),
    });
  }

  get size(): number {
    return this.#cache.size - (this.#cache.has(COMPANION) ? 1 : 0);
  }

  /** Takes an actor out, to work on it. */
  wake(key: Key): Actor | undefined {
    const actor = this.#cache.get(key);
    if (actor === undefined || actor === COMPANION) return undefined;
    if (this.#cache.size === 1) this.#cache.set(COMPANION, COMPANION);
    this.#cache.delete(key);
    return actor;
  }

  has(key: Key): boolean {
    return this.#cache.has(key);
  }

  rest(key: Key, actor: Actor): void {
    this.#cache.set(key, actor);
  }

  /** Forgets every actor that `lost` says is not ours any more. */
  forget(lost: (key: Key) => boolean): void {
    for (const key of [...this.#cache.keys()]) {
      if (key !== COMPANION && lost(key)) this.#cache.delete(key);
    }
  }
}
