import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CommitFigures } from '../src/report/commit-path.ts';
import type { CostCurve } from '../src/report/cost-growth.ts';
import type { FailoverFigures } from '../src/report/failover.ts';
import type { HistoryFigures } from '../src/report/history.ts';
import type { IdleRatio, IdleSide } from '../src/report/idle.ts';
import type { MemoryFigures } from '../src/report/memory.ts';
import type { PeerReport } from '../src/report/peers.ts';
import type { ProfileFigures } from '../src/report/profile.ts';
import type { ReplayFigures } from '../src/report/replay.ts';
import type { SearchFigures, SearchFloorFigures } from '../src/report/search.ts';
import type { SuiteState } from '../src/suite/suite-state.ts';
import { BenchRuns, BRIEF } from './bench-runs.ts';

// These look at the work that was done and at what is told of it, never at how fast it went.

const runs = new BenchRuns();
afterAll(() => {
  runs.end();
});

describe('a workload, briefly,', () => {
  it('idle: every connection is answered in the end, and its memory is told beside that of the floor', async () => {
    const { report, checkedByName } = await runs.measured('idle', '--long', '--scale', '0.01');
    expect(report.config).toMatchObject({ connections: [100, 500], servers: [1, 4] });
    const { checked } = report;
    expect([checked.sent, checked.acked]).toEqual([600, 600]);
    const sides = [report.median, report.floor].map((side) => side.parts as unknown as Record<string, IdleSide>);
    for (const parts of sides) {
      expect(Object.keys(parts)).toEqual(['idle-10000', 'idle-50000']);
      for (const one of Object.values(parts)) {
        expect(one.bytesPerConnection).not.toBe(null);
        expect(one.heapBytesPerConnection).not.toBe(null);
        expect(one.cpuPercent.node).toBeGreaterThanOrEqual(0);
        expect(one.residentBytes).toBeGreaterThan(0);
      }
    }
    const above = report.ratio as unknown as IdleRatio;
    const [millrace, floor] = [report.median, report.floor].map((side) => side.bytesPerConnection ?? 0);
    expect(above.bytesAboveFloor).toBeCloseTo((millrace ?? 0) - (floor ?? 0), 3);
    // With those that came and went before.
    expect(checkedByName['client connect']).toBe(600 + 60);
    expect(checkedByName['server pong']).toBeGreaterThanOrEqual(600);
  }, 240_000);

  it.each([
    ['disk', 'disk', 'memory'],
    ['replicated', 'replicated', 'memory'],
  ])(
    '%s: the pairs are measured at both ack levels, and all is stored at both',
    async (workload, one, other) => {
      const { report, checkedByName, out } = await runs.measured(workload, '--seconds', '0.5');
      const { sent, acked, stored, delivered } = report.checked;
      expect(sent).toBeGreaterThan(0);
      expect([acked, stored, delivered]).toEqual([sent, sent, sent]);
      for (const side of [report.median, report.floor]) {
        expect(Object.keys(side.parts)).toEqual(['direct saturated']);
        expect(side.ackedPerSecond).toBeGreaterThan(0);
      }
      expect(report.ratio.throughput).not.toBe(null);
      expect(out).toMatch(new RegExp(`direct saturated: ${one} .*\\ndirect saturated: ${other} `));
      expect(checkedByName['client send']).toBe(sent);
    },
    240_000,
  );

  it('scale-out: the pairs are measured on one node and on two, and all is stored at both', async () => {
    const { report, out } = await runs.measuredApart('scale-out', '--seconds', '0.5', '--scale', '0.05');
    const { sent, acked, stored, delivered } = report.checked;
    expect(sent).toBeGreaterThan(0);
    expect([acked, stored, delivered]).toEqual([sent, sent, sent]);
    expect(report.ratio.cpu).not.toBe(null);
    expect(out).toMatch(/direct saturated: two nodes .*\ndirect saturated: one node /);
  }, 240_000);

  it('commit: what the store of a node has acknowledged is there, beside what XADD comes to', async () => {
    const { report } = await runs.measuredApart('commit', '--seconds', '0.5');
    const { acked, stored, lost, duplicated } = report.checked;
    expect([stored, lost, duplicated]).toEqual([acked, 0, 0]);
    const { commit } = report.median as unknown as { readonly commit: CommitFigures };
    // Each is of 32 entries.
    expect(commit.entriesPerSecond / commit.commitsPerSecond).toBeCloseTo(32, 6);
    expect(acked).toBeGreaterThanOrEqual(commit.entriesPerSecond * 0.4);
    expect(report.ratio.throughput).toBeGreaterThan(0);
  }, 240_000);

  it('profile: the steps of a message are told with what each takes, and come to all that the server took', async () => {
    const { report } = await runs.measured('profile', '--seconds', '1');
    const { profile } = report.median as unknown as { readonly profile: Readonly<Record<string, ProfileFigures>> };
    expect(Object.keys(profile)).toEqual(['direct', 'group-100', 'group-500']);
    for (const { steps, nodeMicros } of Object.values(profile)) {
      const all = Object.values(steps).reduce((sum, one) => sum + one, 0);
      expect(all).toBeCloseTo(nodeMicros, 3);
      // Found by the server's sources, and not all of it somewhere else.
      for (const step of ['sockets: in and out', 'conversation actors', 'store: commits packed and sent']) {
        expect(steps[step]).toBeGreaterThan(0);
      }
    }
    expect(report.checked.stored).toBe(report.checked.sent);
  }, 240_000);

  it('growth: the same load is put on stores and servers of each size, and all that it said is there', async () => {
    const { report } = await runs.measuredApart('growth', '--scale', '0.01');
    const { curves } = report.median as unknown as { readonly curves: Readonly<Record<string, CostCurve>> };
    const sizes = Object.entries(curves).map(([name, { points }]) => [name, points.map(({ size }) => size)]);
    expect(sizes).toEqual([
      ['conversations', [10, 100, 1_000]],
      ['written to', [10, 100, 1_000]],
      ['messages', [0, 1_000, 10_000]],
      ['members', [2, 5, 10]],
      ['connections', [0, 10, 50, 100]],
    ]);
    for (const { points } of Object.values(curves)) {
      for (const { cost } of points) expect(cost.ackedPerSecond).toBeGreaterThan(0);
    }
    const { sent, acked, stored, delivered } = report.checked;
    // What the messages' own size took, and what was measured.
    expect(sent).toBeGreaterThan(10_000);
    expect([acked, stored]).toEqual([sent, sent]);
    expect(delivered).toBeGreaterThanOrEqual(sent);
    expect(report.faults).toEqual([]);
  }, 300_000);

  it('memory: what Redis keeps is counted against what was said', async () => {
    const { report } = await runs.measured('memory', '--seconds', '1');
    const { memory } = report.median as unknown as { readonly memory: MemoryFigures };
    // A message is no smaller than its body, and nothing of a quiet conversation is left out.
    expect(memory.busyMessageBytesByKey).toBeGreaterThan(200);
    expect(memory.busyMessageBytesByKey).toBeLessThan(2_000);
    // Redis takes memory for streams in pieces: of few records it may take none.
    expect(memory.inboxRecordBytes).toBeGreaterThanOrEqual(0);
    expect(memory.inboxRecordBytes).toBeLessThan(2_000);
    expect(memory.inboxRecordsPerMessage).toBeGreaterThan(0);
    expect(memory.inboxRecordsPerMessage).toBeLessThanOrEqual(2);
    expect(memory.quietTimelineBytesByKey).toBeGreaterThan(200);
    expect(memory.quietRecordBytesByKey).toBeGreaterThan(100);
    expect(memory.usedPerQuietConversation).toBeGreaterThan(memory.quietConversationBytes ?? Infinity);
    // 120 quiet conversations, and what the busy pair said.
    expect(report.checked.stored).toBeGreaterThan(120);
    expect(report.checked.stored).toBe(report.checked.sent);
  }, 240_000);

  it('replay: a corpus goes through the server and comes back as every member, whether it is made or named', async () => {
    const { report, checkedByName } = await runs.measured('replay', '--scale', '0.01');
    const { replay } = report.median as unknown as { readonly replay: ReplayFigures };
    const { sent, acked, stored, delivered } = report.checked;
    expect([sent, acked, stored]).toEqual([500, 500, 500]);
    expect(delivered).toBeGreaterThan(stored);
    expect(replay).toMatchObject({ messages: 500, conversations: 100 });
    expect(replay.replayedPerSecond).toBeGreaterThan(0);
    expect(report.floor.redis?.xaddPerSecond).toBeGreaterThan(0);
    expect(report.ratio.throughput).toBeGreaterThan(0);
    expect(checkedByName['client send']).toBeGreaterThanOrEqual(500);

    const file = join(runs.dir, 'two.jsonl');
    const line = (text: string) => JSON.stringify({ channel: 'one', at: '2020-01-01T00:00:00Z', from: 'a', text });
    writeFileSync(file, `${line('first')}\n${line('second')}\n`);
    const named = await runs.measured('replay', '--corpus', file);
    expect(named.report.checked).toMatchObject({ sent: 2, stored: 2 });
    expect(named.report.config['corpus']).toBe('two.jsonl');
  }, 240_000);

  it('search: what was imported is indexed, made anew and found, and what comes is found by the index alone', async () => {
    const { report, checkedByName } = await runs.measured('search');
    const { search } = report.median as unknown as { readonly search: SearchFigures };
    const floor = (report.floor as unknown as { readonly search: SearchFloorFigures }).search;
    const { sent, acked, stored, delivered } = report.checked;
    // With the reader's own word in each channel.
    expect(search).toMatchObject({ messages: 2_100, conversations: 100, fresh: { tries: 50 } });
    expect(sent).toBeGreaterThan(2_150);
    expect([acked, stored]).toEqual([sent, sent]);
    expect(delivered).toBeGreaterThan(100);
    expect(Object.keys(search.queries)).toEqual(['word', 'two words', 'beginning', 'two characters']);
    for (const latency of Object.values(search.queries)) expect(latency?.p99).toBeGreaterThan(0);
    for (const cost of [search.rebuilt, floor.insert]) {
      expect(cost.perSecond).toBeGreaterThan(0);
      expect(cost.cpuMicros).toBeGreaterThan(0);
    }
    expect(search.indexBytesPerMessage).toBeGreaterThan(20);
    expect(search.fresh.ms?.max).toBeGreaterThan(0);
    expect(checkedByName['client send']).toBe(sent - 2_100);
  }, 240_000);

  it('history: what was archived while it was sent is read back from anywhere, and is what the corpus says', async () => {
    const { report, checkedByName } = await runs.measured('history');
    const { history } = report.median as unknown as { readonly history: HistoryFigures };
    const { sent, acked, stored, delivered } = report.checked;
    expect([sent, acked, stored]).toEqual([2_000, 2_000, 2_000]);
    // From end to end in both directions, and the pages.
    expect(delivered).toBeGreaterThan(2 * stored);
    expect(history).toMatchObject({ messages: 2_000, conversations: 4, pagesRead: 400 });
    expect(history.archivedEntries).toBeGreaterThan(1_000);
    expect(history.hotEntries).toBeLessThan(1_000);
    expect(history.hotEntriesMost).toBeGreaterThan(0);
    for (const bytes of [history.hotBytesPerMessage, history.archivedBytesPerMessage])
      expect(bytes).toBeGreaterThan(20);
    for (const latency of [history.pageMs, history.archiveMs, history.uncachedMs])
      expect(latency?.p99).toBeGreaterThan(0);
    expect(report.faults).toEqual([]);
    expect(checkedByName['client history']).toBeGreaterThan(400);
  }, 240_000);

  it('failover: a fault is done on a real cluster under load, and the longest pause is told', async () => {
    const { report } = await runs.measured('failover', '--only', 'drain-node');
    const { failover } = report.median as unknown as { readonly failover: Readonly<Record<string, FailoverFigures>> };
    expect(Object.keys(failover)).toEqual(['drain-node']);
    expect(failover['drain-node']?.pauseMs).toBeGreaterThan(0);
    expect(failover['drain-node']?.targetMs).toBe(250);
    const { sent, acked, stored } = report.checked;
    expect(sent).toBeGreaterThan(0);
    expect([acked, stored]).toEqual([sent, sent]);
    expect(report.faults).toEqual([]);
  }, 300_000);
});

