import { partitionId, systemTimers, type ConversationId, type PartitionId } from '@millrace/kernel';
import { StoreUnavailable, type NamesPage } from '@millrace/timeline';
import { describe, expect, it } from 'vitest';
import { Comparisons } from './comparisons.ts';

/** Names `a0`, `a1` …: the number says the partition, two on a page. */
function setUp(names: readonly string[]) {
  const asked: (string | null)[] = [];
  const state = { refuses: 0, forgets: false };
  const page = (cursor: string | null): Promise<NamesPage | null> => {
    asked.push(cursor);
    if ((state.refuses -= 1) >= 0) return Promise.reject(new StoreUnavailable('away'));
    if (state.forgets && cursor !== null) {
      state.forgets = false;
      return Promise.resolve(null);
    }
    const from = Number(cursor ?? 0);
    const conversations = names.slice(from, from + 2) as ConversationId[];
    return Promise.resolve({ conversations, next: from + 2 < names.length ? String(from + 2) : null });
  };
  const comparisons = new Comparisons({
    ...{ names: { page }, timers: systemTimers, partitionsPerPass: 2, pauseMs: 0 },
    partitionOf: (key) => partitionId(Number(key.at(-1))),
  });
  const through = async (partition: number) => {
    const told: string[] = [];
    const outcome = await comparisons.through(partitionId(partition), (some) => {
      told.push(...some);
      return Promise.resolve();
    });
    return { outcome, told };
  };
  return { comparisons, through, asked, state };
}

describe('a pass over the names of conversations', () => {
  it('gives each partition its own, several in one pass and the others in the next', async () => {
    const { through, asked } = setUp(['a0', 'a1', 'b0', 'a2', 'c0']);
    const all = await Promise.all([through(0), through(1), through(2)]);
    expect(all.map(({ told }) => told)).toEqual([['a0', 'b0', 'c0'], ['a1'], ['a2']]);
    expect(asked).toEqual([null, '2', '4', null, '2', '4']);
  });

  it('begins again where the store has forgotten where it was, and waits for one that is away', async () => {
    const { through, state, asked } = setUp(['a0', 'b0', 'c0']);
    state.refuses = 1;
    state.forgets = true;
    expect((await through(0)).told).toEqual(['a0', 'b0', 'a0', 'b0', 'c0']);
    expect(asked).toEqual([null, null, '2', null, '2']);
  });

  it('tells a partition what went wrong, and goes on for the others', async () => {
    const { comparisons, through } = setUp(['a0', 'a1', 'b1']);
    const failing = comparisons.through(partitionId(0), () => Promise.reject(new Error('broken')));
    const [failed, other] = await Promise.allSettled([failing, through(1)]);
    expect(failed).toMatchObject({ status: 'rejected', reason: { message: 'broken' } });
    expect(other).toMatchObject({ value: { outcome: 'done', told: ['a1', 'b1'] } });
  });

  it('is over when it is stopped', async () => {
    const { comparisons, through } = setUp(['a0']);
    const waiting = through(0);
    comparisons.stop();
    expect((await waiting).outcome).toBe('stopped');
    expect(await comparisons.through(0 as PartitionId, () => Promise.resolve())).toBe('stopped');
  });
});
