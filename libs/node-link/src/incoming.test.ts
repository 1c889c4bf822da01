import { describe, expect, it } from 'vitest';
import type { Before, EntryHead } from './entry.ts';
import { judge, type Incoming } from './incoming.ts';
import { nodeId } from './testing/some-nodes.ts';

const head = (more: Partial<EntryHead>): EntryHead => ({
  from: nodeId('a'),
  epoch: 7,
  seq: 4,
  before: null,
  notesBefore: 2,
  heard: null,
  asks: false,
  ...more,
});
const known: Incoming = { epoch: 7, seq: 3, broken: false, notes: 2 };
const first = (before: EntryHead['before'], more: Partial<EntryHead> = {}): EntryHead =>
  head({ epoch: 8, seq: 1, before, ...more });
const counted = (epoch: number, seq: number): Before => ({ place: { epoch, seq }, notes: 'counted' });
const newly: Before = { place: null, notes: 'new' };
const forgotten: Before = { place: null, notes: 'forgotten' };

describe('an entry of the known epoch', () => {
  it('is taken when it is the next one', () => {
    expect(judge(known, head({}), 1)).toEqual({
      incoming: { epoch: 7, seq: 4, broken: false, notes: 3 },
      take: true,
      gap: false,
      lost: false,
      tell: false,
    });
  });

  it('is dropped in silence when it is a repeat', () => {
    expect(judge(known, head({ seq: 3 }), 0)).toMatchObject({ incoming: known, take: false, tell: false });
  });

  it('is dropped behind a hole, and so is everything behind it in that epoch', () => {
    const { incoming, take, tell } = judge(known, head({ seq: 5 }), 0);
    expect({ incoming, take, tell }).toEqual({ incoming: { ...known, broken: true }, take: false, tell: true });
    expect(judge(incoming, head({ seq: 4 }), 0)).toMatchObject({ take: false, tell: true });
    expect(judge(incoming, head({ seq: 6 }), 0)).toMatchObject({ take: false, tell: true });
  });
});

describe('an entry of another epoch', () => {
  it('is dropped when the epoch is past, and its sender is told where we stand', () => {
    expect(judge(known, head({ epoch: 6, seq: 9 }), 0)).toMatchObject({ incoming: known, take: false, tell: true });
    expect(judge(known, head({ epoch: 6, seq: 1, before: { place: null, notes: 'new' } }), 0)).toMatchObject({
      take: false,
      tell: true,
    });
  });

  it('is dropped when its beginning was missed', () => {
    for (const past of [known, null]) {
      const { incoming, take, tell } = judge(past, head({ epoch: 8, seq: 2 }), 0);
      expect({ take, tell }).toEqual({ take: false, tell: true });
      expect(incoming).toMatchObject({ epoch: 8, seq: 0, broken: true });
    }
  });

  it.each<readonly [string, Incoming | null, EntryHead, { readonly gap: boolean; readonly lost: boolean }]>([
    ['follows on all of the last one', known, first(counted(7, 3)), { gap: false, lost: false }],
    ['follows on more than was heard', known, first(counted(7, 4)), { gap: false, lost: true }],
    ['follows on another epoch', known, first(counted(6, 3)), { gap: false, lost: true }],
    ['follows on unheard notes', known, first(counted(7, 4), { notesBefore: 3 }), { gap: true, lost: true }],
    ['follows on what nobody here knows', null, first(counted(7, 3)), { gap: true, lost: true }],
    ['is the very first one', null, first(newly, { notesBefore: 0 }), { gap: false, lost: false }],
    ['is said to be the first, and is not', known, first(newly), { gap: true, lost: true }],
    [
      'follows on a first epoch that was missed',
      { epoch: 7, seq: 0, broken: true, notes: 0 },
      first({ place: { epoch: 7, seq: 2 }, notes: 'new' }, { notesBefore: 0 }),
      { gap: false, lost: true },
    ],
    ['follows on what its sender forgot', known, first(forgotten), { gap: true, lost: true }],
    ['may follow on what its sender forgot', null, first(forgotten, { notesBefore: 0 }), { gap: true, lost: true }],
    [
      'follows on all of an epoch that began without its sender\u2019s memory',
      known,
      first({ place: { epoch: 7, seq: 3 }, notes: 'forgotten' }),
      { gap: true, lost: false },
    ],
  ])('begins the epoch when it %s', (_, past, entry, { gap, lost }) => {
    expect(judge(past, entry, 0)).toMatchObject({ take: true, gap, lost, tell: false });
  });
});
