import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '@millrace/kernel';
import type { LoadCommand } from '../load/load-plan.ts';
import { medianOf } from '../measure/median.ts';
import { cpuMicrosOf, residentBytesOf, sumOver } from '../measure/proc-stat.ts';
import type { BenchOptions } from '../options.ts';
import type { RoleProcess } from '../processes/role-process.ts';
import type { Findings, MeasureFindings } from '../report/findings.ts';
import { idleFigures, idleLines, idleRatio, type IdleFigures, type IdleLook, type IdleSide } from '../report/idle.ts';
import type { BenchHost } from './bench-host.ts';
import { addChecked, nothingChecked, type Checked } from './checked.ts';
import { idlePlans, idleShapes, type IdleShape } from './idle-shape.ts';
import { runName } from './run-name.ts';
import type { MeasuredTarget } from './run-shape.ts';
import { heapBytesOf } from './server-metrics.ts';
import { measuredOf, withLoad, withRelay, withServers } from './targets.ts';

/** In which both ends may come to rest, behind the last connection that was opened, or closed. */
const REST_MS = 3_000;
const HEAP_LOOKS = 5;
const HEAP_LOOK_EVERY_MS = 200;

type Say = (text: string) => void;

/** One side of it: what is measured, and how the bytes in use in its heaps are asked for. */
interface Side extends Pick<MeasuredTarget, 'kind' | 'websockets' | 'secret' | 'nodePids' | 'redisPids'> {
  heapBytes(): Promise<number | null>;
}

/** So many load processes, for as long as the job takes. */
const withLoads = <T>(
  host: BenchHost,
  count: number,
  job: (loads: readonly RoleProcess[]) => Promise<T>,
  loads: readonly RoleProcess[] = [],
): Promise<T> =>
  loads.length === count ? job(loads) : withLoad(host, (load) => withLoads(host, count, job, [...loads, load]));

async function withRelays<T>(
  host: BenchHost,
  options: BenchOptions,
  count: number,
  job: (side: Side, engine: string) => Promise<T>,
  relays: readonly { readonly target: MeasuredTarget; readonly relay: RoleProcess }[] = [],
): Promise<T> {
  return withRelay(host, options, (target, engine, relay) => {
    const all = [...relays, { target, relay }];
    if (all.length < count) return withRelays(host, options, count, job, all);
    const side: Side = {
      ...target,
      websockets: all.flatMap((one) => one.target.websockets),
      nodePids: all.flatMap((one) => one.target.nodePids),
      async heapBytes() {
        let sum = 0;
        for (const one of all) sum += (await one.relay.ask({ op: 'heap' })) as number;
        return sum;
      },
    };
    return job(side, engine);
  });
}

/** The least of several looks: what waits to be collected is not in use. */
async function leastHeap(side: Side): Promise<number | null> {
  let least: number | null = null;
  for (let looks = 0; looks < HEAP_LOOKS; looks += 1) {
    if (looks > 0) await sleep(HEAP_LOOK_EVERY_MS);
    const bytes = await side.heapBytes();
    least = bytes === null || least === null ? (least ?? bytes) : Math.min(least, bytes);
  }
  return least;
}

/** What the processes take while nothing is asked of them. */
async function lookFor(seconds: number, side: Side, loads: readonly RoleProcess[]): Promise<IdleLook> {
  const reading = () => ({
    atMs: systemClock.monotonicMs(),
    node: sumOver(side.nodePids, cpuMicrosOf),
    redis: sumOver(side.redisPids, cpuMicrosOf),
    load: sumOver(
      loads.map(({ pid }) => pid),
      cpuMicrosOf,
    ),
  });
  const before = reading();
  await sleep(seconds * 1_000);
  const after = reading();
  // Before the resident memory: a relay that is asked for it collects its garbage.
  const heapBytes = await leastHeap(side);
  const residentBytes = sumOver(side.nodePids, residentBytesOf);
  const perSecond = (from: number | null, to: number | null): number | null =>
    from === null || to === null ? null : ((to - from) * 1_000) / (after.atMs - before.atMs);
  return {
    residentBytes,
    heapBytes,
    cpuMicrosPerSecond: {
      node: perSecond(before.node, after.node),
      redis: perSecond(before.redis, after.redis),
      load: perSecond(before.load, after.load),
    },
  };
}

interface MeasuredSide {
  readonly figures: IdleSide;
  readonly checked: Checked;
}