describe('peers, briefly,', () => {
  beforeAll(async () => {
    const installer = new URL('../../../scripts/lib/install.mjs', import.meta.url).href;
    const { ensureInstalled } = (await import(installer)) as {
      readonly ensureInstalled: (options: { readonly folder: string; readonly quiet: boolean }) => Promise<void>;
    };
    await ensureInstalled({ folder: 'apps/bench/peers', quiet: true });
  }, 240_000);

  it('get the same load as Millrace, and each is told with what it does not do', async () => {
    const { report } = await runs.measured('peers', '--seconds', '1');
    const parts = ['direct saturated', 'direct 1000/s', 'group-50 saturated', 'group-50 1000/s'];
    expect(Object.keys(report.median.parts)).toEqual(parts);
    expect(Object.keys(report.floor.parts)).toEqual(parts);
    const { peers } = report.median as unknown as { readonly peers: Readonly<Record<string, PeerReport>> };
    expect(Object.keys(peers)).toEqual(['socket.io', 'colyseus']);
    for (const peer of Object.values(peers)) {
      expect(Object.keys(peer.parts)).toEqual(parts);
      const { sent, acked, delivered, lost, duplicated, gaps } = peer.checked;
      expect(sent).toBeGreaterThan(0);
      // Pairs, and a group of three.
      expect([acked, lost, duplicated, gaps]).toEqual([sent, 0, 0, 0]);
      expect(delivered).toBeGreaterThan(sent);
      expect(Object.keys(peer.lacks)).toEqual(['store', 'inbox', 'dedupe', 'history']);
      expect(Object.values(peer.versions).every((version) => /^\d+\.\d+/.test(version))).toBe(true);
      expect(Object.keys(peer.ratio.parts)).toEqual(parts);
    }
    expect(report.checked.stored).toBe(report.checked.sent);
    expect(report.faults).toEqual([]);
  }, 300_000);

  it('that there are not are refused', async () => {
    const { code, notes } = await runs.bench(['peers', '--only', 'carrier-pigeon', '--rounds', '1']);
    expect(code).toBe(1);
    expect(notes).toMatch(/There is no peer carrier-pigeon; there are socket.io, colyseus/);
  }, 30_000);
});

