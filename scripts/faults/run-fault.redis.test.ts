import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive } from '@millrace/local-redis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inRoot } from '../lib/paths.mjs';
import { faults, type Fault } from './faults.ts';
import type { RunRecord } from './results.ts';
import { runFault, type RunContext } from './run-fault.ts';
import { ask } from './setting.ts';
import { Stage } from './stage.ts';
import { until } from './until.ts';

const LEASE_MS = 2_000;
/** Puts a copy of the last entry but one of a stream in the place of the last one. */
const REPLACE_LAST = `
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 2)
redis.call('XDEL', KEYS[1], last[1][1])
redis.call('XSETID', KEYS[1], last[2][1])
return redis.call('XADD', KEYS[1], last[1][1], unpack(last[2][2]))`;

describe('one run of a fault, on real nodes over a real Redis', () => {
  let dir = '';
  let stage: Stage | undefined;
  const onStage = (one: Stage): void => {
    stage = one;
  };
  const processes = (): readonly number[] =>
    [...(stage?.nodes ?? []), ...(stage?.below.redis ?? [])].map(({ pid }) => pid);
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'millrace-faults-'));
  });
  afterEach(async () => {
    await stage?.close();
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  });

  const run = (fault: Fault): Promise<RunRecord> => {
    const context: RunContext = {
      stage: { dir, bundles: inRoot('dist'), leaseMs: LEASE_MS, partitions: 16, settleSeconds: 20, onStage },
      commit: null,
      machine: 'this one',
      say: () => undefined,
      beforeMs: 500,
      afterMs: 500,
    };
    return runFault({ fault, run: 0, rate: 100, capacityPerSecond: null }, context);
  };
  const named = (name: string): Fault => {
    const fault = faults.find((one) => one.name === name);
    if (fault === undefined) throw new Error(`there is no fault ${name}`);
    return fault;
  };

  it('tells of a drain that nothing is lost, doubled or missing, and how long the longest pause was (I1)(I3)(I4)', async () => {
    const record = await run({ ...named('drain-node'), setting: 'lone' });
    expect(record.story.join('\n')).toMatch(/node-1 is told to end\n.*it has ended\n.*the cluster is whole$/);
    expect(record).toMatchObject({ ok: true, why: null, lost: 0, duplicated: 0, gaps: 0, incompleteDevices: 0 });
    expect(record.acked).toBeGreaterThan(50);
    expect(record.pauseMs).toBeGreaterThan(0);
    expect(record.pauseMs).toBeLessThan(LEASE_MS);
    expect(processes().length).toBeGreaterThan(3);
    expect(processes().filter(isAlive)).toEqual([]);
  }, 60_000);

  it('sees that a message was replaced in Redis by a copy of the one before, and ends what it started', async () => {
    const record = await run({
      ...named('drain-node'),
      setting: 'lone',
      async inject(on) {
        const [redis] = on.below.redis;
        if (redis === undefined) throw new Error('there is one');
        const keys = (await ask(redis, 'KEYS', '*t:c:live-*')) as string[];
        // Then it is no text any more, and the last two are messages, and not the entry that tells of the creation.
        await until('there are some', async () => (await ask(redis, 'TYPE', keys[0] ?? '')) === 'stream', 10_000);
        expect(await ask(redis, 'EVAL', REPLACE_LAST, 1, keys[0] ?? '')).toMatch(/^1-\d+$/);
      },
    });
    expect(record).toMatchObject({ ok: false, lost: 1, duplicated: 1, incompleteDevices: 0 });
    expect(record.lostMessages).toMatchObject([{ isTold: false, gen: 1 }]);
    expect(record.why).toMatch(/\d+ conflict, 1 lost$/);
    expect(processes().length).toBeGreaterThan(3);
    expect(processes().filter(isAlive)).toEqual([]);
  }, 60_000);

  it('records a fault that cannot be done as failed, with its reason, and ends what it started', async () => {
    const record = await run({
      ...named('drain-node'),
      setting: 'lone',
      inject: () => Promise.reject(new Error('the node does not end')),
    });
    expect(record).toMatchObject({ ok: false, why: 'the node does not end', pauseMs: null });
    expect(processes().length).toBeGreaterThan(3);
    expect(processes().filter(isAlive)).toEqual([]);
  }, 60_000);

  it('can be looked at for what nodes and Redis hold (I9)', async () => {
    stage = await Stage.start(
      { dir, bundles: inRoot('dist'), leaseMs: LEASE_MS, partitions: 16, settleSeconds: 20, onStage, setting: 'lone' },
      () => undefined,
    );
    const sample = await stage.sample();
    for (const node of ['node-1', 'node-2', 'node-3']) {
      expect(sample[`${node} residentBytes`]).toBeGreaterThan(1e7);
      expect(sample[`${node} eventLoopP99Ms`]).toBeGreaterThan(0);
      expect(sample[`${node} commandsQueued`]).toBe(0);
    }
    expect(sample['redis keys']).toBeGreaterThan(16);
    expect(sample['redis usedBytes']).toBeGreaterThan(1e5);
    expect(sample['redis timelines']).toBe(0);
    // A short Timeline is a text.
    const [redis] = stage.below.redis;
    if (redis === undefined) throw new Error('there is one');
    const short = "return redis.call('SET', KEYS[1], cmsgpack.pack('1-1', 'one', '1-2', 'two'))";
    await ask(redis, 'EVAL', short, 1, '{p1}:t:c:short');
    await ask(redis, 'XADD', '{p1}:t:c:long', '1-1', 'e', 'one');
    expect((await stage.sample())['redis timelines']).toBe(3);
  });
});
