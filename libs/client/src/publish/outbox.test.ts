import fc from 'fast-check';
import type { ConversationId } from '@millrace/kernel';
import { frameError } from '@millrace/protocol';
import { expect, test } from 'vitest';
import { Outbox, type OutboxChanges, type OutboxEntry } from './outbox.ts';

const room = 'room' as ConversationId;
const limits = { windowMax: 4, inFlightMax: 100 };
const outOfOrder = (expected: number) => frameError('out_of_order', '', { expected });

/** An outbox whose storage takes everything when told. */
function outboxOf(): { outbox: Outbox; store: () => void; counters: Map<ConversationId, number> } {
  let entries: OutboxEntry[] = [];
  let gone: OutboxEntry[] = [];
  const counters = new Map<ConversationId, number>();
  const changes: OutboxChanges = {
    entry: (entry) => void entries.push(entry),
    gone: (entry) => void gone.push(entry),
    counter: (conversation, next) => void counters.set(conversation, next),
  };
  const outbox = new Outbox(changes, (failures) => failures * 100);
  const store = (): void => {
    const [stored, deleted] = [entries, gone];
    [entries, gone] = [[], []];
    outbox.stored(
      stored.map((entry) => ({ entry, n: entry.n })),
      deleted,
    );
  };
  return { outbox, store, counters };
}

const numbers = (entries: readonly OutboxEntry[]): [string, number][] =>
  entries.map(({ body, n }) => [String(body), n]);

function add(outbox: Outbox, ...bodies: string[]): void {
  for (const body of bodies) outbox.add(room, 'text', body, 1);
}

test('an entry goes out only after it was stored, and again only after it was stored under its new counter (I4)', () => {
  const { outbox, store } = outboxOf();
  add(outbox, 'a', 'b');
  expect(outbox.take(0, limits)).toEqual([]);
  store();
  const [a, b] = outbox.take(0, limits) as [OutboxEntry, OutboxEntry];
  expect(outbox.failed(a, frameError('forbidden', ''), 0)).toBe(true);
  outbox.failed(b, outOfOrder(1), 0);
  expect(outbox.take(0, limits)).toEqual([]);
  store();
  expect(numbers(outbox.take(0, limits))).toEqual([['b', 1]]);
});

test('nothing is sent again before every answer of the broken row is here (I4)', () => {
  const { outbox, store } = outboxOf();
  add(outbox, 'a', 'b', 'c');
  store();
  const [a, b, c] = outbox.take(0, limits) as [OutboxEntry, OutboxEntry, OutboxEntry];
  outbox.failed(a, frameError('overloaded', ''), 0);
  outbox.failed(b, outOfOrder(1), 0);
  expect(outbox.take(1_000, limits)).toEqual([]);
  outbox.failed(c, outOfOrder(1), 0);
  expect(outbox.take(99, limits)).toEqual([]);
  expect(outbox.nextWakeMs(0)).toBe(100);
  expect(numbers(outbox.take(100, limits))).toEqual([
    ['a', 1],
    ['b', 2],
    ['c', 3],
  ]);
});

test('after a refused repeat the counter may be taken: the server’s word decides who gets it (I4)', () => {
  for (const stored of [true, false]) {
    const { outbox, store } = outboxOf();
    add(outbox, 'a', 'b');
    store();
    outbox.take(0, limits);
    outbox.connectionLost();
    const [a, b] = outbox.take(0, limits) as [OutboxEntry, OutboxEntry];
    outbox.failed(a, frameError('forbidden', ''), 0);
    expect(b.n, 'kept until the server tells').toBe(2);
    if (stored) expect(outbox.acked(b)).toBe(true);
    else {
      outbox.failed(b, outOfOrder(1), 0);
      store();
      expect(numbers(outbox.take(0, limits))).toEqual([['b', 1]]);
    }
  }
});

test('counters that the server lost are counted anew from what it expects', () => {
  const { outbox, store, counters } = outboxOf();
  outbox.restore([], new Map([[room, 20]]));
  add(outbox, 'a', 'b');
  store();
  const [a, b] = outbox.take(0, limits) as [OutboxEntry, OutboxEntry];
  expect([a.n, b.n]).toEqual([20, 21]);
  outbox.failed(a, outOfOrder(15), 0);
  outbox.failed(b, outOfOrder(15), 0);
  expect([a.n, b.n, counters.get(room)]).toEqual([15, 16, 17]);
});

test('what is answered counts into the window until the storage has forgotten it (I4)', () => {
  const { outbox, store } = outboxOf();
  add(outbox, 'a', 'b', 'c', 'd', 'e');
  store();
  const first = outbox.take(0, limits);
  expect(first).toHaveLength(4);
  for (const entry of first) outbox.acked(entry);
  expect(outbox.take(0, limits), 'a crash now sends a..d again: e must not go beyond their window').toEqual([]);
  store();
  expect(numbers(outbox.take(0, limits))).toEqual([['e', 5]]);
});

test('a lone message that is told to wait for nothing backs off instead of spinning', () => {
  const { outbox, store } = outboxOf();
  add(outbox, 'a');
  store();
  const [a] = outbox.take(0, limits) as [OutboxEntry];
  outbox.failed(a, outOfOrder(1), 0);
  expect(outbox.take(0, limits)).toEqual([]);
  expect(outbox.take(100, limits)).toEqual([a]);
});

test('whatever is refused, delayed or lost, the server gets each message once, in order, under dense counters (I4)', () => {
  const fate = fc.constantFrom('ok', 'ok', 'ok', 'forbidden', 'overloaded', 'lost', 'ackLost', 'cut');
  fc.assert(
    fc.property(fc.array(fate, { maxLength: 80 }), fc.integer({ min: 1, max: 12 }), (fates, count) => {
      const { outbox, store } = outboxOf();
      const bodies = Array.from({ length: count }, (_, index) => String(index));
      add(outbox, ...bodies);
      const storedAt: string[] = [];
      const refused = new Set<string>();
      let nowMs = 0;
      for (let turn = 0; outbox.size > 0; turn += 1) {
        expect(turn).toBeLessThan(1_000);
        store();
        let cut = false;
        for (const entry of outbox.take((nowMs += 10_000), limits)) {
          const body = String(entry.body);
          const luck = fates.shift() ?? 'ok';
          // What does not reach the server, or whose answer does not come back, ends the connection.
          if (luck === 'cut' || luck === 'lost') cut = true;
          if (cut) continue;
          if (entry.n <= storedAt.length) {
            expect(storedAt[entry.n - 1], 'a repeat is of the same message').toBe(body);
            outbox.acked(entry);
          } else if (luck === 'forbidden' || luck === 'overloaded') {
            if (outbox.failed(entry, frameError(luck, ''), nowMs)) refused.add(body);
          } else if (entry.n > storedAt.length + 1) outbox.failed(entry, outOfOrder(storedAt.length + 1), nowMs);
          else {
            storedAt.push(body);
            if (luck === 'ackLost') cut = true;
            else outbox.acked(entry);
          }
        }
        if (cut) outbox.connectionLost();
      }
      expect(storedAt).toEqual(bodies.filter((body) => !refused.has(body)));
    }),
    { numRuns: 2_000 },
  );
});
