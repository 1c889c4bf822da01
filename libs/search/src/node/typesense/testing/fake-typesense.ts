import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { FakeCollection, type FakeSearch } from './fake-collection.ts';
import { FakeError, type Document } from './fake-filter.ts';
import type { OpenApiCheck } from './openapi-check.ts';

interface Answer {
  readonly status: number;
  readonly body: unknown;
  /** JSON lines, and no JSON. */
  readonly isLines?: boolean;
}

interface NewCollection {
  readonly name: string;
  readonly fields: FakeCollection['fields'];
}

interface Searches {
  readonly searches: readonly (FakeSearch & { readonly collection: string })[];
}

const SEARCHES_MAX = 50;

/**
 * A small server for tests where no Typesense can be had. It speaks the part of Typesense's HTTP API that is used here, over
 * real sockets, holds every request and answer against a description of that API, and looks at documents one by one. What
 * it does not show: how fast Typesense is, how it ranks, and whether it reads what is asked as this one does.
 */
export class FakeTypesense {
  readonly #server: Server;
  readonly #check: OpenApiCheck;
  readonly #key: string;
  readonly #collections = new Map<string, FakeCollection>();
  readonly #aliases = new Map<string, string>();
  /** While true, every request is answered as by a node that is not ready. */
  isDown = false;
  version = '30.0';

  private constructor(server: Server, check: OpenApiCheck, key: string) {
    this.#server = server;
    this.#check = check;
    this.#key = key;
  }

  static async start(check: OpenApiCheck, key: string): Promise<FakeTypesense> {
    const server = createServer();
    const fake = new FakeTypesense(server, check, key);
    server.on('request', (request, response) => {
      void fake.#serve(request, response);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return fake;
  }

  get url(): string {
    return `http://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}`;
  }

  /** The names of what is there. */
  get collections(): readonly string[] {
    return [...this.#collections.keys()];
  }

  /** @throws when a request or an answer was not as the API is described. */
  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
    this.#check.mustBeClean();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const url = new URL(request.url ?? '/', 'http://localhost');
    const method = (request.method ?? 'GET').toLowerCase();
    let answer: Answer;
    try {
      if (this.isDown) throw new FakeError(503, 'Not Ready or Lagging');
      if (request.headers['x-typesense-api-key'] !== this.#key) {
        throw new FakeError(401, 'Forbidden - a valid `x-typesense-api-key` header must be sent.');
      }
      const body: unknown = text === '' || url.pathname.endsWith('/import') ? text : JSON.parse(text);
      this.#check.request(method, url, body);
      answer = this.#answer(method, url, body);
      this.#check.response(method, url, answer.status, answer.body, answer.isLines === true);
    } catch (error) {
      if (error instanceof FakeError) answer = { status: error.code, body: { message: error.message } };
      else answer = { status: 500, body: { message: `the stand-in failed: ${String(error)}` } };
    }
    response.writeHead(answer.status, { 'content-type': answer.isLines === true ? 'text/plain' : 'application/json' });
    response.end(answer.isLines === true ? String(answer.body) : JSON.stringify(answer.body));
  }

  #answer(method: string, url: URL, body: unknown): Answer {
    const [, kind = '', name = '', ...more] = url.pathname.split('/').map(decodeURIComponent);
    switch ([method, kind, ...(name === '' ? [] : ['*']), ...more].join(' ')) {
      case 'get debug':
        return { status: 200, body: { state: 1, version: this.version } };
      case 'get health':
        return { status: 200, body: { ok: true } };
      case 'get collections':
        return { status: 200, body: [...this.#collections.values()].map(({ described }) => described) };
      case 'post collections':
        return this.#makeCollection(body as NewCollection);
      case 'delete collections *': {
        const collection = this.#collection(name);
        this.#collections.delete(collection.name);
        return { status: 200, body: collection.described };
      }
      case 'post collections * documents import':
        return { status: 200, body: this.#import(name, String(body)), isLines: true };
      case 'delete collections * documents': {
        const filter = url.searchParams.get('filter_by') ?? '';
        return { status: 200, body: { num_deleted: this.#collection(name).remove(filter) } };
      }
      case 'post multi_search':
        return { status: 200, body: { results: this.#multiSearch(body as Searches) } };
      case 'get aliases *':
        return { status: 200, body: this.#alias(name) };
      case 'put aliases *':
        this.#aliases.set(name, (body as { readonly collection_name: string }).collection_name);
        return { status: 200, body: this.#alias(name) };
      case 'delete aliases *': {
        const alias = this.#alias(name);
        this.#aliases.delete(name);
        return { status: 200, body: alias };
      }
      default:
        throw new FakeError(404, `Not Found: ${method} ${url.pathname}`);
    }
  }

  #alias(name: string): Document {
    const collection = this.#aliases.get(name);
    if (collection === undefined) throw new FakeError(404, 'Not Found');
    return { name, collection_name: collection };
  }

  #makeCollection({ name, fields }: NewCollection): Answer {
    if (this.#collections.has(name)) throw new FakeError(409, `A collection with name \`${name}\` already exists.`);
    const collection = new FakeCollection(name, fields);
    this.#collections.set(name, collection);
    return { status: 201, body: collection.described };
  }

  #collection(name: string): FakeCollection {
    const collection = this.#collections.get(this.#aliases.get(name) ?? name);
    if (collection === undefined) throw new FakeError(404, `Could not find a collection named \`${name}\`.`);
    return collection;
  }

  #import(name: string, lines: string): string {
    const collection = this.#collection(name);
    return lines
      .split('\n')
      .map((line) => {
        const error = collection.put(JSON.parse(line) as Document);
        return JSON.stringify(error === null ? { success: true } : { success: false, error, document: line });
      })
      .join('\n');
  }

  #multiSearch({ searches }: Searches): readonly unknown[] {
    if (searches.length > SEARCHES_MAX) throw new FakeError(400, `More than ${String(SEARCHES_MAX)} searches.`);
    return searches.map((search) => {
      try {
        return this.#collection(search.collection).search(search);
      } catch (error) {
        if (error instanceof FakeError) return { code: error.code, error: error.message };
        throw error;
      }
    });
  }
}
