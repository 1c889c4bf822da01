import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { BenchReport } from '../src/report/bench-report.ts';
import type { GrowthPoint } from '../src/report/growth.ts';
import type { LobbiesFigures } from '../src/report/lobbies.ts';
import type { StormFigures } from '../src/workloads/sync/measure-reconnect.ts';
import { BenchRuns, BRIEF } from './bench-runs.ts';

// These look at the work that was done and at what is told of it, never at how fast it went.

const runs = new BenchRuns();
const { dir, temporary } = runs;
afterAll(() => {
  runs.end();
});

const growthOf = ({ median }: BenchReport): readonly GrowthPoint[] =>
  (median as unknown as { readonly growth: readonly GrowthPoint[] }).growth;

describe('a workload, briefly,', () => {
  it('direct: every message is acked, stored and delivered, beside two floors', async () => {
    const { report, checkedByName } = await runs.measured('direct');
    const { sent, acked, stored, delivered } = report.checked;
    expect(sent).toBeGreaterThan(0);
    expect([acked, stored, delivered]).toEqual([sent, sent, sent]);
    expect(Object.keys(report.median.parts)).toEqual([
      'direct saturated',
      'direct 1000/s',
      'direct 10000/s',
      'direct-2000 saturated',
    ]);
    expect(Object.keys(report.floor.parts)).toEqual(Object.keys(report.median.parts));
    expect(report.floor.redis?.xaddPerSecond).toBeGreaterThan(0);
    expect(report.median.ackedPerSecond).toBeGreaterThan(0);
    expect(report.ratio.throughput).toBeGreaterThan(0);
    expect(report.config['engine']).toMatch(/^(uws|ws)$/);
    expect(report.faults).toEqual([]);
    expect(checkedByName['client send']).toBeGreaterThanOrEqual(sent);
    expect(checkedByName['server ack']).toBeGreaterThanOrEqual(acked);
    expect(checkedByName['server push']).toBeGreaterThan(0);
  }, 90_000);

  it.each([
    ['disk', 0],
    ['replicated', 1],
  ] as const)(
    'direct, acknowledged at the level %s: the same, and the report says so',
    async (level, replicas) => {
      const { report } = await runs.measured('direct', '--ack', level);
      const { sent, acked, stored, delivered } = report.checked;
      expect(sent).toBeGreaterThan(0);
      expect([acked, stored, delivered]).toEqual([sent, sent, sent]);
      expect(report.config).toMatchObject({ ackLevel: level, redisReplicas: replicas });
      expect(report.floor.redis?.xaddPerSecond).toBeGreaterThan(0);
    },
    90_000,
  );

  it('group: every message reaches every other member', async () => {
    const { report, checkedByName } = await runs.measured('group');
    const { sent, acked, stored, delivered } = report.checked;
    expect([acked, stored]).toEqual([sent, sent]);
    // Groups of 4 and of 20: each message is delivered 3 or 19 times.
    expect(delivered).toBeGreaterThanOrEqual(sent * 3);
    expect(report.median.parts['group-500 saturated']?.cpuMicrosPerDelivery).not.toBe(undefined);
    expect(checkedByName['client send']).toBeGreaterThanOrEqual(sent);
    expect(checkedByName['server ack']).toBeGreaterThanOrEqual(acked);
    expect(checkedByName['server push']).toBeGreaterThan(0);
  }, 90_000);

  it('huge-group: everyone who is online gets every message, and Redis writes as much for one as for five times as many', async () => {
    const { report, checkedByName } = await runs.measured('huge-group', '--members', '210', '--seconds', '1');
    const { sent, acked, stored, delivered } = report.checked;
    expect([acked, stored]).toEqual([sent, sent]);
    const growth = growthOf(report);
    // Those that are counted are said while nobody is online.
    const counted = growth.reduce((sum, { messages }) => sum + messages, 0);
    expect(delivered).toBe((sent - counted) * 210);
    const parts = ['one at a time', 'saturated'];
    expect(Object.keys(report.median.parts)).toEqual(
      [210, 1_050].flatMap((size) => parts.map((part) => `group-${String(size)} ${part}`)),
    );
    for (const part of Object.values(report.median.parts)) expect(part.lastMemberMs?.p50).toBeGreaterThan(0);
    expect(report.ratio.throughput).toBeGreaterThan(0);
    expect(report.ratio.lastMember).toBeGreaterThan(0);
    expect(growth.map(({ members, diffusion }) => [members, diffusion])).toEqual([
      [10, 'write'],
      [100, 'write'],
      [210, 'read'],
      [1_050, 'read'],
    ]);
    const [ten, hundred, all, grown] = growth.map(({ perMessage }) => perMessage?.writes ?? 0);
    expect(hundred).toBeGreaterThan(100);
    expect(hundred).toBeGreaterThan(4 * (ten ?? 0));
    expect(all).toBeLessThan(ten ?? 0);
    expect(Math.abs((grown ?? 0) - (all ?? 0))).toBeLessThan(2);
    expect(report.faults).toEqual([]);
    expect(checkedByName['server live']).toBeGreaterThan(0);
    // To the owner, of who comes in while the group is small; no delivery is one.
    expect(checkedByName['server push'] ?? 0).toBeLessThan(20);
  }, 120_000);

  it('crossing: every device hears all that it may see, once and in order, while its group is diffused in other ways', async () => {
    const { report, checkedByName } = await runs.measured('crossing', '--members', '260');
    const { sent, acked, stored, delivered } = report.checked;
    expect(sent).toBeGreaterThan(0);
    expect([acked, stored]).toEqual([sent, sent]);
    expect(delivered).toBeGreaterThan(sent * 2);
    const growth = growthOf(report);
    expect(growth.map(({ members }) => members)).toEqual([
      2, 10, 50, 100, 150, 200, 250, 260, 250, 160, 140, 100, 50, 10, 2,
    ]);
    expect(growth.filter(({ diffusion }) => diffusion === 'read').map(({ members }) => members)).toEqual([
      250, 260, 250, 160,
    ]);
    const writesAt = (size: number) => growth.find(({ members }) => members === size)?.perMessage?.writes ?? 0;
    expect(writesAt(200)).toBeGreaterThan(writesAt(50));
    expect(writesAt(250)).toBeLessThan(writesAt(50));
    expect(report.faults).toEqual([]);
    expect(checkedByName['server live']).toBeGreaterThan(0);
    expect(checkedByName['server push']).toBeGreaterThan(0);
  }, 180_000);

  it('lobby: every message comes to all in its lobby, and the lobbies are made, joined and dropped', async () => {
    const { report, checkedByName } = await runs.measured('lobby', '--members', '5');
    const { sent, acked, stored, delivered } = report.checked;
    expect(sent).toBeGreaterThan(0);
    expect([acked, stored, delivered]).toEqual([sent, 0, sent * 5]);
    expect(report.config).toMatchObject({ lobbies: 10, members: 5, sockets: 10, lobbiesOfSocket: 5 });
    const parts = ['lobby 4 at 20/s', 'lobby saturated'];
    expect(Object.keys(report.median.parts)).toEqual(parts);
    expect(Object.keys(report.floor.parts)).toEqual(parts);
    for (const name of parts) expect(report.ratio.parts[name]?.throughput).toBeGreaterThan(0);
    const { lobbies } = report.median as unknown as { readonly lobbies: LobbiesFigures };
    for (const rate of [lobbies.createdPerMinute, lobbies.joinedPerMinute, lobbies.droppedPerMinute]) {
      expect(rate).toBeGreaterThan(0);
    }
    for (const bytes of Object.values(lobbies.residentBytes)) expect(bytes).toBeGreaterThan(0);
    expect(report.faults).toEqual([]);
    expect(checkedByName).toMatchObject({ 'client create': 10, 'client join': 40, 'client dissolve': 10 });
    expect(checkedByName['client send']).toBe(sent);
    expect(checkedByName['server live']).toBeGreaterThan(0);
  }, 90_000);

  it('burst: all that was due is acked, stored and delivered, however much waited', async () => {
    const { report } = await runs.measured('burst');
    const { sent, acked, stored, delivered } = report.checked;
    expect([acked, stored, delivered]).toEqual([sent, sent, sent]);
    const shapes = ['one-node', 'all-nodes'];
    expect(Object.keys(report.median.parts)).toEqual(shapes.flatMap((name) => [`${name} saturated`, `${name} burst`]));
    for (const name of shapes) {
      const { burst } = report.median.parts[`${name} burst`] ?? {};
      expect(burst?.due).toBeGreaterThan(0);
      expect(burst?.tailSeconds).toBeGreaterThan(0);
      expect(burst?.residentBytesMax).toBeGreaterThan(0);
    }
    expect(report.faults).toEqual([]);
  }, 90_000);

  it('sync: a device takes all that it missed once and in order, and so do many that come back at once', async () => {
    const { report, checkedByName } = await runs.measured('sync');
    const { sent, stored, delivered } = report.checked;
    expect(stored).toBe(sent);
    expect(delivered).toBeGreaterThan(sent);
    const sets = ['write-1', 'write-50', 'write-500', 'read-1', 'read-50', 'read-500'];
    const parts = sets.flatMap((name) => (name.startsWith('read') ? [name, `${name} ranges`] : [name]));
    expect(Object.keys(report.median.parts)).toEqual(parts);
    expect(Object.keys(report.floor.parts)).toEqual(sets);
    for (const name of parts) expect(report.ratio.parts[name]?.throughput).toBeGreaterThan(0);
    const { reconnect } = report.median as unknown as { readonly reconnect: StormFigures };
    expect(reconnect.devices).toBe(400);
    expect(reconnect.allSyncedSeconds).toBeGreaterThan(0);
    expect(reconnect.othersStormMs?.p99).toBeGreaterThan(0);
    expect(reconnect.residentBytesMax).toBeGreaterThan(0);
    expect(report.faults).toEqual([]);
    // By sync, by history, and those who write meanwhile.
    for (const frame of ['server synced', 'server page', 'server ack', 'server push']) {
      expect(checkedByName[frame]).toBeGreaterThan(0);
    }
  }, 180_000);

  it.each(['uws', 'ws'])(
    'ws-floor passes every message on, over %s',
    async (engine) => {
      const json = join(dir, `floor-${engine}.json`);
      const { code, notes } = await runs.bench(['ws-floor', ...BRIEF, '--engine', engine, '--json', json]);
      if (engine === 'uws' && notes.includes('uWebSockets.js does not load')) {
        expect(code).toBe(1);
        return;
      }
      expect(code, notes).toBe(0);
      const report = runs.reportOf(`floor-${engine}`);
      expect(report.config['engine']).toBe(engine);
      expect(report.checked.acked).toBe(report.checked.sent);
      expect(report.checked.delivered).toBeGreaterThan(report.checked.sent);
    },
    90_000,
  );

  it('redis-floor counts XADDs, and both reports are written', async () => {
    const { report } = await runs.measured('redis-floor');
    expect(report.median.redis?.xaddPerSecond).toBeGreaterThan(0);
    const pages = readdirSync(join(dir, 'reports')).filter((name) => /^redis-floor-.*\.html$/.test(name));
    expect(pages).toHaveLength(1);
  }, 60_000);
});

describe('the bench', () => {
  it('that is interrupted leaves no process and no directory behind', async () => {
    const { code, frames } = await runs.bench(
      ['direct', '--rounds', '1', '--seconds', '2', '--scale', '0.04'],
      /millrace, direct sat/,
    );
    expect(code).toBe(130);
    expect(frames.problems).toEqual([]);
    expect(frames.checked).toBeGreaterThan(0);
    expect(runs.leftRunning()).toEqual([]);
    expect(readdirSync(temporary)).toEqual([]);
  }, 60_000);

  it('refuses what it does not know', async () => {
    const { code, notes } = await runs.bench(['indirect']);
    expect(code).toBe(2);
    expect(notes).toMatch(/Name one workload/);
  });
});
