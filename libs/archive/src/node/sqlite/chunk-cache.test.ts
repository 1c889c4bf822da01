import type { ConversationId } from '@millrace/kernel';
import type { GenerationSpan } from '@millrace/timeline';
import { describe, expect, it } from 'vitest';
import { at, conversationId, room, span } from '../../conformance/a-conversation.ts';
import { ChunkCache, type FoundRows, type HeldRows, type Touched } from './chunk-cache.ts';

const other = conversationId('other');
const LARGE = 1_000_000;

/** Rows of `each` seqs that hold a span. */
function held(gen: number, first: number, last: number, each = 50, bytes = 100): HeldRows {
  const rows = [];
  for (let begin = first; begin <= last; begin += each) rows.push({ first: begin, bytes: new Uint8Array(bytes) });
  return { ...span(gen, first, last), rows };
}

const found = (spans: readonly GenerationSpan[], ...all: readonly HeldRows[]): FoundRows => ({ spans, held: all });

function keep(cache: ChunkCache, what: FoundRows, conversation: ConversationId = room): void {
  cache.read(cache.reading(conversation), what);
}

/** Where the rows of a page begin; null when it is not kept. */
function begins(cache: ChunkCache, first: number, last: number, conversation: ConversationId = room) {
  const query = { from: at(1, first), to: at(1, last), limit: 200, direction: 'forward' } as const;
  return cache.rowsOf(conversation, query)?.flatMap(({ rows }) => rows.map((row) => row.first)) ?? null;
}

const all = (conversation: ConversationId): Touched => ({ kind: 'all', conversation });
const ends = (...conversations: readonly ConversationId[]): Touched => ({
  kind: 'ends',
  conversations: new Set(conversations),
});

function write(cache: ChunkCache, touched: Touched, isAnswered = true): void {
  cache.written(cache.writing(), isAnswered, touched);
}

describe('rows that are kept', () => {
  it('are those of pages that were found whole, and of no others', () => {
    const cache = new ChunkCache(LARGE);
    keep(cache, found([span(1, 1, 500)], held(1, 101, 320)));
    expect(begins(cache, 120, 260)).toEqual([101, 151, 201, 251]);
    // Of seqs 301 to 350 it was told only a part.
    expect(begins(cache, 120, 301)).toBeNull();
    expect(begins(cache, 100, 120)).toBeNull();
    expect(begins(cache, 120, 260, other)).toBeNull();
  });

  it('begin and end where the archive does', () => {
    const cache = new ChunkCache(LARGE);
    keep(cache, found([span(1, 37, 170)], held(1, 37, 170)));
    expect(begins(cache, 1, 400)).toEqual([37, 87, 137]);
  });

  it('are one row where it goes on into the next block', () => {
    const cache = new ChunkCache(LARGE);
    keep(cache, found([span(1, 1, 400)], held(1, 1, 400, 160)));
    expect(begins(cache, 130, 325)).toEqual([1, 161, 321]);
    keep(cache, found([span(1, 1, 60)], held(1, 1, 60, 3)), other);
    expect(begins(cache, 40, 60, other)).toEqual([40, 43, 46, 49, 52, 55, 58]);
  });

  it('go over generations, as far as they are known', () => {
    const cache = new ChunkCache(LARGE);
    const spans = [span(1, 1, 60), span(3, 61, 90)];
    const query = { from: at(1, 55), to: at(3, 70), limit: 200, direction: 'backward' } as const;
    keep(cache, found(spans, held(1, 1, 60)));
    expect(cache.rowsOf(room, query)).toBeNull();
    keep(cache, found(spans, held(3, 61, 90)));
    expect(cache.rowsOf(room, query)?.map((part) => part.span)).toEqual([span(3, 61, 70), span(1, 55, 60)]);
  });
});

