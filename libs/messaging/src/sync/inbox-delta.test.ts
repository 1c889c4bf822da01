import { generation, MalformedBytes, sequenceId } from '@millrace/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { InboxEntry, InboxRecord } from '../user/inbox-entry.ts';
import { cutDelta, isInLostRecord, joinPointers } from './inbox-delta.ts';
import { noCursors, type SyncToken } from './sync-token.ts';

const behind = fc.constantFrom('write' as const, 'read' as const);

/** Inbox records of three conversations, each with consecutive seqs, and read positions in between. */
const records: fc.Arbitrary<readonly InboxRecord[]> = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 0, max: 6 }), behind), {
    maxLength: 25,
    size: 'max',
  })
  .map((list) => {
    const heads = new Map<number, number>();
    return list.map(([slot, count, mode], index) => {
      const from = (heads.get(slot) ?? 0) + 1;
      heads.set(slot, from + count - 1);
      const gen = generation(1);
      const entry: InboxEntry =
        count === 0
          ? { kind: 'read', slot, readSeq: sequenceId(from), readMsgNo: 0, sentAtRead: 0 }
          : { kind: 'messages', slot, gen, from: sequenceId(from), to: sequenceId(from + count - 1), behind: mode };
      return { gen, seq: sequenceId(index + 1), entry };
    });
  });

const start: SyncToken = { position: { gen: generation(1), seq: sequenceId(0) }, offset: 0, cursors: noCursors };

type Pointers = ReturnType<typeof cutDelta>['pointers'];
const expand = (pointers: Pointers): readonly string[] =>
  pointers.flatMap(({ slot, from, to }) =>
    Array.from({ length: to - from + 1 }, (_, index) => `${String(slot)}:${String(from + index)}`),
  );

/** Whether the first that the inbox says of the conversation is a read position, as of one that the device knows already. */
const isReadFirst = (all: readonly InboxRecord[], slot: number): boolean =>
  all.find(({ entry }) => 'slot' in entry && entry.slot === slot)?.entry.kind === 'read';

describe('cutDelta', () => {
  it('in pages of any size is the whole, each message once and in order (I3)', () => {
    const limits = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(records, limits, (all, sizes) => {
        const whole = cutDelta(start, all, 1_000);
        expect(whole.complete).toBe(true);
        const paged: string[] = [];
        const slots = new Set<number>();
        let token = start;
        for (let page = 0; ; page += 1) {
          const limit = sizes[page % sizes.length] ?? 1;
          const rest = all.filter(({ seq }) => seq > token.position.seq);
          const delta = cutDelta(token, rest, limit);
          expect(expand(delta.pointers).length).toBeLessThanOrEqual(limit);
          paged.push(...expand(delta.pointers));
          for (const slot of delta.slots) {
            // A device that does not know it yet would begin behind what the next answer brings.
            const isTold = delta.pointers.some((pointer) => pointer.slot === slot);
            const begins = whole.pointers.some((pointer) => pointer.slot === slot);
            if (!slots.has(slot) && begins)
              expect(isTold || isReadFirst(all, slot), 'it begins with a message').toBe(true);
            slots.add(slot);
          }
          token = delta.next;
          if (delta.complete) break;
          expect(expand(delta.pointers).length).toBeGreaterThan(0);
        }
        expect(paged).toEqual(expand(whole.pointers));
        expect([...slots].sort()).toEqual([...whole.slots].sort());
        expect(token).toEqual(whole.next);
        expect(token.position.seq).toBe(all.length);
      }),
    );
  });

  it('leaves out what a device says that it has of a conversation that has no cursor yet', () => {
    const gen = generation(1);
    const join: InboxEntry = {
      ...{ kind: 'messages', slot: 1, gen, behind: 'read' },
      ...{ from: sequenceId(9), to: sequenceId(9) },
    };
    const record = { gen, seq: sequenceId(1), entry: join };
    const told = (seq: number, of = 1) => cutDelta(start, [record], 10, new Map([[of, { gen, seq: sequenceId(seq) }]]));
    expect(told(10)).toMatchObject({ pointers: [], slots: [1], next: { cursors: new Map([[1, { gen, seq: 10 }]]) } });
    // What it had before it left, and what it has of another one, is nothing of this.
    for (const { pointers, next } of [told(7), told(10, 2)]) {
      expect([expand(pointers), next.cursors]).toEqual([['1:9'], new Map([[1, { gen, seq: 9 }]])]);
    }
  });

  it('refuses a token that goes further into a record than it is long', () => {
    const gen = generation(1);
    const entry: InboxEntry = {
      kind: 'messages',
      slot: 1,
      gen,
      from: sequenceId(1),
      to: sequenceId(3),
      behind: 'write',
    };
    const record = { gen, seq: sequenceId(1), entry };
    expect(() => cutDelta({ ...start, offset: 4 }, [record], 10)).toThrow(MalformedBytes);
    expect(cutDelta({ ...start, offset: 3 }, [record], 10).pointers).toEqual([]);
  });

  it('says inside of which record a device is, so that the loss of that record is noticed (I6)', () => {
    const record = (gen: number, seq: number): InboxRecord => {
      const span = { from: sequenceId(1), to: sequenceId(5) };
      const entry: InboxEntry = { kind: 'messages', slot: 1, gen: generation(gen), ...span, behind: 'write' };
      return { gen: generation(gen), seq: sequenceId(seq), entry };
    };
    const { next } = cutDelta(start, [record(2, 1)], 3);
    expect(next).toMatchObject({ position: { gen: 2, seq: 0 }, offset: 3 });
    expect(isInLostRecord(next, [record(2, 1)])).toBe(false);
    expect(expand(cutDelta(next, [record(2, 1)], 9).pointers)).toEqual(['1:4', '1:5']);
    expect(isInLostRecord(next, [record(3, 1)])).toBe(true);
    expect(isInLostRecord(next, [])).toBe(true);
    expect(isInLostRecord(start, [record(3, 1)])).toBe(false);
  });
});

describe('joinPointers', () => {
  it('gives each conversation its messages in order, joined where they follow on each other', () => {
    fc.assert(
      fc.property(records, (all) => {
        const { pointers } = cutDelta(start, all, 1_000);
        const joined = joinPointers(pointers);
        for (const [slot, ranges] of joined) {
          const expected = expand(pointers.filter((pointer) => pointer.slot === slot));
          const found = ranges.map(({ from, to }) => ({
            slot,
            gen: from.gen,
            from: from.seq,
            to: to.seq,
          }));
          expect(expand(found)).toEqual(expected);
          // The seqs of a conversation follow on each other here, so there is one range of each.
          expect(ranges).toHaveLength(1);
        }
      }),
    );
  });

  it('does not join across generations', () => {
    const pointer = (gen: number, from: number, to: number) => ({
      slot: 1,
      gen: generation(gen),
      from: sequenceId(from),
      to: sequenceId(to),
    });
    expect(joinPointers([pointer(1, 1, 2), pointer(2, 3, 4), pointer(2, 5, 5)]).get(1)).toEqual([
      { from: { gen: 1, seq: 1 }, to: { gen: 1, seq: 2 } },
      { from: { gen: 2, seq: 3 }, to: { gen: 2, seq: 5 } },
    ]);
  });
});
