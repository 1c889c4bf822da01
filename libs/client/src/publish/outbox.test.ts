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
    outbox.stored(stored, deleted);
  };
  return { outbox, store, counters };
}

/** What goes out: the text, its number, and the number that it is to follow. */
const sends = (entries: readonly OutboxEntry[]): [string, number, number][] =>
  entries.map(({ body, n, after }) => [String(body), n, after]);
const numbers = (entries: readonly OutboxEntry[]): [string, number][] =>
  entries.map(({ body, n }) => [String(body), n]);

function add(outbox: Outbox, ...bodies: string[]): void {
  for (const body of bodies) outbox.add(room, 'text', body, 1);
}

test('an entry goes out only after it was stored', () => {
  const { outbox, store } = outboxOf();
  add(outbox, 'a', 'b');
  expect(outbox.take(0, limits)).toEqual([]);
  store();
  expect(sends(outbox.take(0, limits))).toEqual([
    ['a', 1, 0],
    ['b', 2, 1],
  ]);
});

test('what is behind a refused message keeps its number, and skips that one (I4)', () => {
  const { outbox, store, counters } = outboxOf();
  add(outbox, 'a', 'b', 'c', 'd');
  store();
  const [a, b, c, d] = outbox.take(0, limits) as [OutboxEntry, OutboxEntry, OutboxEntry, OutboxEntry];
  outbox.acked(a);
  expect(outbox.failed(b, frameError('forbidden', ''), 0)).toBe(true);
  outbox.failed(c, outOfOrder(2), 0);
  expect(outbox.take(0, limits), 'not before every answer is here').toEqual([]);
  outbox.failed(d, outOfOrder(2), 0);
  expect(sends(outbox.take(0, limits))).toEqual([
    ['c', 3, 1],
    ['d', 4, 3],
  ]);
  expect(counters.get(room)).toBe(5);
});

test('a refused message that was the only one leaves its number unused (I4)', () => {
  const { outbox, store } = outboxOf();
  add(outbox, 'a', 'b');
  store();
  const [a, b] = outbox.take(0, limits) as [OutboxEntry, OutboxEntry];
  outbox.acked(a);
  outbox.failed(b, frameError('forbidden', ''), 0);
  add(outbox, 'c');
  store();
  expect(sends(outbox.take(0, limits))).toEqual([['c', 3, 1]]);
});

