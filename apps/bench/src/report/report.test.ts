import { describe, expect, it } from 'vitest';
import type { BurstLoad } from '../load/load-plan.ts';
import { Latency } from '../measure/latency.ts';
import { parseBenchOptions, type BenchOptions } from '../options.ts';
import type { MeasuredPart } from '../workloads/part-result.ts';
import { partResult } from '../workloads/part-result.ts';
import type { WorkloadRun } from '../workloads/run-workload.ts';
import { benchReport } from './bench-report.ts';
import { htmlReport } from './html-report.ts';
import { escaped, linearTicks, logTicks, plotSvg } from './plot.ts';
import { checkedLine, reportLines } from './text-table.ts';

function measured(perSecond: number, node: number, burst: BurstLoad | null = null): MeasuredPart {
  const latency = new Latency();
  for (let micros = 100; micros < 1_000; micros += 100) latency.record(micros);
  const encoded = latency.encode();
  const acked = perSecond * 2;
  return partResult(
    {
      sent: acked,
      acked,
      delivered: acked,
      refused: 0,
      duplicated: 0,
      gaps: 0,
      measured: { acked, delivered: acked, seconds: 2 },
      ack: encoded,
      deliver: encoded,
      last: new Latency().encode(),
      series: [perSecond, perSecond],
      burst,
      faults: [],
    },
    { node: 1_000, redis: 500, load: null },
    { node: 1_000 + node * acked, redis: 500 + acked, load: null },
    { before: 10 * 2 ** 20, max: 30 * 2 ** 20 },
  );
}

const side = (perSecond: number, node: number) => ({
  parts: { 'direct saturated': measured(perSecond, node), 'direct 1000/s': measured(1_000, node) },
  bytesPerConnection: 4_000,
});
const run: WorkloadRun = {
  rounds: [1, 3, 2].map((factor) => ({
    floor: side(1_000 * factor, 10),
    millrace: side(500 * factor, 19),
    redisFloor: { xaddPerSecond: 4_000, cpuMicrosPerXadd: 3 },
  })),
  checked: { sent: 9, acked: 9, stored: 9, delivered: 8, lost: 1, duplicated: 0, gaps: 0 },
  engine: 'uws',
  faults: ['<b>trouble</b>'],
};
const options = parseBenchOptions(['direct', '--rounds', '3']);
const machine = { cpu: 'a CPU', cores: 2, memoryGiB: 8, system: 'Linux', node: '20', redis: 'redis 7.0.15' };
const report = benchReport({
  options: (options.ok ? options.value : null) as BenchOptions,
  run,
  machine,
  commit: 'abc',
  at: '2026-01-01T00:00:00.000Z',
});

describe('a report', () => {
  it('has the medians of all rounds at its top level, and their ratios to the floor', () => {
    expect(report.median.ackedPerSecond).toBe(1_000);
    expect(report.floor.ackedPerSecond).toBe(2_000);
    expect(report.median.cpuMicrosPerMessage).toEqual({ node: 19, redis: 1, load: null });
    expect(report.median.bytesPerConnection).toBe(4_000);
    expect(report.median.ackMs?.p50).toBeCloseTo(0.5);
    expect(report.ratio).toMatchObject({ throughput: 0.5, cpu: 20 / 11, p99: 1, wsFloorToRedisFloor: 0.5 });
    expect(report.ratio.parts['direct 1000/s']?.throughput).toBe(1);
    expect(report.rounds).toHaveLength(3);
  });

  it('has the fields that its readers rely on, and survives JSON', () => {
    const read = JSON.parse(JSON.stringify(report)) as Record<string, unknown>;
    expect(Object.keys(read)).toEqual([
      'workload',
      'at',
      'commit',
      'machine',
      'config',
      'rounds',
      'median',
      'floor',
      'ratio',
      'checked',
      'faults',
      'notMeasured',
    ]);
    expect(JSON.stringify(read)).not.toContain('istogram');
  });

  it('says at its end what was checked', () => {
    expect(checkedLine(report)).toBe('checked 9 sent, 9 acked, 9 stored, 8 delivered: 1 lost, 0 duplicated, 0 gaps');
    const lines = reportLines(report);
    expect(lines.at(-1)).toBe(checkedLine(report));
    expect(lines.join('\n')).toMatch(/direct saturated: Millrace +1,000/);
  });

  it('as a page stands alone, shows its plots, its losses and what was not measured', () => {
    const html = htmlReport(report, run);
    expect(html).not.toMatch(/<script|<link|src=|https?:/);
    expect(html.match(/<svg /g)?.length).toBe(6);
    expect(html).toContain('Messages were lost');
    expect(html).toContain('&#60;b&#62;trouble');
    expect(html).toContain('What was not');
    expect(html).not.toContain('NaN');
  });

  it('of a burst says how much was due, how long its tail was and what memory it took, without a floor', () => {
    const burst = { due: 5_000, seconds: 5, tailSeconds: 40, waitingMax: 4_000 };
    const parts = { 'one-node saturated': measured(100, 20), 'one-node burst': measured(100, 20, burst) };
    const rounds = [{ floor: null, millrace: { parts, bytesPerConnection: null }, redisFloor: null }];
    const parsed = parseBenchOptions(['burst']);
    if (!parsed.ok || parsed.value === 'help') throw new Error('options');
    const ofBurst = { ...run, rounds };
    const told = benchReport({ options: parsed.value, run: ofBurst, machine, commit: null, at: 'now' });
    expect(told.config['nodes']).toBe(2);
    expect(told.median.parts['one-node burst']?.burst?.duePerSecond).toBe(1_000);
    const text = reportLines(told).join('\n');
    expect(text).toContain('one-node burst: 5,000 messages were due in 5.0 s (1,000/s), 0 times one was refused');
    expect(text).toContain('all through 40.0 s after the last; servers 10 MiB before, at most 30 MiB');
    expect(text).not.toContain('floor');
    expect(htmlReport(told, ofBurst).match(/<svg /g)?.length).toBe(6);
  });

  it('of a floor alone has no Millrace in it', () => {
    const floors = { ...run, rounds: run.rounds.map((round) => ({ ...round, millrace: null })) };
    const parsed = parseBenchOptions(['ws-floor']);
    if (!parsed.ok || parsed.value === 'help') throw new Error('options');
    const alone = benchReport({ options: parsed.value, run: floors, machine, commit: null, at: 'now' });
    expect(alone.median).toEqual(alone.floor);
    expect(alone.ratio.throughput).toBe(null);
    expect(reportLines(alone).join('\n')).not.toContain('Millrace');
  });
});

describe('a plot', () => {
  it('has round ticks up to its highest value', () => {
    expect(linearTicks(42)).toEqual([0, 10, 20, 30, 40, 50]);
    expect(linearTicks(0)).toEqual([0, 1]);
    expect(logTicks(0.2, 30)).toEqual([0.1, 1, 10, 100]);
  });

  it('draws one line a series and escapes what it is given', () => {
    const svg = plotSvg({
      title: 'a & b',
      xLabel: 'x',
      yLabel: 'y',
      series: [
        {
          name: '<one>',
          points: [
            [0, 1],
            [1, 2],
          ],
        },
        { name: 'flat', points: [[0, 0]] },
      ],
    });
    expect(svg.match(/<polyline/g)?.length).toBe(2);
    expect(svg).toContain('a &#38; b');
    expect(svg).toContain(escaped('<one>'));
    expect(svg).not.toContain('NaN');
  });
});
