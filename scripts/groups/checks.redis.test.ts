import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive } from '@millrace/local-redis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inRoot } from '../lib/paths.mjs';
import { engines, stalledEnvironment } from './checks.ts';
import { GroupStage } from './group-stage.ts';
import { Grow } from './grow.ts';
import { Recount } from './recount.ts';
import { Stalled } from './stalled.ts';

describe('a large group, on real nodes over a real Redis, at the default bounds of diffusion', () => {
  let dir = '';
  let stage: GroupStage | undefined;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'millrace-groups-'));
  });
  afterEach(async () => {
    await stage?.close();
    const pids = [...(stage?.nodes ?? []), ...(stage === undefined ? [] : [stage.redis])].map(({ pid }) => pid);
    expect(pids.filter(isAlive)).toEqual([]);
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  });
  const start = async (nodes: number, env: Readonly<Record<string, string>> = {}): Promise<GroupStage> => {
    const onStage = (one: GroupStage): void => {
      stage = one;
    };
    const all = { MILLRACE_PARTITIONS: '16', ...env };
    return GroupStage.start({ dir, bundles: inRoot('dist'), nodes, env: all, onStage });
  };

  it('that grows from 2 to 1,200 and shrinks to 2 while 50 write gives each member exactly their stays, once, in order (I7)', async () => {
    const shape = { members: 1_200, senders: 50, online: 60, flapping: 80 };
    const { wrong, ...counted } = await new Grow(
      // What it was at its peak is forgotten sooner.
      await start(2, { MILLRACE_LOAD_WINDOW_MS: '3000' }),
      { ...shape, messagesPerSecond: 100, messagesPerChange: 4 },
      () => undefined,
    ).run();
    expect(wrong).toEqual([]);
    expect(counted.devices).toBe(1_200);
    // Half of those online have the group open.
    expect(Math.min(counted.rested.open, counted.rested.closed)).toBeGreaterThan(30);
    expect(counted.acked).toBeGreaterThan(150);
    expect(counted.messages).toBeGreaterThan(20_000);
  }, 360_000);

  it('of 500, of whom 100 are online with several devices, has the unread counts and receipts that a count of all entries gives', async () => {
    const shape = { members: 500, online: 100, writers: 10, rounds: 6, messagesPerRound: 12, seed: 7 };
    const { wrong, ...counted } = await new Recount(await start(2), shape, () => undefined).run();
    expect(wrong).toEqual([]);
    expect(counted.messages).toBe(6 * 12 + 1);
    expect(counted.unreadChecked).toBeGreaterThan(2 * 140);
    expect([counted.receiptsChecked, counted.listsChecked]).toEqual([counted.messages, 3]);
    expect(counted.positionsMoved).toBeGreaterThan(100);
    expect(counted.messagesGone).toBeGreaterThan(5);
  }, 240_000);

  it.each(engines)(
    'loses nothing and delays nobody on %s for 20 that stop to read, at bounded memory (I9)',
    async (engine) => {
      const shape = { members: 240, listeners: 10, stalled: 20, messages: 600, messagesPerSecond: 100 };
      const { wrong, ...counted } = await new Stalled(
        await start(1, stalledEnvironment(engine)),
        shape,
        () => undefined,
      ).run();
      expect(wrong).toEqual([]);
      expect(counted.unreadBytes).toBeGreaterThan(300_000_000);
    },
    240_000,
  );
});