describe('the suite, briefly,', () => {
  it('is gone on with where it was interrupted, and writes a page that is none for the documentation', async () => {
    const args = ['all', '--only', 'disk,memory', ...BRIEF];
    const file = (name: string): string => join(runs.dir, 'reports', 'suite', name);
    const first = await runs.bench(args, /memory: .*busy conversations/);
    expect(first.code, first.notes).toBe(130);
    expect(runs.leftRunning()).toEqual([]);
    expect(readdirSync(runs.temporary)).toEqual([]);
    const interrupted = JSON.parse(readFileSync(file('suite.json'), 'utf8')) as SuiteState;
    expect(Object.keys(interrupted.steps)).toEqual(['disk']);
    expect(existsSync(file('performance.md'))).toBe(false);

    const second = await runs.bench(args);
    expect(second.code, second.notes).toBe(0);
    expect(second.notes).toMatch(/1 of 2 are done/);
    const state = JSON.parse(readFileSync(file('suite.json'), 'utf8')) as SuiteState;
    expect(state.steps['disk']).toEqual(interrupted.steps['disk']);
    expect(state.steps['memory']).toMatchObject({ ok: true });
    expect(state.loadAverages).toHaveLength(2);
    const page = readFileSync(file('performance.md'), 'utf8');
    expect(page).toContain('**These are no figures to go by:** it was run with settings of its own: --rounds 1');
    expect(page).toMatch(/^\| disk +\| saturated, to ack level memory +\| ≥ 0\.8/m);
    expect(page).toMatch(/^checked \d+ sent, .*: 0 lost, 0 duplicated, 0 gaps$/m);
    expect(second.out).toMatch(/2 of 2 workloads went well\nnot for the documentation: /);
    expect(runs.leftRunning()).toEqual([]);
  }, 240_000);
});
