import type { BurstResult, PartResult } from '../workloads/part-result.ts';
import type { BenchReport, Ratio } from './bench-report.ts';
import { whole } from './figures.ts';

const HEADINGS = [
  '',
  'acked/s',
  'delivered/s',
  'ack p50',
  'p99',
  'p99.9 ms',
  'deliver p99',
  'node',
  'redis',
  'load µs',
  'refused',
];

const fine = (value: number | null | undefined, digits = 2): string =>
  value === null || value === undefined ? '-' : value.toFixed(digits);

function rowOf(name: string, part: PartResult): string[] {
  const { ackMs, deliverMs, cpuMicrosPerMessage: cpu } = part;
  return [
    name,
    whole(part.ackedPerSecond),
    whole(part.deliveredPerSecond),
    fine(ackMs?.p50),
    fine(ackMs?.p99),
    fine(ackMs?.p999),
    fine(deliverMs?.p99),
    fine(cpu.node, 1),
    fine(cpu.redis, 1),
    fine(cpu.load, 1),
    whole(part.refused),
  ];
}

export function alignedRows(rows: readonly (readonly string[])[]): string[] {
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

const ratioText = ({ throughput, cpu, p99, lastMember }: Ratio): string =>
  `throughput ${fine(throughput)}, CPU ${fine(cpu)}, ack p99 ${fine(p99)}` +
  (lastMember === null ? '' : `, last member ${fine(lastMember)}`);

/** What only many receivers have: when the last of them has a message, and what each of them costs. */
function receiversText({ lastMemberMs, cpuMicrosPerDeliveryBy: cpu }: PartResult): string {
  const last = `the last member has it after ${fine(lastMemberMs?.p50)} ms, p99 ${fine(lastMemberMs?.p99)}`;
  return `${last}; CPU a delivery: node ${fine(cpu.node)}, redis ${fine(cpu.redis)}, load ${fine(cpu.load)} µs`;
}

const mebibytes = (bytes: number | null): string => (bytes === null ? '-' : whole(bytes / 2 ** 20));

const burstText = (burst: BurstResult, refused: number): string =>
  `${whole(burst.due)} messages were due in ${fine(burst.seconds, 1)} s (${whole(burst.duePerSecond)}/s), ` +
  `${whole(refused)} times one was refused, at most ${whole(burst.waitingMax)} waited at their writers; all through ` +
  `${fine(burst.tailSeconds, 1)} s after the last; servers ${mebibytes(burst.residentBytesBefore)} MiB before, ` +
  `at most ${mebibytes(burst.residentBytesMax)} MiB`;

/** Of both sides, in the order in which they were measured. */
export const partNames = ({ floor, median }: Pick<BenchReport, 'floor' | 'median'>): readonly string[] => [
  ...new Set([...Object.keys(floor.parts), ...Object.keys(median.parts)]),
];

/** What a person reads at the end: medians of all rounds. */
export function reportLines(report: BenchReport): string[] {
  const isFloor = report.workload === 'ws-floor' || report.workload === 'redis-floor';
  return [...sidesLines(report, isFloor), checkedLine(report)];
}

/** What the two sides of a report are called. */
export interface SideNames {
  readonly measured: string;
  readonly floor: string;
}

export const MILLRACE_AND_FLOOR: SideNames = { measured: 'Millrace', floor: 'floor' };

/** Both sides of each part, and what they are to each other. */
export function sidesLines(
  report: Pick<BenchReport, 'median' | 'floor' | 'ratio'>,
  isFloor: boolean,
  names: SideNames = MILLRACE_AND_FLOOR,
): string[] {
  const rows = partNames(report).flatMap((name) => {
    const millrace = report.median.parts[name];
    const floor = report.floor.parts[name];
    const own = isFloor || millrace === undefined ? [] : [rowOf(`${name}: ${names.measured}`, millrace)];
    return floor === undefined ? own : [...own, rowOf(`${name}: ${names.floor}`, floor)];
  });
  const lines = rows.length > 0 ? alignedRows([HEADINGS, ...rows]) : [];
  for (const [name, ratio] of Object.entries(report.ratio.parts)) {
    if (name in report.floor.parts) lines.push(`${name}, to the ${names.floor}: ${ratioText(ratio)}`);
  }
  const sides = [
    ...Object.entries(isFloor ? {} : report.median.parts).map(([name, part]) => ({
      name: `${name}: ${names.measured}`,
      part,
    })),
    ...Object.entries(report.floor.parts).map(([name, part]) => ({ name: `${name}: ${names.floor}`, part })),
  ];
  for (const { name, part } of sides) {
    if (part.lastMemberMs !== null) lines.push(`${name}, ${receiversText(part)}`);
  }
  for (const [name, { burst, refused }] of Object.entries(report.median.parts)) {
    if (burst !== null) lines.push(`${name}: ${burstText(burst, refused)}`);
  }
  const { redis } = report.floor;
  if (redis !== undefined) {
    lines.push(`redis-floor: ${whole(redis.xaddPerSecond)} XADD/s, ${fine(redis.cpuMicrosPerXadd, 1)} µs each`);
  }
  if (report.ratio.wsFloorToRedisFloor !== null) {
    lines.push(`ws-floor to redis-floor: ${fine(report.ratio.wsFloorToRedisFloor)}`);
  }
  return lines;
}

export function checkedLine({ checked }: Pick<BenchReport, 'checked'>): string {
  const { sent, acked, stored, delivered, lost, duplicated, gaps } = checked;
  return (
    `checked ${String(sent)} sent, ${String(acked)} acked, ${String(stored)} stored, ${String(delivered)} delivered: ` +
    `${String(lost)} lost, ${String(duplicated)} duplicated, ${String(gaps)} gaps`
  );
}
