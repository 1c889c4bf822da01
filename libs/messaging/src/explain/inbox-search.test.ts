import { generation, partitionId, sequenceId, type PartitionId } from '@millrace/kernel';
import {
  emptyHead,
  StoreUnavailable,
  userKey,
  type Position,
  type RangeQuery,
  type TimelineEntry,
  type TimelineReader,
} from '@millrace/timeline';
import type { UserId } from '@millrace/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Place } from '../user/commands.ts';
import { encodeInboxEntry } from '../user/inbox-entry.ts';
import { isWhole, searchInbox, searchParts } from './inbox-search.ts';

const DAY_MS = 86_400_000;
const at = { partition: partitionId(0), actor: userKey('ann' as UserId) };
const position = (seq: number): Position => ({ gen: generation(1), seq: sequenceId(seq) });

const aPlace = (more: Partial<Place> & { readonly head?: Place['head'] } = {}): Place => ({
  head: { ...emptyHead(generation(1)), seq: sequenceId(100) },
  oldest: sequenceId(1),
  days: [[0, 1]],
  listed: { slot: 3, applied: position(1_000_000) },
  ...more,
});

const headAt = (seq: number): Place['head'] => ({ ...emptyHead(generation(1)), seq: sequenceId(seq) });

/** An inbox whose record at inbox seq `n` points at message `n * 10` of slot 3; others are of other conversations. */
class AnInbox implements TimelineReader {
  reads = 0;
  isAway = false;

  range(
    _partition: PartitionId,
    _actor: string,
    { from, to, direction }: RangeQuery,
  ): Promise<readonly TimelineEntry[]> {
    if (this.isAway) return Promise.reject(new StoreUnavailable('away'));
    this.reads += to.seq - from.seq + 1;
    const entries: TimelineEntry[] = [];
    for (let seq = from.seq as number; seq <= to.seq; seq += 1) {
      const first = sequenceId(seq * 10);
      const slot = seq % 2 === 0 ? 3 : 4;
      const data = encodeInboxEntry({
        kind: 'messages',
        behind: 'write',
        slot,
        gen: generation(1),
        from: first,
        to: sequenceId(first + 4),
      });
      entries.push({ ...position(seq), data });
    }
    return Promise.resolve(direction === 'forward' ? entries : entries.reverse());
  }

  at(): Promise<null> {
    return Promise.resolve(null);
  }
}

describe('the parts of an inbox to look through', () => {
  it('are within the inbox, do not overlap, and are bounded, whatever it holds (I9)', () => {
    fc.assert(
      fc.property(
        fc.nat(500),
        fc.integer({ min: 1, max: 600 }),
        fc.integer({ min: 1, max: 50 }),
        fc.nat(20),
        (head, oldest, most, day) => {
          const days = Array.from({ length: 10 }, (_, index) => [index * DAY_MS, 1 + index * 40] as const);
          const place = aPlace({ head: headAt(head), oldest: sequenceId(oldest), days });
          const parts = searchParts(place, day * DAY_MS, most);
          const seqs = parts.flatMap(({ from, to }) =>
            Array.from({ length: to - from + 1 }, (_, index) => from + index),
          );
          expect(new Set(seqs).size).toBe(seqs.length);
          expect(seqs.every((seq) => seq >= oldest && seq <= head)).toBe(true);
          expect(seqs.length).toBeLessThanOrEqual(2 * most);
          expect(isWhole(place, parts)).toBe(seqs.length === Math.max(0, head - oldest + 1));
          if (seqs.length > 0) expect(Math.max(...seqs)).toBe(head);
        },
      ),
    );
  });

  it('begin at the newest, and go on at the day of the message', () => {
    const days = [
      [0, 1],
      [DAY_MS, 3_001],
      [2 * DAY_MS, 6_001],
    ] as const;
    const place = aPlace({ head: headAt(9_000), days });
    expect(searchParts(place, 1.5 * DAY_MS)).toEqual([
      { from: 8_001, to: 9_000, direction: 'backward' },
      { from: 3_001, to: 4_000, direction: 'forward' },
    ]);
    // A clock that is somewhat behind must not put it before its day.
    expect(searchParts(place, DAY_MS + 1_000)[1]?.from).toBe(1);
  });
});

describe('a message in an inbox', () => {
  it('is found by the pointer that covers it, new or old', async () => {
    const inbox = new AnInbox();
    const place = aPlace({ head: headAt(5_000) });
    for (const seq of [5_000, 4_990, 4_002, 4_000, 998, 2]) {
      const found = await searchInbox(inbox, at, place, position(seq * 10 + 4), 0);
      expect(found).toEqual(seq === 4_000 ? { state: 'not_found' } : { state: 'there', position: position(seq) });
    }
  });

  it('is looked for in a bounded number of records', async () => {
    const inbox = new AnInbox();
    const place = aPlace({ head: headAt(100_000) });
    expect(await searchInbox(inbox, at, place, position(500_000), 0)).toEqual({ state: 'not_found' });
    expect(inbox.reads).toBe(2_000);
  });

  it('is gone when the whole inbox does not have it, and behind when it never came', async () => {
    const inbox = new AnInbox();
    const place = aPlace({ oldest: sequenceId(50), listed: { slot: 3, applied: position(1_004) } });
    expect(await searchInbox(inbox, at, place, position(400), 0)).toEqual({ state: 'gone' });
    expect(await searchInbox(inbox, at, place, position(1_004), 0)).toEqual({
      state: 'there',
      position: position(100),
    });
    expect(await searchInbox(inbox, at, place, position(1_005), 0)).toEqual({ state: 'behind' });
    expect(await searchInbox(inbox, at, { ...place, listed: null }, position(400), 0)).toEqual({ state: 'behind' });
    expect(await searchInbox(inbox, at, { ...place, oldest: sequenceId(101) }, position(400), 0)).toEqual({
      state: 'gone',
    });
  });

  it('cannot be told while the store is away', async () => {
    const inbox = new AnInbox();
    inbox.isAway = true;
    expect(await searchInbox(inbox, at, aPlace(), position(400), 0)).toEqual({ state: 'unavailable' });
  });
});