describe('a write', () => {
  it('that appends leaves rows, and lets go of where the conversation ends', () => {
    const cache = new ChunkCache(LARGE);
    keep(cache, found([span(1, 1, 70)], held(1, 1, 70)));
    keep(cache, found([span(1, 1, 70)], held(1, 1, 70)), other);
    write(cache, ends(room));
    expect(begins(cache, 60, 70)).toBeNull();
    expect(begins(cache, 60, 70, other)).toEqual([51]);
    keep(cache, found([span(1, 1, 120)], held(1, 101, 120)));
    expect(begins(cache, 60, 70)).toEqual([51]);
    expect(begins(cache, 60, 71)).toBeNull();
  });

  it('that changes a conversation lets go of all of it, and of no other one', () => {
    const cache = new ChunkCache(LARGE);
    for (const name of [room, other]) keep(cache, found([span(1, 1, 100)], held(1, 1, 100)), name);
    write(cache, all(room));
    keep(cache, found([span(1, 1, 100)], held(1, 1, 50)));
    expect(begins(cache, 1, 50)).toEqual([1]);
    expect(begins(cache, 51, 100)).toBeNull();
    expect(begins(cache, 51, 100, other)).toEqual([51]);
  });

  it('that ends while somebody reads keeps what they find from being kept: it may be of before', () => {
    const cache = new ChunkCache(LARGE);
    const number = cache.writing();
    const [before, beside] = [cache.reading(room), cache.reading(other)];
    cache.written(number, true, all(room));
    cache.read(before, found([span(1, 1, 100)], held(1, 1, 100)));
    cache.read(beside, found([span(1, 1, 100)], held(1, 1, 100)));
    expect(begins(cache, 1, 50)).toBeNull();
    expect(begins(cache, 1, 50, other)).toEqual([1]);
    keep(cache, found([span(1, 1, 100)], held(1, 1, 50)));
    expect(begins(cache, 51, 100)).toBeNull();
  });

  it('that appends while somebody reads keeps only their spans from being kept', () => {
    const cache = new ChunkCache(LARGE);
    const reading = cache.reading(room);
    write(cache, ends(room));
    cache.read(reading, found([span(1, 1, 70)], held(1, 1, 70)));
    expect(begins(cache, 1, 50)).toBeNull();
    keep(cache, found([span(1, 1, 120)]));
    expect(begins(cache, 1, 70)).toEqual([1, 51]);
    expect(begins(cache, 1, 71)).toBeNull();
  });

  it('without an answer lets go of everything, and nothing is kept until a later one has an answer', () => {
    const cache = new ChunkCache(LARGE);
    const rows = found([span(1, 1, 100)], held(1, 1, 100));
    keep(cache, rows, other);
    const [earlier, lost] = [cache.writing(), cache.writing()];
    const before = cache.reading(other);
    cache.written(lost, false, all(room));
    expect(cache.size).toEqual({ bytes: 0, conversations: 0 });
    cache.read(before, rows);
    keep(cache, rows);
    cache.written(earlier, true, all(other));
    keep(cache, rows);
    expect(cache.size.bytes).toBe(0);
    const meanwhile = cache.reading(room);
    write(cache, ends(other));
    cache.read(meanwhile, rows);
    expect(cache.size.bytes).toBe(0);
    keep(cache, rows);
    expect(begins(cache, 1, 50)).toEqual([1]);
  });
});

describe('what is kept', () => {
  it('is bounded by bytes, and nothing is left of a conversation of which nothing is kept (I9)', () => {
    const cache = new ChunkCache(20_000);
    for (let index = 0; index < 500; index += 1) {
      const name = conversationId(`c${String(index)}`);
      keep(cache, found([span(1, 1, 150)], held(1, 1, 150, 50, 1_000)), name);
      expect(cache.size.bytes).toBeLessThanOrEqual(20_000);
    }
    expect(cache.size.conversations).toBeGreaterThan(1);
    expect(cache.size.conversations).toBeLessThan(10);
    expect(begins(cache, 1, 150, conversationId('c499'))).toHaveLength(3);
    for (let index = 0; index < 500; index += 1) write(cache, all(conversationId(`c${String(index)}`)));
    expect(cache.size).toEqual({ bytes: 0, conversations: 0 });
  });

  it('is nothing that is larger than all that may be kept', () => {
    const cache = new ChunkCache(20_000);
    keep(cache, found([span(1, 1, 50)], held(1, 1, 50, 50, 30_000)));
    keep(cache, found(Array.from({ length: 500 }, (_, index) => span(1 + index, 1 + index, 1 + index))), other);
    expect(cache.size).toMatchObject({ conversations: 1 });
    expect(begins(cache, 1, 50)).toBeNull();
  });

  it('goes with the cache when it is closed', () => {
    const cache = new ChunkCache(LARGE);
    keep(cache, found([span(1, 1, 100)], held(1, 1, 100)));
    cache.close();
    write(cache, ends(other));
    keep(cache, found([span(1, 1, 100)], held(1, 1, 100)));
    expect(cache.size).toEqual({ bytes: 0, conversations: 0 });
  });
});
