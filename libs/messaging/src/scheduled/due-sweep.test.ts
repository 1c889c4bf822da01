import { err, ok, partitionId, utf8, type Result } from '@millrace/kernel';
import { StoreUnavailable, type ActorKey } from '@millrace/timeline';
import { expect, it } from 'vitest';
import type { DueJob } from './due-jobs.ts';
import { sweepDue } from './due-sweep.ts';

const HOUR_MS = 3_600_000;
const now = 1_000 * HOUR_MS;

function sweepOf(records: Readonly<Record<string, string>>, answer: Result<null, string> = ok(null)) {
  const added: DueJob[] = [];
  const pages = Object.keys(records).map((user) => [`u:${user}` as ActorKey]);
  const sweep = sweepDue({
    users: {
      async *users() {
        for (const page of pages) yield await Promise.resolve(page);
      },
    },
    records: {
      fields: (_partition, actor, names) => {
        const value = records[actor.slice(2)] ?? '';
        return Promise.resolve(new Map(names.includes('q') && value !== '' ? [['q', utf8(value)]] : []));
      },
    },
    jobs: {
      add: (jobs) => {
        added.push(...jobs);
        return Promise.resolve(answer);
      },
    },
    clock: { nowMs: () => now, monotonicMs: () => 0 },
    partitionOf: () => partitionId(3),
  });
  return { added, sweep };
}

it('each message that is due, or will be soon, is given its job again, of all users', async () => {
  const { added, sweep } = sweepOf({
    ann: JSON.stringify([
      ['late', 'j1', now - HOUR_MS],
      ['soon', 'j2', now + HOUR_MS],
      ['tomorrow', 'j3', now + 24 * HOUR_MS],
    ]),
    ben: '',
    cleo: JSON.stringify([['k', 'j4', now]]),
  });
  expect(await sweep).toBe(3);
  expect(added).toEqual([
    { job: 'j1', user: 'ann', key: 'late', dueAt: now - HOUR_MS },
    { job: 'j2', user: 'ann', key: 'soon', dueAt: now + HOUR_MS },
    { job: 'j4', user: 'cleo', key: 'k', dueAt: now },
  ]);
});

it('a queue that takes nothing ends it, so that it is done again', async () => {
  const { sweep } = sweepOf({ ann: JSON.stringify([['k', 'j', now]]) }, err('it is away'));
  await expect(sweep).rejects.toThrow(StoreUnavailable);
});
