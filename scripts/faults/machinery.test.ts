import { once } from 'node:events';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LiveResult } from '../../apps/cli/src/live/live-report.ts';
import { appendResult, readResults, type RunRecord } from './results.ts';
import { pauseBefore, pausesFrom, whyNot } from './run-fault.ts';
import { markdownTable, median, rowsOf, textTable } from './table.ts';
import { TcpProxy } from './tcp-proxy.ts';
import { until } from './until.ts';

const run = (more: Partial<RunRecord> = {}): RunRecord => ({
  kind: 'run',
  at: '2026-01-01T00:00:00.000Z',
  fault: 'kill-node',
  commit: 'abc',
  machine: 'one',
  ok: true,
  why: null,
  leaseMs: 10_000,
  capacityPerSecond: 900,
  rate: 300,
  acked: 3_000,
  ackedPerSecond: 300,
  lost: 0,
  lostTold: 0,
  lostMessages: [],
  duplicated: 0,
  gaps: 0,
  otherwiseWrong: 0,
  incompleteDevices: 0,
  unacknowledged: 0,
  pauseMs: 10_500,
  pauseAt: '2026-01-01T00:00:05.000Z',
  overallPauseMs: 20,
  longestPauses: [],
  targetMs: 12_000,
  ownDelayMs: 12,
  loadAverage: [1, 2],
  seconds: 30,
  story: [],
  logs: null,
  ...more,
});

const result = (more: Partial<LiveResult> = {}): LiveResult => ({
  event: 'result',
  ok: true,
  startedAt: '2026-01-01T00:00:00.000Z',
  seconds: 10,
  users: 2,
  devices: 2,
  conversations: 1,
  senders: 1,
  levels: ['memory'],
  written: 10,
  acked: 10,
  ackedPerSecond: 1,
  completePerSecond: 1,
  heldBack: 0,
  unacknowledged: 0,
  stored: 11,
  delivered: 22,
  lost: 0,
  lostTold: 0,
  lostMessages: [],
  violations: { duplicated: 0, gap: 0, conflict: 0, backwards: 0, disordered: 0, refused: 0 },
  incompleteDevices: 0,
  generations: {},
  pause: null,
  overallPause: { ms: 0, at: '' },
  pauses: [],
  reconnects: 0,
  refused: {},
  ownDelayMsMax: 1,
  samples: [],
  stoppedBy: null,
  ...more,
});

describe('what a run found', () => {
  it('is well when nothing is wrong', () => {
    expect(whyNot(result(), false)).toBe(null);
  });

  it.each<[string, Partial<LiveResult>]>([
    ['1 lost', { lost: 1 }],
    ['2 duplicated', { violations: { ...result().violations, duplicated: 2 } }],
    ['3 gap', { violations: { ...result().violations, gap: 3 } }],
    ['1 backwards', { violations: { ...result().violations, backwards: 1 } }],
    ['1 devices incomplete', { incompleteDevices: 1 }],
    ['4 never acknowledged', { unacknowledged: 4 }],
    ['nothing was acknowledged', { acked: 0 }],
    ['no node answers', { stoppedBy: 'no node answers' }],
  ])('is not with %s', (why, more) => {
    expect(whyNot(result(more), false)).toBe(why);
  });

  it('may hold lost messages where a fault may lose some, but only those that a generation tells of', () => {
    expect(whyNot(result({ lost: 5, lostTold: 5 }), true)).toBe(null);
    expect(whyNot(result({ lost: 5, lostTold: 4 }), true)).toBe('1 lost');
    expect(whyNot(result({ lost: 5, lostTold: 5 }), false)).toBe('5 lost');
  });

  it('counts the pauses that were not over when the fault came', () => {
    const pause = (seconds: number, ms: number) => ({
      ms,
      at: `2026-01-01T00:00:0${String(seconds)}.000Z`,
      sender: 's',
      conversation: 'c' as never,
    });
    const [early, across, late] = [pause(1, 900), pause(3, 1_500), pause(5, 2_000)];
    const since = Date.parse('2026-01-01T00:00:04.000Z');
    expect(pausesFrom({ pauses: [early, across, late], pause: late }, since)).toEqual([late, across]);
    expect(pausesFrom({ pauses: [early], pause: early }, since)).toEqual([early]);
    // One of the start of the load, and those that the fault may have to do with, tell nothing of the calm before it.
    const [start, calm] = [pause(0, 950), pause(2, 120)];
    expect(pauseBefore({ pauses: [start, calm, across, late] }, since)).toBe(120);
    expect(pauseBefore({ pauses: [early, calm, across] }, since)).toBe(900);
    expect(pauseBefore({ pauses: [start, across, late] }, since)).toBe(null);
  });
});

