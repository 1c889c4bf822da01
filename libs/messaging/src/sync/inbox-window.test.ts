import { generation, MalformedBytes, sequenceId } from '@millrace/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { InboxEntry, InboxRecord } from '../user/inbox-entry.ts';
import { cutDelta, type Pointer } from './inbox-delta.ts';
import { cutWindow, windowOf } from './inbox-window.ts';
import { decodeSyncToken, encodeSyncToken, noCursors, type SyncToken } from './sync-token.ts';

const gen = generation(1);
const user = 'ann' as never;
const start: SyncToken = { position: { gen, seq: sequenceId(0) }, offset: 0, cursors: noCursors };

/** What the inbox says, one entry after the other: how many messages of a conversation, or 0 for something else of it. */
const inbox = fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 0, max: 4 })), {
  minLength: 1,
  maxLength: 40,
  size: 'max',
});

function recordsOf(list: readonly (readonly [number, number])[]): readonly InboxRecord[] {
  const heads = new Map<number, number>();
  return list.map(([slot, count], index) => {
    const from = (heads.get(slot) ?? 0) + 1;
    heads.set(slot, from + count - 1);
    const other: InboxEntry =
      index % 2 === 0
        ? { kind: 'deleted', slot, seq: sequenceId(from) }
        : { kind: 'read', slot, readSeq: sequenceId(from), readMsgNo: 0, sentAtRead: 0 };
    const span = { from: sequenceId(from), to: sequenceId(from + count - 1) };
    const entry: InboxEntry = count === 0 ? other : { kind: 'messages', slot, gen, ...span, behind: 'write' };
    return { gen, seq: sequenceId(index + 1), entry };
  });
}

/** By slot, each message that is pointed at, in order. */
function bySlot(pointers: readonly Pointer[]): ReadonlyMap<number, readonly number[]> {
  const found = new Map<number, number[]>();
  for (const { slot, from, to } of pointers) {
    const seqs = found.get(slot) ?? [];
    found.set(slot, seqs);
    for (let seq: number = from; seq <= to; seq += 1) seqs.push(seq);
  }
  return found;
}

const sizeOf = (pointers: readonly Pointer[]): number => pointers.reduce((sum, { from, to }) => sum + to - from + 1, 0);

describe('a window', () => {
  it('in answers of any size brings each message once, in order, and each conversation at a time (I3)', () => {
    const limits = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(inbox, fc.nat(), limits, (list, cut, sizes) => {
        const records = recordsOf(list);
        const whole = cutDelta(start, records, 1_000);
        // A device that has the first few already, perhaps a part of a record.
        const begun = cutDelta(start, records, cut % Math.max(1, sizeOf(whole.pointers)));
        const behind = records.filter(({ seq }) => seq > begun.next.position.seq);
        const window = windowOf(begun.next, behind);
        expect(window === null).toBe(behind.length === 0);
        if (window === null) return;
        const pointers: Pointer[] = [...begun.pointers];
        const deleted = new Map(begun.deleted);
        let visits = 0;
        let token = begun.next;
        for (let page = 0; ; page += 1) {
          const limit = sizes[page % sizes.length] ?? 1;
          const delta = cutWindow(token, window, limit);
          expect(sizeOf(delta.pointers)).toBeLessThanOrEqual(limit);
          expect(delta.slots.length).toBeLessThanOrEqual(limit);
          expect(delta.slots.length).toBeGreaterThan(0);
          visits += delta.slots.length;
          pointers.push(...delta.pointers);
          for (const [slot, seqs] of delta.deleted) deleted.set(slot, [...(deleted.get(slot) ?? []), ...seqs]);
          // As the device keeps it, and brings it back.
          const kept = decodeSyncToken(user, encodeSyncToken(user, delta.next));
          if (!kept.ok) throw new Error(kept.error.message);
          token = kept.value;
          if (delta.complete) break;
          expect(token.position).toEqual(begun.next.position);
          // The same is found by who has not kept it.
          expect(windowOf(token, behind)).toEqual(window);
          expect(page).toBeLessThan(1_000);
        }
        expect(bySlot(pointers)).toEqual(bySlot(whole.pointers));
        for (const [slot, seqs] of whole.deleted) expect(new Set(deleted.get(slot))).toEqual(new Set(seqs));
        expect(token).toEqual(whole.next);
        const left = new Set(behind.map(({ entry }) => ('slot' in entry ? entry.slot : 0))).size;
        const answers = Math.ceil(sizeOf(whole.pointers) / Math.min(...sizes)) + left;
        expect(visits).toBeLessThanOrEqual(left + answers);
      }),
    );
  });

  it('is read as far as it was by programs that know nothing of it: nothing is missing then', () => {
    const records = recordsOf([...Array.from({ length: 9 }, (_, index) => [1 + (index % 3), 2] as const)]);
    const window = windowOf(start, records);
    if (window === null) throw new Error('there is a record');
    const { next } = cutWindow(start, window, 4);
    expect(next.window).toEqual({ to: { gen, seq: 9 }, done: 0, given: 4 });
    const text = Buffer.from(encodeSyncToken(user, next), 'base64url');
    const plain = Buffer.from(encodeSyncToken(user, start), 'base64url');
    expect(text.subarray(0, plain.length)).toEqual(plain);
  });

  it('ends before what says that a conversation is pulled from there on, and before what is of one that is', () => {
    const to = (index: number, behind: 'write' | 'read', slot: number): InboxRecord => {
      const seq = sequenceId(index);
      return { gen, seq, entry: { kind: 'messages', slot, gen, from: seq, to: seq, behind } };
    };
    const records = [to(1, 'write', 1), to(2, 'write', 2), to(3, 'read', 1), to(4, 'write', 2)];
    expect(windowOf(start, records)?.to).toEqual({ gen, seq: 2 });
    const pulled = { ...start, cursors: new Map([[2, { gen, seq: sequenceId(1) }]]) };
    expect(windowOf(pulled, records)?.to).toEqual({ gen, seq: 1 });
    expect(windowOf(pulled, records.slice(1))).toBe(null);
  });

  it('refuses a token that is further than it goes', () => {
    const window = windowOf(start, recordsOf([[1, 3]]));
    if (window === null) throw new Error('there is a record');
    const at = (done: number, given: number): SyncToken => ({ ...start, window: { to: window.to, done, given } });
    expect(() => cutWindow(at(1, 0), window, 5)).toThrow(MalformedBytes);
    expect(() => cutWindow(at(0, 4), window, 5)).toThrow(MalformedBytes);
    expect(() => windowOf({ ...start, offset: 5 }, recordsOf([[1, 3]]))).toThrow(MalformedBytes);
    expect(cutWindow(at(0, 3), window, 5)).toMatchObject({ slots: [1], pointers: [], complete: true });
  });
});
