import { utf8 } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import { readEntry, type Entry } from './entry.ts';
import { defaultLinkLimits } from './link-limits.ts';
import { Outgoing } from './outgoing.ts';
import { nodeId } from './testing/some-nodes.ts';

const self = nodeId('a');
const ignore = (): void => undefined;

function nextOf(outgoing: Outgoing): Entry | null {
  const bytes = outgoing.next(self, null);
  if (bytes === null) return null;
  const entry = readEntry(bytes);
  if (!entry.ok) throw new Error(entry.error.message);
  return entry.value;
}

const idsOf = (entry: Entry | null): readonly unknown[] =>
  entry?.records.map((record) => (record.kind === 'request' ? record.id : record.kind)) ?? [];

describe('what goes out', () => {
  it('is packed once, and nothing is packed when there is nothing to say', () => {
    const outgoing = new Outgoing(7, 'new', defaultLinkLimits);
    expect(nextOf(outgoing)).toBeNull();
    outgoing.request(1, utf8('x'), ignore);
    expect(idsOf(nextOf(outgoing))).toEqual([1]);
    expect(outgoing.hasNext).toBe(false);
    expect(nextOf(outgoing)).toBeNull();
  });

  it('after a restart begins with what is unanswered, in its order, ahead of what was not packed yet (O1)', () => {
    const outgoing = new Outgoing(7, 'new', defaultLinkLimits);
    for (const id of [1, 2, 3]) outgoing.request(id, utf8('x'), ignore);
    outgoing.note(utf8('n'));
    outgoing.answer(9, utf8('x'));
    nextOf(outgoing);
    outgoing.confirm(1);
    outgoing.note(utf8('later'));
    outgoing.request(4, utf8('x'), ignore);
    outgoing.settle(2);
    outgoing.restart(8);
    const entry = nextOf(outgoing);
    expect(idsOf(entry)).toEqual([1, 3, 'note', 4]);
    expect(entry?.head).toMatchObject({
      epoch: 8,
      seq: 1,
      before: { place: { epoch: 7, seq: 1 }, notes: 'counted' },
      notesBefore: 1,
    });
  });

  it('after two restarts in a row is the same, and says what was heard last at most', () => {
    const outgoing = new Outgoing(7, 'new', defaultLinkLimits);
    outgoing.request(1, utf8('x'), ignore);
    nextOf(outgoing);
    outgoing.confirm(1);
    outgoing.restart(8);
    outgoing.restart(9);
    const entry = nextOf(outgoing);
    expect(idsOf(entry)).toEqual([1]);
    expect(entry?.head).toMatchObject({ epoch: 9, seq: 1, before: { place: { epoch: 7, seq: 1 }, notes: 'counted' } });
  });

  it('leaves out a request that was answered before it was packed again', () => {
    const outgoing = new Outgoing(7, 'new', defaultLinkLimits);
    outgoing.request(1, utf8('x'), ignore);
    nextOf(outgoing);
    outgoing.restart(8);
    outgoing.settle(1);
    expect(idsOf(nextOf(outgoing))).toEqual([]);
    expect(outgoing.queuedBytes).toBe(0);
  });

  it('counts every note, lost ones too (O2, O3)', () => {
    const outgoing = new Outgoing(7, 'new', { ...defaultLinkLimits, queuedBytesMax: 40 });
    const wasKept = Array.from({ length: 5 }, () => outgoing.note(utf8('xxxx')));
    expect(wasKept).toEqual([true, true, false, false, false]);
    const entry = nextOf(outgoing);
    expect(entry?.records.map((record) => (record.kind === 'lost' ? record.count : record.kind))).toEqual([
      'note',
      'note',
      3,
    ]);
    outgoing.note(utf8('x'));
    expect(nextOf(outgoing)?.head.notesBefore).toBe(5);
  });

  it('goes on up to an answer that there is no room for, and begins anew there, as if an entry were lost (O3)', () => {
    const outgoing = new Outgoing(7, 'new', { ...defaultLinkLimits, queuedBytesMax: 10 });
    expect(outgoing.answer(1, utf8('x'.repeat(10)))).toBe(true);
    expect(outgoing.answer(2, utf8('x'))).toBe(false);
    expect(outgoing.answer(3, utf8('x'))).toBe(false);
    outgoing.request(4, utf8('x'), ignore);
    expect(outgoing.isAtHole).toBe(false);
    expect(idsOf(nextOf(outgoing))).toEqual(['answer']);
    outgoing.confirm(1);
    expect(outgoing.isAtHole).toBe(true);
    outgoing.restart(8);
    const entry = nextOf(outgoing);
    expect(idsOf(entry)).toEqual([4]);
    expect(entry?.head).toMatchObject({ epoch: 8, seq: 1, before: { place: { epoch: 7, seq: 2 }, notes: 'counted' } });
    expect(outgoing.hasNext).toBe(false);
  });

  it.each(['new', 'forgotten'] as const)('has its notes not counted (%s) until it was heard of', (notes) => {
    const outgoing = new Outgoing(7, notes, defaultLinkLimits);
    outgoing.note(utf8('x'));
    expect(nextOf(outgoing)?.head.before).toEqual({ place: null, notes });
    outgoing.restart(8);
    expect(nextOf(outgoing)?.head.before).toEqual({ place: { epoch: 7, seq: 1 }, notes });
    outgoing.confirm(1);
    outgoing.restart(9);
    expect(nextOf(outgoing)?.head.before).toEqual({ place: { epoch: 8, seq: 1 }, notes: 'counted' });
    outgoing.restart(10, true);
    expect(nextOf(outgoing)?.head.before).toEqual({ place: { epoch: 9, seq: 1 }, notes: 'forgotten' });
  });

  it('keeps nothing once everything was packed and answered, however much there was', () => {
    const outgoing = new Outgoing(7, 'new', { ...defaultLinkLimits, entryBytesMax: 1_000 });
    for (let id = 1; id <= 5_000; id += 1) outgoing.request(id, utf8('x'), ignore);
    const ids: unknown[] = [];
    for (let entry = nextOf(outgoing); entry !== null; entry = nextOf(outgoing)) ids.push(...idsOf(entry));
    expect(ids).toEqual(Array.from({ length: 5_000 }, (_, index) => index + 1));
    for (let id = 1; id <= 5_000; id += 1) expect(outgoing.settle(id)).toBe(ignore);
    const { unanswered, unansweredBytes, queuedBytes, awaits } = outgoing;
    expect({ unanswered, unansweredBytes, queuedBytes, awaits }).toEqual({
      unanswered: 0,
      unansweredBytes: 0,
      queuedBytes: 0,
      awaits: false,
    });
  });
});