describe('the file of results', () => {
  let dir = '';
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'millrace-results-'));
  });
  afterEach(() => {
    rmSync(dir, { recursive: true, force: true });
  });

  it('is gone on with after a crash that cut its last line off', () => {
    const path = join(dir, 'below', 'results.jsonl');
    expect(readResults(path)).toEqual([]);
    appendResult(path, run());
    appendFileSync(path, '{"kind":"run","fau');
    expect(readResults(path)).toEqual([run()]);
    appendResult(path, run({ fault: 'add-node' }));
    expect(() => readResults(path)).not.toThrow();
    expect(readResults(path)).toEqual([run(), run({ fault: 'add-node' })]);
  });
});

describe('the table', () => {
  it('has a row for each fault that was run', () => {
    const rows = rowsOf(
      [
        run({ pauseBeforeMs: 90 }),
        run({ pauseMs: 12_500, pauseBeforeMs: 110, loadAverage: [1, 4.25] }),
        run({ ok: false, pauseMs: null, lost: 2, gaps: 1 }),
        run({ fault: 'lossy', lost: 7, lostTold: 7, targetMs: null }),
      ],
      ['lossy', 'kill-node', 'never-run'],
    );
    expect(rows.map(({ fault }) => fault)).toEqual(['lossy', 'kill-node']);
    expect(rows[1]).toMatchObject({ runs: 3, ok: 2, lost: 2, gaps: 1, pauseMsMedian: 11_500, pauseMsMax: 12_500 });
    expect(rows[1]).toMatchObject({ inTarget: 1, loadAverageMax: 4.25, pauseBeforeMs: 100 });
    expect(textTable(rows)[2]).toMatch(
      /^kill-node +3 +2 +2 +0 +1 .* 11,500 ms +12,500 ms +100 ms +< 12,000 ms +1 of 3 +300 +4\.3$/,
    );
    expect(markdownTable(rows)).toHaveLength(4);
    expect(markdownTable(rows)[2]).toMatch(
      /^\| lossy \| 1 \| 1 \| 7 \(told: 7\) \| .* \| - \| - \| - \| 300 \| 2\.0 \|$/,
    );
  });

  it.each([
    [[], null],
    [[3], 3],
    [[9, 1, 4], 4],
    [[4, 1, 9, 6], 5],
  ])('takes the median of %j', (values, of) => {
    expect(median(values)).toBe(of);
  });
});

describe('a proxy that holds', () => {
  it('forwards nothing in either direction, closes nothing, and lets all of it go afterwards', async () => {
    const heard: string[] = [];
    const inside: Socket[] = [];
    const server = createServer((socket) => {
      inside.push(socket);
      socket.on('data', (chunk) => heard.push(chunk.toString()));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const proxy = await TcpProxy.start((server.address() as AddressInfo).port);
    const dial = (): Socket => connect(proxy.port, '127.0.0.1');
    const client = dial();
    const back: string[] = [];
    let closed = 0;
    client.on('data', (chunk) => back.push(chunk.toString())).on('close', () => (closed += 1));
    client.write('a');
    await until('it comes through', () => heard.join('') === 'a', 5_000);

    proxy.hold();
    client.write('b');
    inside[0]?.write('c');
    const late = dial();
    late.write('d');
    await once(late, 'connect');
    // Another way to the same server shows that enough time has gone by.
    const direct = connect((server.address() as AddressInfo).port, '127.0.0.1').on('connect', () => direct.write('x'));
    await until('the direct one comes through', () => heard.includes('x'), 5_000);
    expect([heard, back, closed, inside.length]).toEqual([['a', 'x'], [], 0, 2]);

    proxy.release();
    await until('all of it comes through', () => [...heard].sort().join('') === 'abdx' && back.join('') === 'c', 5_000);

    proxy.pointTo(1);
    await until('what was open is cut', () => closed === 1, 5_000);
    direct.destroy();
    late.destroy();
    await proxy.close();
    server.close();
  });
});
