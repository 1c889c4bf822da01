import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { Client } from 'typesense';
import { isNotFound } from './typesense-errors.ts';
import { FIELDS, type TypesenseDocument } from './typesense-documents.ts';

export interface ServerAddress {
  readonly host: string;
  readonly port: number;
  readonly protocol: string;
  readonly path: string;
}

export interface ServerOptions {
  readonly nodes: readonly ServerAddress[];
  readonly nearest?: ServerAddress;
  readonly key: string;
  readonly answerSecondsMax: number;
}

/** One search of a request of many. */
export interface OneSearch {
  readonly collection: string;
  readonly q: string;
  readonly filter_by: string;
  readonly query_by?: string;
  readonly sort_by?: string;
  readonly include_fields?: string;
  readonly facet_by?: string;
  readonly max_facet_values?: number;
  readonly per_page: number;
  readonly page?: number;
  readonly prefix?: 'true' | 'false';
}

/** What is used of an answer. `code` and `error` when that one search failed. */
export interface OneAnswer {
  readonly found?: number;
  readonly hits?: readonly { readonly document: Readonly<Record<string, unknown>>; readonly text_match?: number }[];
  readonly facet_counts?: readonly {
    readonly field_name?: string;
    readonly counts: readonly { readonly value: string; readonly count: number }[];
  }[];
  readonly search_cutoff?: boolean;
  readonly code?: number;
  readonly error?: string;
}

/** Typesense takes so many searches in one request. */
const SEARCHES_MAX = 50;
/** Words must be there as they are: nothing is guessed, dropped, joined or cut. */
const EXACT = {
  num_typos: '0',
  drop_tokens_threshold: 0,
  typo_tokens_threshold: 0,
  exhaustive_search: true,
  highlight_fields: 'none',
  highlight_full_fields: 'none',
};

/** What Millrace asks of Typesense, by the library of its makers. Rejects with that library's errors. */
export class TypesenseServer {
  readonly #client: Client;
  readonly #agents: readonly { destroy(): void }[];

  constructor({ nodes, nearest, key, answerSecondsMax }: ServerOptions) {
    const httpAgent = new HttpAgent({ keepAlive: true });
    const httpsAgent = new HttpsAgent({ keepAlive: true });
    this.#agents = [httpAgent, httpsAgent];
    this.#client = new Client({
      nodes: [...nodes],
      ...(nearest === undefined ? {} : { nearestNode: nearest }),
      apiKey: key,
      connectionTimeoutSeconds: answerSecondsMax,
      // Another node each time; the caller tries again later.
      numRetries: nodes.length + (nearest === undefined ? 0 : 1),
      retryIntervalSeconds: 0.2,
      healthcheckIntervalSeconds: 15,
      logLevel: 'silent',
      httpAgent,
      httpsAgent,
    });
  }

  close(): void {
    for (const agent of this.#agents) agent.destroy();
  }

  /** `30.0`; of a build that has no number, its name. */
  async version(): Promise<string> {
    const { version } = (await this.#client.debug.retrieve()) as { readonly version?: string };
    return version ?? '';
  }

  async isHealthy(): Promise<boolean> {
    return (await this.#client.health.retrieve()).ok;
  }

  /** Each answer may be an error of its own; what is wrong with the whole request rejects. */
  async search(searches: readonly OneSearch[]): Promise<readonly OneAnswer[]> {
    const answers: OneAnswer[] = [];
    for (let from = 0; from < searches.length; from += SEARCHES_MAX) {
      const some = searches.slice(from, from + SEARCHES_MAX).map((search) => ({ ...EXACT, ...search }));
      const { results } = (await this.#client.multiSearch.perform({ searches: some } as never)) as unknown as {
        readonly results: readonly OneAnswer[];
      };
      answers.push(...results);
    }
    return answers;
  }

  /** Makes or replaces documents. */
  async write(collection: string, documents: readonly TypesenseDocument[]): Promise<void> {
    if (documents.length === 0) return;
    await this.#client
      .collections(collection)
      .documents()
      .import([...documents], { action: 'upsert', dirty_values: 'reject' });
  }

  /** @returns how many documents there were. */
  async remove(collection: string, filter: string): Promise<number> {
    const documents = this.#client.collections(collection).documents();
    const { num_deleted: count } = (await documents.delete({ filter_by: filter, batch_size: 1_000 })) as {
      readonly num_deleted: number;
    };
    return count;
  }

  async makeCollection(name: string): Promise<void> {
    await this.#client.collections().create({ name, fields: FIELDS.map((field) => ({ ...field })) } as never);
  }

  /** Nothing happens when it is not there. */
  async dropCollection(name: string): Promise<void> {
    await ifThere(() => this.#client.collections(name).delete());
  }

  async collections(): Promise<readonly string[]> {
    const all = await this.#client.collections().retrieve();
    return all.map(({ name }) => name);
  }

  /** The collection that an alias leads to. */
  async alias(name: string): Promise<string | null> {
    const found = await ifThere(() => this.#client.aliases(name).retrieve());
    return found === null ? null : found.collection_name;
  }

  async setAlias(name: string, collection: string): Promise<void> {
    await this.#client.aliases().upsert(name, { collection_name: collection });
  }

  /** Nothing happens when it is not there. */
  async dropAlias(name: string): Promise<void> {
    await ifThere(() => this.#client.aliases(name).delete());
  }

  /** A key that searches within a filter alone. Made here, without a request; Typesense checks it by its parent. */
  scopedKey(parent: string, filter: string, expiresAtSeconds: number): string {
    return this.#client.keys().generateScopedSearchKey(parent, { filter_by: filter, expires_at: expiresAtSeconds });
  }
}

async function ifThere<T>(work: () => Promise<T>): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    if (isNotFound(error)) return null;
    throw error;
  }
}
