import { describe, expect, it } from 'vitest';
import { SeqRuns, textOf } from './seq-runs.ts';
import { staysOf, unreadAt, visibleRuns, type Entry } from './stays.ts';

const entry = (seq: number, from: string | null, body: string | object): Entry =>
  ({
    seq,
    from,
    type: typeof body === 'string' ? 'text' : 'control',
    countable: typeof body === 'string',
    body: typeof body === 'string' ? body : JSON.stringify(body),
  }) as Entry;

describe('what a group is held against', () => {
  const entries = [
    entry(1, 'ann', { control: 'created', members: ['ann', 'bob'] }),
    entry(2, 'bob', 'one'),
    entry(3, 'ann', { control: 'joined', users: ['cat', 'dan'] }),
    entry(4, null, { control: 'diffusion', mode: 'read' }),
    entry(5, 'ann', { control: 'kicked', users: ['bob', 'dan'] }),
    entry(6, 'cat', 'two'),
    entry(7, 'ann', { control: 'joined', users: ['bob'] }),
    entry(8, 'bob', 'three'),
    entry(9, 'cat', { control: 'left', users: ['cat'] }),
    entry(10, 'bob', 'four'),
  ];
  const stays = staysOf(entries);
  const visible = (user: string): string => textOf(visibleRuns(stays.get(user) ?? [], entries.length));

  it('is what lies from the entry of each join to that of the leave', () => {
    expect(['ann', 'bob', 'cat', 'dan', 'eve'].map(visible)).toEqual(['1-10', '1-5 7-10', '3-9', '3-5', '']);
    expect(unreadAt('ann', stays.get('ann') ?? [], entries, 2)).toEqual({ others: 3, own: 0 });
    expect(unreadAt('bob', stays.get('bob') ?? [], entries, 1)).toEqual({ others: 0, own: 3 });
    expect(unreadAt('cat', stays.get('cat') ?? [], entries, 3)).toEqual({ others: 1, own: 1 });
  });

  it('shows of a device what it lacks, what came twice or out of order, and what is of another generation', () => {
    const got = new SeqRuns();
    for (const seq of [3, 4, 7, 8, 8, 5, 9]) got.add({ gen: 1, seq });
    got.add({ gen: 2, seq: 10 });
    expect([got.text, got.count, got.last]).toEqual(['3-4 7-9', 5, 9]);
    expect(got.wrong).toEqual(['8 came behind 8', '5 came behind 8', '2-10 is of another generation']);
  });
});
