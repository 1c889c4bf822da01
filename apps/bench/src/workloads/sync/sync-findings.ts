import { medianOf } from '../../measure/median.ts';
import type { Findings } from '../../report/findings.ts';
import type { Plot } from '../../report/plot.ts';
import { alignedRows } from '../../report/text-table.ts';
import type { Checked } from '../checked.ts';
import { PAYLOAD_BYTES } from '../shape.ts';
import { loginRatio, medianParts, type LoginFigures, type LoginRatio, type Named } from './login-figures.ts';
import type { MeasuredLogins } from './measure-logins.ts';
import type { MeasuredReconnect, StormFigures } from './measure-reconnect.ts';
import { whole } from '../../report/figures.ts';

/** The part that stands at the top level of the report. */
const MAIN_PART = 'write-50';

const NOT_MEASURED = [
  'Storing: what the devices missed was written before, and stays in the memory of Redis.',
  'The floor knows which keys to read and what is in them; it looks up nothing, and sends nothing on.',
  'A device that reads slowly, or stores what it gets: the load looks at positions and numbers, and drops the rest.',
  'Clients that spread their reconnects, as the protocol asks of them: here all come within a few milliseconds.',
];

const fine = (value: number | null | undefined, digits = 2): string =>
  value === null || value === undefined ? '-' : value.toFixed(digits);

function loginRows(
  millrace: Named<LoginFigures>,
  floor: Named<LoginFigures>,
  ratios: Named<LoginRatio>,
  { sets, floorOf }: MeasuredLogins,
): string[] {
  const headings = [
    '',
    'messages/s',
    'of XRANGE',
    'CPU of it',
    'node',
    'redis',
    'load µs',
    'login ms',
    'answers',
    'XRANGE/s',
    'µs',
  ];
  const rows = Object.entries(millrace).map(([name, part]) => {
    const least = floor[floorOf[name] ?? ''];
    const { node, redis, load } = part.cpuMicrosPerMessage;
    const leastCpu =
      least === undefined ? null : (least.cpuMicrosPerMessage.node ?? 0) + (least.cpuMicrosPerMessage.redis ?? 0);
    return [
      name,
      whole(part.deliveredPerSecond),
      fine(ratios[name]?.throughput),
      fine(ratios[name]?.cpu, 1),
      fine(node, 1),
      fine(redis, 1),
      fine(load, 1),
      fine(part.loginMs?.p50, 1),
      whole(part.answersPerLogin),
      whole(least?.deliveredPerSecond),
      fine(leastCpu, 1),
    ];
  });
  const records = Object.entries(sets).map(
    ([name, { conversations, messages, inboxRecords }]) =>
      `${name}: ${whole(messages)} messages in ${whole(conversations)} conversations, told by ${whole(inboxRecords)} inbox entries`,
  );
  return [...alignedRows([headings, ...rows]), ...records];
}

const mebibytes = (bytes: number | null): string => (bytes === null ? '-' : whole(bytes / 2 ** 20));

function stormLines(figures: StormFigures, perSecond: number): string[] {
  const { syncedMs, connectedMs, othersQuietMs, othersStormMs, cpuMicrosPerDevice: cpu, loopDelayMs } = figures;
  return [
    `reconnect of ${whole(figures.devices)}: all synced after ${fine(figures.allSyncedSeconds)} s ` +
      `(half after ${fine((syncedMs?.p50 ?? 0) / 1_000)} s; connected p50 ${fine((connectedMs?.p50 ?? 0) / 1_000)} s, ` +
      `last ${fine((connectedMs?.max ?? 0) / 1_000)} s), ${whole(figures.retries)} tries more, ${whole(figures.repeated)} requests repeated`,
    `others, ${whole(perSecond)} sends a second: ack p50 ${fine(othersQuietMs?.p50)} ms and p99 ${fine(othersQuietMs?.p99)} ms before, ` +
      `${fine(othersStormMs?.p50)} and ${fine(othersStormMs?.p99)} ms (${fine(figures.othersP99Times, 1)} times) during the storm`,
    `a device costs ${whole(cpu.node)} µs of the server, ${whole(cpu.redis)} of Redis, ${whole(cpu.load)} of the load; ` +
      `event loop held up p99 ${fine(loopDelayMs?.p99, 1)} ms, at most ${fine(loopDelayMs?.max, 1)} ms; server ` +
      `${mebibytes(figures.residentBytesBefore)} MiB before, at most ${mebibytes(figures.residentBytesMax)} MiB`,
  ];
}

function stormPlot({ rounds }: MeasuredReconnect): Plot {
  const series = rounds.map(({ series: tenths, figures }, index) => {
    let done = 0;
    const points = tenths.map((count, tenth) => {
      done += count;
      return [(tenth + 1) / 10, (100 * done) / figures.devices] as const;
    });
    return { name: `round ${String(index + 1)}`, points: [[0, 0] as const, ...points] };
  });
  return { title: 'reconnect: devices that have everything', xLabel: 'seconds', yLabel: '%', series };
}

/** Rates over the number of conversations, both sides. */
function loginPlot(mode: string, millrace: Named<LoginFigures>, floor: Named<LoginFigures>): Plot {
  const line = (name: string, parts: Named<LoginFigures>, suffix: string) => ({
    name,
    points: Object.entries(parts).flatMap(([part, { deliveredPerSecond }]) => {
      const size = new RegExp(`^${mode}-(\\d+)${suffix}$`).exec(part)?.[1];
      return size === undefined ? [] : [[Number(size), deliveredPerSecond] as const];
    }),
  });
  const lines = [line('by sync', millrace, ''), line('by history', millrace, ' ranges'), line('XRANGE', floor, '')];
  return {
    title: `${mode} mode: messages a second that one device takes`,
    xLabel: 'conversations',
    yLabel: 'messages/s',
    series: lines.filter(({ points }) => points.length > 0),
  };
}

export function syncFindings(logins: MeasuredLogins, reconnect: MeasuredReconnect, checked: Checked): Findings {
  const millrace = medianParts(logins.rounds.map((round) => round.millrace));
  const floor = medianParts(logins.rounds.map((round) => round.floor));
  const ratios = Object.fromEntries(
    Object.entries(millrace).map(([name, part]) => [name, loginRatio(part, floor[logins.floorOf[name] ?? ''])]),
  );
  const storm = medianOf(reconnect.rounds.map(({ figures }) => figures));
  const { devices, ...rest } = { devices: reconnect.shape.users, ...reconnect.shape };
  return {
    config: {
      payloadBytes: PAYLOAD_BYTES,
      messagesPerAnswer: 1_000,
      mainPart: MAIN_PART,
      readAbove: 200,
      sets: JSON.stringify(logins.sets),
      reconnectDevices: devices,
      reconnectGroups: JSON.stringify(rest),
      reconnectRounds: reconnect.rounds.length,
      othersPerSecond: reconnect.othersPerSecond,
    },
    rounds: logins.rounds.map((round, index) => ({ ...round, reconnect: reconnect.rounds[index]?.figures ?? null })),
    median: { ...millrace[MAIN_PART], parts: millrace, reconnect: storm },
    floor: { ...floor[MAIN_PART], parts: floor },
    ratio: { ...ratios[MAIN_PART], parts: ratios, othersP99: storm.othersP99Times },
    checked,
    faults: [...logins.faults, ...reconnect.faults],
    lines: [...loginRows(millrace, floor, ratios, logins), ...stormLines(storm, reconnect.othersPerSecond)],
    plots: [loginPlot('write', millrace, floor), loginPlot('read', millrace, floor), stormPlot(reconnect)],
    notMeasured: NOT_MEASURED,
  };
}
