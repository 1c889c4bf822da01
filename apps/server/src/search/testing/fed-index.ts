import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  err,
  sequenceId,
  systemClock,
  systemRandom,
  systemTimers,
  type ConversationId,
  type NodeId,
  type Result,
  type UserId,
} from '@millrace/kernel';
import { STORE_FORMAT } from '@millrace/partition';
import {
  ChatNode,
  defaultIndexerLimits,
  EMBEDDED_INDEX,
  Indexer,
  noFieldRules,
  silentTrace,
  type FieldRules,
  type IndexerLimits,
} from '@millrace/messaging';
import type { Ack, FrameError } from '@millrace/protocol';
import { RedisStores } from '@millrace/redis-store';
import type { SearchIndex, SearchQuery } from '@millrace/search';
import { SqliteSearch } from '@millrace/search/sqlite';
import { limitsOf } from '../../node-parts.ts';
import { readServerConfig } from '../../server-config.ts';

const workerProgram = new URL('../../../../../dist/search-worker.mjs', import.meta.url);

/** What only a value can be; an error fails the test and shows itself. */
export function valueOf<T>(result: Result<T, unknown>): T {
  if (result.ok) return result.value;
  throw new Error(`expected a value, got ${JSON.stringify(result.error)}`);
}

export interface FedIndexOptions {
  readonly redisUrl: string;
  readonly directory?: string;
  readonly rules?: FieldRules;
  readonly limits?: Partial<IndexerLimits>;
  readonly partitionCount?: number;
  readonly feedKeptMs?: number;
  /** What is fed, over the index that was opened. */
  readonly over?: (index: SearchIndex) => SearchIndex;
}

const nobody = {
  push: () => undefined,
  receipt: () => undefined,
  receipts: () => undefined,
  presence: () => undefined,
  typing: () => undefined,
  resync: () => undefined,
};

/** A node of its own over a real Redis, in this process, with an index in SQLite that it feeds. */
export class FedIndex {
  readonly directory: string;
  readonly index: SearchIndex;
  readonly indexer: Indexer;
  readonly node: ChatNode;
  readonly said: string[] = [];
  readonly #stores: RedisStores;
  #key = 0;

  private constructor(options: FedIndexOptions, stores: RedisStores, index: SearchIndex, directory: string) {
    const {
      rules = noFieldRules,
      limits,
      partitionCount = 4,
      feedKeptMs,
      over = (same: SearchIndex): SearchIndex => same,
    } = options;
    const clock = systemClock;
    const timers = systemTimers;
    const log = {
      info: (message: string) => this.said.push(`info ${message}`),
      warn: (message: string) => this.said.push(`warn ${message}`),
      error: (message: string, fields?: unknown) => this.said.push(`error ${message} ${JSON.stringify(fields)}`),
    };
    const read = valueOf(readServerConfig({}));
    const nodeLimits = limitsOf(read.config);
    this.#stores = stores;
    this.directory = directory;
    this.index = index;
    this.indexer = new Indexer({
      ...{ index: over(index), identity: EMBEDDED_INDEX, rules, names: stores.names, clock, timers, log },
      limits: { ...defaultIndexerLimits, ...limits },
    });
    this.node = new ChatNode({
      ...{
        stores,
        search: index,
        indexer: this.indexer,
        streams: stores.nodeStreams,
        partitionCount,
        storeFormat: STORE_FORMAT,
      },
      ...{ clock, timers, log, random: systemRandom, trace: silentTrace },
      ...{
        node: `fed.${systemRandom.id().slice(0, 8)}` as NodeId,
        name: 'fed',
        roles: ['actors'],
        url: '',
        socketUrl: '',
      },
      ...{ ackLevel: 'memory', leaseMs: 10_000 },
      limits: {
        ...nodeLimits,
        partition: { ...nodeLimits.partition, ...(feedKeptMs === undefined ? {} : { feedKeptMs, cursorIdleMs: 50 }) },
      },
      pushPort: nobody,
      sessionPort: { list: () => [], kick: () => 0, arrivals: () => [], replace: () => null },
      livePort: {
        ...{ entered: () => undefined, left: () => undefined, live: () => undefined, at: () => undefined },
        ...{ stands: () => undefined, over: () => undefined, gone: () => undefined },
      },
      onLost: () => undefined,
    });
  }