test('what is to be tried again is not skipped (I4)', () => {
  const { outbox, store } = outboxOf();
  add(outbox, 'a', 'b', 'c');
  store();
  const [a, b, c] = outbox.take(0, limits) as [OutboxEntry, OutboxEntry, OutboxEntry];
  outbox.failed(a, frameError('overloaded', ''), 0);
  outbox.failed(b, frameError('too_large', ''), 0);
  outbox.failed(c, outOfOrder(1), 0);
  expect(sends(outbox.take(1_000, limits))).toEqual([
    ['a', 1, 0],
    ['c', 3, 1],
  ]);
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

test('a copy of a refused message that was stored after all is followed, when the server says so (I4)', () => {
  const { outbox, store } = outboxOf();
  add(outbox, 'a', 'b');
  store();
  outbox.take(0, limits);
  outbox.connectionLost();
  const [a, b] = outbox.take(0, limits) as [OutboxEntry, OutboxEntry];
  outbox.failed(a, frameError('forbidden', ''), 0);
  outbox.failed(b, outOfOrder(1), 0);
  expect(sends(outbox.take(0, limits))).toEqual([['b', 2, 0]]);
  outbox.failed(b, outOfOrder(2), 0);
  expect(sends(outbox.take(0, limits)), 'at once: it was told something new').toEqual([['b', 2, 1]]);
});

test('numbers that the server has lost are skipped', () => {
  const { outbox, store, counters } = outboxOf();
  outbox.restore([], new Map([[room, 20]]));
  add(outbox, 'a', 'b');
  store();
  const [a, b] = outbox.take(0, limits) as [OutboxEntry, OutboxEntry];
  expect(sends([a, b])).toEqual([
    ['a', 20, 19],
    ['b', 21, 20],
  ]);
  outbox.failed(a, outOfOrder(15), 0);
  outbox.failed(b, outOfOrder(15), 0);
  expect(sends(outbox.take(0, limits))).toEqual([
    ['a', 20, 14],
    ['b', 21, 20],
  ]);
  expect(counters.get(room)).toBe(22);
});

test('nothing goes out a window behind an answer that is still looked at, though others were accepted (I4)', () => {
  const { outbox, store } = outboxOf();
  add(outbox, 'a', 'b', 'c', 'd', 'e', 'f');
  store();
  const [a, ...others] = outbox.take(0, limits) as [OutboxEntry, ...OutboxEntry[]];
  for (const other of others) outbox.acked(other);
  store();
  expect(outbox.take(0, limits), 'the server would forget a').toEqual([]);
  outbox.acked(a);
  store();
  expect(numbers(outbox.take(0, limits))).toEqual([
    ['e', 5],
    ['f', 6],
  ]);
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

test('a message at the front that is told nothing new backs off instead of spinning', () => {
  for (const expected of [1, 2]) {
    const { outbox, store } = outboxOf();
    add(outbox, 'a');
    store();
    const [a] = outbox.take(0, limits) as [OutboxEntry];
    outbox.failed(a, outOfOrder(expected), 0);
    expect(outbox.take(0, limits)).toEqual([]);
    expect(outbox.take(100, limits)).toEqual([a]);
  }
});

/** What a server has of one device, as docs/protocol.md says: by number, rising. */
class Accepted {
  readonly stored = new Map<number, string>();
  isMember = true;

  #last(): number {
    return Math.max(0, ...this.stored.keys());
  }

  answer({ n, after, body }: Pick<OutboxEntry, 'n' | 'after' | 'body'>): 'ack' | ReturnType<typeof frameError> {
    const last = this.#last();
    if (this.stored.has(n)) return 'ack';
    if (!this.isMember) return frameError('not_member', '');
    if (n <= last) return frameError('expired', 'skipped');
    if (after !== last) return outOfOrder(last + 1);
    this.stored.set(n, String(body));
    return 'ack';
  }
}

test('whatever is refused, delayed, lost or comes twice, each message is stored once, in order, under its own number (I4)', () => {
  const fate = fc.constantFrom(
    'ok',
    'ok',
    'ok',
    'tooLarge',
    'overloaded',
    'lost',
    'ackLost',
    'cut',
    'leave',
    'join',
    'late',
  );
  let late = 0;
  fc.assert(
    fc.property(fc.array(fate, { maxLength: 80, size: 'max' }), fc.integer({ min: 1, max: 12 }), (fates, count) => {
      const { outbox, store } = outboxOf();
      const bodies = Array.from({ length: count }, (_, index) => String(index));
      const server = new Accepted();
      const copies: Pick<OutboxEntry, 'n' | 'after' | 'body'>[] = [];
      const acked = new Set<string>();
      const refused = new Set<string>();
      let nowMs = 0;
      for (let turn = 0; turn === 0 || outbox.size > 0; turn += 1) {
        expect(turn).toBeLessThan(1_000);
        if (turn < 3) add(outbox, ...bodies.splice(0, turn < 2 ? 4 : 12));
        store();
        let cut = false;
        for (const entry of outbox.take((nowMs += 10_000), limits)) {
          const body = String(entry.body);
          const { n, after } = entry;
          copies.push({ n, after, body });
          const luck = fates.shift() ?? 'ok';
          if (luck === 'leave' || luck === 'join') server.isMember = luck === 'join';
          if (fates.length === 0) server.isMember = true;
          // An earlier connection's copy of anything comes only now.
          if (luck === 'late') {
            const before = server.stored.size;
            server.answer(copies[(nowMs / 10_000 + n) % copies.length] ?? entry);
            late += server.stored.size - before;
          }
          // What does not reach the server, or whose answer does not come back, ends the connection.
          if (luck === 'cut' || luck === 'lost') cut = true;
          if (cut) continue;
          const isHeldUp = luck === 'overloaded' || luck === 'tooLarge';
          const answer = isHeldUp
            ? frameError(luck === 'overloaded' ? 'overloaded' : 'too_large', '')
            : server.answer(entry);
          if (luck === 'ackLost') cut = true;
          else if (answer === 'ack') {
            expect(server.stored.get(n), 'an ack is of this message').toBe(body);
            outbox.acked(entry);
            acked.add(body);
          } else {
            expect(answer.message, 'what is in the outbox is not skipped').not.toBe('skipped');
            if (outbox.failed(entry, answer, nowMs)) refused.add(body);
          }
        }
        if (cut) outbox.connectionLost();
      }
      const stored = [...server.stored.values()];
      expect(stored, 'once, and in the order of sending').toEqual(
        [...new Set(stored)].sort((left, right) => Number(left) - Number(right)),
      );
      expect(stored.filter((body) => !refused.has(body))).toEqual([...acked].sort((a, b) => Number(a) - Number(b)));
    }),
    { numRuns: 1_000 },
  );
  expect(late, 'copies were stored before the message itself').toBeGreaterThan(20);
});
