import { LRUCache } from 'lru-cache';

export interface RestingLimits {
  /** Actors kept in memory while nothing is asked of them. */
  readonly actorsMax: number;
  /** The sum of their weights (about one for each member or conversation that they remember). */
  readonly weightMax: number;
}

/** An actor, and the part of the node that it belongs to and is lost with, such as the number of its partition. */
interface Resting<Actor> {
  readonly actor: Actor;
  readonly home: number;
}

/**
 * Stands beside the last resting actor while that one is taken out. The cache empties itself when its only entry goes,
 * and that costs time in proportion to `actorsMax`, not to what is in it: for each message, on a quiet node.
 */
const COMPANION = '';

/**
 * The actors of a node that are in memory with nothing to do. The least recently used ones are forgotten over the
 * limits: that is passivation, and it loses nothing, because an idle actor equals its record in the store.
 *
 * (R1) Those of one home are forgotten without looking at any other: a node that stops lets go of hundreds of homes.
 */
export class RestingActors<Key extends string, Actor extends { readonly weight: number }> {
  readonly #cache: LRUCache<Key | typeof COMPANION, Resting<Actor | null>>;
  readonly #byHome = new Map<number, Set<Key>>();

  constructor(limits: RestingLimits) {
    this.#cache = new LRUCache({
      max: limits.actorsMax,
      maxSize: limits.weightMax,
      sizeCalculation: ({ actor }) => actor?.weight ?? 1,
      dispose: ({ actor, home }, key) => {
        if (actor !== null) this.#gone(home, key as Key);
      },
    });
  }

  get size(): number {
    return this.#cache.size - (this.#cache.has(COMPANION) ? 1 : 0);
  }

  /** Takes an actor out, to work on it. */
  wake(key: Key): Actor | undefined {
    const resting = this.#cache.get(key);
    if (resting === undefined) return undefined;
    if (this.#cache.size === 1) this.#cache.set(COMPANION, { actor: null, home: 0 });
    this.#cache.delete(key);
    return resting.actor ?? undefined;
  }

  has(key: Key): boolean {
    return this.#cache.has(key);
  }

  /** One that stays where it is: it is only asked, and counts as used. */
  at(key: Key): Actor | undefined {
    return this.#cache.get(key)?.actor ?? undefined;
  }

  rest(key: Key, actor: Actor, home: number): void {
    this.#cache.set(key, { actor, home });
    // One that is heavier than all of it may be is not kept.
    if (!this.#cache.has(key)) return;
    const keys = this.#byHome.get(home);
    if (keys === undefined) this.#byHome.set(home, new Set([key]));
    else keys.add(key);
  }

  /** Forgets every actor of a home. */
  forget(home: number): void {
    for (const key of [...(this.#byHome.get(home) ?? [])]) this.#cache.delete(key);
  }

  #gone(home: number, key: Key): void {
    const keys = this.#byHome.get(home);
    if (keys?.delete(key) === true && keys.size === 0) this.#byHome.delete(home);
  }
}