/** @param seconds - of each look: with no connection, and with all of them. */
async function measureSide(
  { host, seconds }: { readonly host: BenchHost; readonly seconds: number },
  { connections, warm }: IdleShape,
  side: Side,
  say: Say,
): Promise<MeasuredSide> {
  const open = async (loads: readonly RoleProcess[], count: number): Promise<void> => {
    const plans = idlePlans(count, runName(), side);
    await Promise.all(
      plans.map(async (plan, index) => {
        await loads[index]?.ask({ op: 'open', plan } satisfies LoadCommand);
      }),
    );
  };
  say(`${String(warm)} connections come and go`);
  await withLoads(host, idlePlans(warm, '', side).length, (loads) => open(loads, warm));
  await sleep(REST_MS);
  return withLoads(host, idlePlans(connections, '', side).length, async (loads) => {
    say('with no connection');
    const empty = await lookFor(seconds, side, loads);
    say(`${String(connections)} connections`);
    const startedMs = systemClock.monotonicMs();
    await open(loads, connections);
    const connectSeconds = (systemClock.monotonicMs() - startedMs) / 1_000;
    await sleep(REST_MS);
    const full = await lookFor(seconds, side, loads);
    say('check');
    let answered = 0;
    for (const load of loads) answered += (await load.ask({ op: 'alive' } satisfies LoadCommand)) as number;
    const lost = connections - answered;
    return {
      figures: idleFigures({ connections, connectSeconds, empty, full }),
      checked: { ...nothingChecked, sent: connections, acked: answered, lost },
    };
  });
}

interface IdleRound {
  readonly floor: Readonly<Record<string, IdleSide>>;
  readonly millrace: Readonly<Record<string, IdleSide>>;
}

/** Connections that say nothing, beside a relay that has as many. */
export const measureIdle: MeasureFindings = async (options, host): Promise<Findings> => {
  const { rounds: count, scale, long, seconds, nodes } = options;
  const shapes = idleShapes(scale, long, nodes);
  const rounds: IdleRound[] = [];
  let checked = nothingChecked;
  let engine = '';
  for (let round = 1; round <= count; round += 1) {
    const floor: Record<string, IdleSide> = {};
    const millrace: Record<string, IdleSide> = {};
    for (const shape of shapes) {
      const sayOf =
        (name: string): Say =>
        (text) => {
          host.progress(`round ${String(round)} of ${String(count)}: ${name}, ${shape.name}, ${text}`);
        };
      const onFloor = await withRelays(host, options, shape.servers, (side, used) => {
        engine = used;
        return measureSide({ host, seconds }, shape, side, sayOf('floor'));
      });
      if (onFloor.checked.lost > 0) throw new Error(`the floor lost ${String(onFloor.checked.lost)} connections`);
      floor[shape.name] = onFloor.figures;
      const onMillrace = await withServers(host, { ...options, nodes: shape.servers }, (target) => {
        const side: Side = { ...measuredOf(target, 'write'), heapBytes: () => heapBytesOf(target.urls) };
        return measureSide({ host, seconds }, shape, side, sayOf('millrace'));
      });
      millrace[shape.name] = onMillrace.figures;
      checked = addChecked(checked, onMillrace.checked);
    }
    rounds.push({ floor, millrace });
  }
  return idleFindings(rounds, shapes, checked, engine);
};

function idleFindings(
  rounds: readonly IdleRound[],
  shapes: readonly IdleShape[],
  checked: Checked,
  engine: string,
): Findings {
  const figures: IdleFigures = {
    millrace: medianOf(rounds.map(({ millrace }) => millrace)),
    floor: medianOf(rounds.map(({ floor }) => floor)),
  };
  const [first = { name: '' }] = shapes;
  const ratios = Object.fromEntries(shapes.map(({ name }) => [name, idleRatio(figures, name)]));
  const faults = checked.lost > 0 ? [`${String(checked.lost)} connections were not answered in the end`] : [];
  return {
    config: {
      engine,
      connections: shapes.map(({ connections }) => connections),
      servers: shapes.map(({ servers }) => servers),
    },
    rounds,
    median: { ...figures.millrace[first.name], parts: figures.millrace },
    floor: { ...figures.floor[first.name], parts: figures.floor },
    ratio: { ...ratios[first.name], parts: ratios },
    checked,
    faults,
    lines: idleLines(figures),
    plots: [],
    notMeasured: [
      'Devices with conversations: these users have none, and were told nothing.',
      'Memory that the system keeps for a socket: it is no process’s.',
      'Heap in use as after a collection: none is forced, the least of several looks is told.',
    ],
  };
}
