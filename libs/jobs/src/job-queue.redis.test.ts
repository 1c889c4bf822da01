import { systemClock, systemTimers } from '@millrace/kernel';
import { testRedis, type TestRedis } from '@millrace/local-redis/testing';
import { Cluster, Redis } from 'ioredis';
import { beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { backoffMs, JobQueue, type JobConnection } from './job-queue.ts';
import { JobWorker, type JobOutcome, type JobToDo } from './job-worker.ts';

const PREFIX = 'blue:{jobs}';

interface Worked extends JobToDo {
  readonly atMs: number;
}

function testsOf(redis: TestRedis, connect: () => JobConnection): void {
  const open = (attemptsMax = 3): JobQueue => {
    const queue = new JobQueue({
      ...{ name: 'due', prefix: PREFIX, connection: connect(), clock: systemClock, timers: systemTimers, attemptsMax },
      onTrouble: () => undefined,
    });
    onTestFinished(() => queue.close());
    return queue;
  };
  const work = (does: (job: JobToDo) => JobOutcome = () => null) => {
    const worked: Worked[] = [];
    const givenUp: string[] = [];
    const worker = new JobWorker({
      ...{ name: 'due', prefix: PREFIX, connection: connect(), atOnce: 4, onTrouble: () => undefined },
      work: (job) => {
        worked.push({ ...job, atMs: systemClock.nowMs() });
        return Promise.resolve(does(job));
      },
      onGivenUp: (job, why) => givenUp.push(`${String(job.data['key'])}: ${why}`),
    });
    onTestFinished(() => worker.close());
    return { worked, givenUp, worker };
  };
  const job = (id: string, dueAt: number) => ({ id, dueAt, data: { key: id } });
  const untilWorked = (worked: readonly Worked[], count: number): Promise<unknown> =>
    vi.waitUntil(() => worked.length >= count, { timeout: 60_000, interval: 20 });

  beforeEach(() => redis.flush());

  it('is worked at its time and not before, once, and is gone then (J1)', async () => {
    const queue = open();
    const { worked, worker } = work();
    const dueAt = systemClock.nowMs() + 1_500;
    expect(await queue.add([job('now', 0), job('later', dueAt), job('later', dueAt + 1)])).toMatchObject({ ok: true });
    await untilWorked(worked, 2);
    expect(worked.map(({ data }) => data['key'])).toEqual(['now', 'later']);
    expect(worked[1]?.atMs).toBeGreaterThanOrEqual(dueAt);
    await vi.waitUntil(async () => (await queue.counts())?.active === 0, { timeout: 60_000 });
    expect(await queue.counts()).toEqual({ delayed: 0, waiting: 0, active: 0 });
    expect(worker.stats).toEqual({ done: 2, again: 0, givenUp: 0 });
  });

  it('is tried again later, and the last attempt is told to be so (I9)', async () => {
    const queue = open(2);
    const { worked, givenUp, worker } = work(({ data }) => (data['key'] === 'bad' ? { again: 'not now' } : null));
    await queue.add([job('bad', 0), job('good', 0)]);
    await untilWorked(worked, 3);
    await vi.waitUntil(() => givenUp.length > 0, { timeout: 60_000 });
    const bad = worked.filter(({ data }) => data['key'] === 'bad');
    expect(bad.map(({ isLast }) => isLast)).toEqual([false, true]);
    expect((bad[1]?.atMs ?? 0) - (bad[0]?.atMs ?? 0)).toBeGreaterThanOrEqual(backoffMs(1));
    expect(givenUp).toEqual(['bad: not now']);
    expect(worker.stats).toEqual({ done: 1, again: 1, givenUp: 1 });
    expect(await queue.counts()).toEqual({ delayed: 0, waiting: 0, active: 0 });
  });

  it('that is taken back is not worked', async () => {
    const queue = open();
    await queue.add([job('a', systemClock.nowMs() + 500), job('b', systemClock.nowMs() + 600)]);
    await queue.remove(['a', 'never there']);
    expect(await queue.counts()).toMatchObject({ delayed: 1 });
    const { worked } = work();
    await untilWorked(worked, 1);
    expect(worked.map(({ data }) => data['key'])).toEqual(['b']);
  });

  it('that comes now and then comes at once, whoever asks for it', async () => {
    const queue = open();
    const { worked } = work();
    await queue.repeat('sweep', 3_600_000);
    await open().repeat('sweep', 3_600_000);
    await untilWorked(worked, 1);
    expect(worked[0]).toMatchObject({ name: 'sweep' });
    await vi.waitUntil(async () => (await queue.counts())?.delayed === 1, { timeout: 60_000 });
  });

  it('keeps all its keys under its prefix, and so in one slot', async () => {
    const queue = open();
    const { worked } = work();
    await queue.add([job('now', 0), job('later', systemClock.nowMs() + 60_000)]);
    await untilWorked(worked, 1);
    const keys = (await redis.call('KEYS', '*')) as readonly string[];
    expect(keys.length).toBeGreaterThan(0);
    expect(keys.filter((key) => !key.startsWith(`${PREFIX}:due:`))).toEqual([]);
  });
}

describe('a job, over one Redis', () => {
  const redis = testRedis();
  testsOf(redis, () => new Redis(redis.url, { maxRetriesPerRequest: null, protocol: 2 }));

  it('is refused in time while Redis is away, and nothing hangs (J2)', async () => {
    const queue = new JobQueue({
      ...{ name: 'due', prefix: PREFIX, clock: systemClock, timers: systemTimers, attemptsMax: 3, answerMsMax: 300 },
      connection: new Redis('redis://127.0.0.1:1', { maxRetriesPerRequest: null, protocol: 2 }),
      onTrouble: () => undefined,
    });
    expect(await queue.add([{ id: 'a', dueAt: 0, data: {} }])).toMatchObject({ ok: false });
    expect(await queue.counts()).toBeNull();
    await queue.close();
  });
});

describe('a job, over a Redis Cluster', () => {
  const redis = testRedis({ config: { 'cluster-enabled': 'yes', 'cluster-announce-ip': '127.0.0.1' } });
  beforeAll(async () => {
    await redis.call('CLUSTER', 'ADDSLOTSRANGE', 0, 16_383);
    await vi.waitUntil(async () => String(await redis.call('CLUSTER', 'INFO')).includes('cluster_state:ok'), 20_000);
  });
  testsOf(redis, () => new Cluster([redis.url], { redisOptions: { maxRetriesPerRequest: null, protocol: 2 } }));
});

describe('the time between two attempts', () => {
  it('doubles, up to five minutes, or as is asked for', () => {
    const all = [1, 2, 3, 9, 10, 1_000];
    expect(all.map((attempt) => backoffMs(attempt))).toEqual([1_000, 2_000, 4_000, 256_000, 300_000, 300_000]);
    const short = { msMin: 10, msMax: 50 };
    expect(all.map((attempt) => backoffMs(attempt, short))).toEqual([10, 20, 40, 50, 50, 50]);
  });
});
