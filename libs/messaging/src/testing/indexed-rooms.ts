import { generation, ok, partitionId, type Clock, type ConversationId, type PartitionId } from '@millrace/kernel';
import type { FeedEntry } from '@millrace/partition';
import type { SearchIndex } from '@millrace/search';
import { MemorySearch, MemorySearchDisk } from '@millrace/search/testing';
import type { ActorKey, ConversationNames } from '@millrace/timeline';
import type { ConversationCommand } from '../conversation/commands.ts';
import { encodeFeed } from '../diffuse/changefeed-entry.ts';
import type { FeedStanding } from '../indexing/index-cursor.ts';
import { defaultIndexerLimits, type IndexerLimits, type IndexerNode } from '../indexing/indexer.ts';
import { SomeRooms } from './some-rooms.ts';

const PARTITION = partitionId(0);
const idOf = (actor: ActorKey): ConversationId => actor.slice(2) as ConversationId;

/** A node of one partition with rooms in it, their changefeed, the names of them, and an index to be fed. */
export class IndexedRooms {
  readonly rooms = new SomeRooms();
  readonly disk = new MemorySearchDisk();
  readonly index = new MemorySearch(this.disk);
  /** Rooms that no name tells of: their store is away. */
  readonly unnamed = new Set<string>();
  /** Waited for before names are told. */
  naming: Promise<void> = Promise.resolve();
  /** How often names were asked for. */
  named = 0;
  nowMs = 0;
  /** Of the partition. */
  gen = generation(1);
  /** So many of the last commits the store has lost, and nobody has noticed. */
  lost = 0;
  /** How often it was asked where it stands meanwhile. */
  askedLost = 0;
  readonly #feed: FeedEntry[] = [];

  readonly clock: Clock = { nowMs: () => this.nowMs, monotonicMs: () => this.nowMs };

  readonly limits: IndexerLimits = {
    ...defaultIndexerLimits,
    ...{ gatherMs: 1, idleMs: 5, verifyMs: 1e9, namesPauseMs: 0, lookMs: 5, retry: { msMin: 1, msMax: 5 } },
  };

  readonly names: ConversationNames = {
    page: async () => {
      this.named += 1;
      await this.naming;
      const conversations = [...this.rooms.rooms.keys()].filter((each) => !this.unnamed.has(each));
      return { conversations, next: null };
    },
  };

  /** Hands a command to a room, and what comes of it to the changefeed. */
  do(name: string, command: ConversationCommand): void {
    const data = encodeFeed(this.rooms.do(name, command).effects);
    if (data !== null) this.#feed.push({ commitNo: this.#feed.length + 1, data });
  }

  get standing(): FeedStanding {
    return { gen: this.gen, commitNo: this.#feed.length, trimmedTo: 0 };
  }

  readonly node: IndexerNode = {
    calls: this.rooms.calls,
    reads: {
      timelines: this.rooms.timelines,
      records: {
        fields: (_partition, actor, wanted) => {
          const room = this.rooms.rooms.get(idOf(actor));
          const fields =
            (actor.startsWith('r:') ? room?.beside : room?.stored)?.fields ?? new Map<string, Uint8Array>();
          return Promise.resolve(new Map([...fields].filter(([name]) => wanted.includes(name))));
        },
      },
    },
    headOf: (conversation) => Promise.resolve(this.rooms.rooms.get(conversation)?.state.head.value ?? null),
    standing: () => this.standing,
    readFeed: (_partition, after, limit) => Promise.resolve(ok(this.#stored.slice(after, after + limit))),
    stands: () => {
      if (this.lost > 0) this.askedLost += 1;
      return Promise.resolve(ok({ token: '1:owner', commitNo: this.#stored.length }));
    },
    partitions: (): ReadonlySet<PartitionId> => new Set([PARTITION]),
    partitionCount: 1,
  };

  get #stored(): readonly FeedEntry[] {
    return this.#feed.slice(0, this.#feed.length - this.lost);
  }

  /** What the index has of rooms: `room seq`, as far as it is a message. */
  indexed(): readonly string[] {
    return [...this.disk.live.conversations].flatMap(([room, { messages }]) =>
      [...messages].flatMap(([seq, { document }]) => (document === null ? [] : [`${room} ${String(seq)}`])),
    );
  }
}

/** The same index, in which what is applied waits for `before` first. */
export const applyingBehind = (index: MemorySearch, before: () => Promise<void>): SearchIndex =>
  new Proxy<SearchIndex>(index, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      const call = (value as (...args: unknown[]) => unknown).bind(target);
      if (name !== 'apply') return call;
      return async (...args: unknown[]) => {
        await before();
        return call(...args);
      };
    },
  });