  static async start(options: FedIndexOptions): Promise<FedIndex> {
    const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'millrace-fed-'));
    const stores = await RedisStores.connect({
      ...{ url: options.redisUrl, ackLevel: 'memory', storeFormat: STORE_FORMAT },
      ...{ clock: systemClock, timers: systemTimers, random: systemRandom },
    });
    if (!stores.ok) throw new Error(stores.error.message);
    const index = valueOf(await SqliteSearch.open({ directory, program: workerProgram }));
    const fed = new FedIndex(options, stores.value, index, directory);
    await fed.node.start();
    return fed;
  }

  /** @param keeps - leaves the directory to the next one. */
  async stop(keeps = false): Promise<void> {
    await this.node.stop();
    await this.index.close();
    this.#stores.close();
    if (!keeps) rmSync(this.directory, { recursive: true, force: true });
  }

  async create(conversation: string, members: readonly string[]): Promise<void> {
    const command = { kind: 'group', title: '', members: members as readonly UserId[] } as const;
    valueOf(
      await this.node.chat.createFor('ann' as UserId, { ...command, conversation: conversation as ConversationId }),
    );
  }

  async send(
    conversation: string,
    body: string,
    more: { readonly from?: string; readonly type?: 'text' | 'custom'; readonly window?: number } = {},
  ): Promise<Omit<Ack, 't' | 'id'>> {
    const { from = 'ann', type = 'text' } = more;
    return this.#insist(async (key) =>
      this.node.chat.publishKeyed({
        ...{ conversation: conversation as ConversationId, from: from as UserId, type, body, key },
        window: more.window ?? valueOf(await this.node.chat.info(conversation as ConversationId)).keyWindow,
      }),
    );
  }

  async edit(conversation: string, seq: number, body: string): Promise<void> {
    await this.#insist(async (key) =>
      this.node.chat.editFor({
        ...{ conversation: conversation as ConversationId, from: 'ann' as UserId, body, key, seq: sequenceId(seq) },
        window: valueOf(await this.node.chat.info(conversation as ConversationId)).keyWindow,
      }),
    );
  }

  async recall(conversation: string, seq: number): Promise<void> {
    valueOf(await this.node.chat.recallFor(conversation as ConversationId, sequenceId(seq)));
  }

  async #insist<T>(ask: (key: string) => Promise<Result<T, FrameError>>): Promise<T> {
    this.#key += 1;
    return valueOf(await ask(`${systemRandom.id().slice(0, 8)}-${String(this.#key)}`));
  }

  /** Seqs that a text finds by the index alone, rising. */
  async found(text: string, conversations: readonly string[], more: Partial<SearchQuery> = {}): Promise<string[]> {
    const page = await this.index.search({
      scope: conversations.map((conversation) => ({
        conversation: conversation as ConversationId,
        visible: [{ from: sequenceId(1), to: sequenceId(Number.MAX_SAFE_INTEGER) }],
      })),
      ...{ text, prefix: false, sort: 'time', limit: 100 },
      ...more,
    });
    return valueOf(page)
      .hits.map(({ conversation, seq }) => `${conversation} ${String(seq)}`)
      .sort();
  }
}

/** An index that answers nothing while it is down. */
export function switchable(): { isDown: boolean; over(this: void, index: SearchIndex): SearchIndex } {
  const state = {
    isDown: false,
    over: (index: SearchIndex): SearchIndex =>
      new Proxy(index, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name, target);
          if (typeof value !== 'function') return value;
          const call = value as (...args: unknown[]) => unknown;
          return (...args: unknown[]) =>
            state.isDown
              ? Promise.resolve(
                  err({ code: 'unavailable', retry: 'backoff', message: 'It is down.', whatToDo: 'Wait.' }),
                )
              : call.apply(target, args);
        },
      }),
  };
  return state;
}
