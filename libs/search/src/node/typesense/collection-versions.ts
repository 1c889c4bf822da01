import { err, invariant, ok, type Random, type Result } from '@millrace/kernel';
import type { SearchOpenError } from '../../search-errors.ts';
import type { IndexVersion } from '../../search-index.ts';
import { LAYOUT } from './typesense-documents.ts';
import type { TypesenseServer } from './typesense-server.ts';

/** What stands behind the name of the index in the name of a collection. */
const COLLECTION = /^-v(\d+)-[0-9a-f]{12}$/;

/**
 * The versions of an index as collections, and the aliases that say which is which: `NAME-live` and `NAME-next`. What
 * searches ask for is the alias, so that a version takes the place of another one between two requests.
 */
export class CollectionVersions {
  readonly #server: TypesenseServer;
  readonly #name: string;
  readonly #random: Random;

  constructor(server: TypesenseServer, name: string, random: Random) {
    invariant(/^[A-Za-z0-9_-]{1,64}$/.test(name), 'the name of an index is of letters, digits, _ and -');
    this.#server = server;
    this.#name = name;
    this.#random = random;
  }

  /** What searches ask: an alias, good as the name of a collection. */
  get live(): string {
    return `${this.#name}-live`;
  }

  get #next(): string {
    return `${this.#name}-next`;
  }

  /** Makes the first version when there is none. */
  async open(): Promise<Result<void, SearchOpenError>> {
    const live = await this.#server.alias(this.live);
    if (live !== null) {
      const layout = Number(COLLECTION.exec(live.slice(this.#name.length))?.[1] ?? 0);
      if (layout === LAYOUT) return ok(undefined);
      const message = `The collection ${live} has layout ${String(layout)}; this program knows ${String(LAYOUT)}.`;
      return layout > LAYOUT
        ? err({ code: 'too_new', message, whatToDo: 'Start the newer version of Millrace that made it.' })
        : err({ code: 'not_an_index', message, whatToDo: `Remove the alias ${this.live}: the index is made anew.` });
    }
    const made = await this.#make();
    // Of several that come first, the last one says which it is; the others' are removed with the next rebuild.
    await this.#server.setAlias(this.live, made);
    return ok(undefined);
  }

  /** Null for a next version when there is none. */
  async collectionOf(version: IndexVersion): Promise<string | null> {
    if (version === 'live') return this.live;
    return (await this.isBuilding()) ? this.#next : null;
  }

  async isBuilding(): Promise<boolean> {
    return (await this.#server.alias(this.#next)) !== null;
  }

  async begin(): Promise<void> {
    await this.#server.setAlias(this.#next, await this.#make());
    await this.#sweep();
  }

  /** @returns false when there is none to finish. */
  async finish(): Promise<boolean> {
    const next = await this.#server.alias(this.#next);
    if (next === null) return false;
    await this.#server.setAlias(this.live, next);
    await this.#server.dropAlias(this.#next);
    await this.#sweep();
    return true;
  }

  async abandon(): Promise<void> {
    await this.#server.dropAlias(this.#next);
    await this.#sweep();
  }

  async #make(): Promise<string> {
    const name = `${this.#name}-v${String(LAYOUT)}-${this.#random.id().slice(0, 12)}`;
    await this.#server.makeCollection(name);
    return name;
  }

  /** Removes the collections of this index that no alias leads to. */
  async #sweep(): Promise<void> {
    const named = [await this.#server.alias(this.live), await this.#server.alias(this.#next)];
    for (const name of await this.#server.collections()) {
      const isOurs = name.startsWith(this.#name) && COLLECTION.test(name.slice(this.#name.length));
      if (isOurs && !named.includes(name)) await this.#server.dropCollection(name);
    }
  }
}
