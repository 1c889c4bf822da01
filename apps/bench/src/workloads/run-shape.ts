import type { Encoding } from '@millrace/protocol';
import type { LoadCommand, LoadMode, LoadResult, LoadRun, TargetKind } from '../load/load-plan.ts';
import { cpuMicrosOf, residentBytesOf, sumOver } from '../measure/proc-stat.ts';
import type { RoleProcess } from '../processes/role-process.ts';
import { addChecked, nothingChecked, type Checked } from './checked.ts';
import { partResult, type CpuReading, type MeasuredPart } from './part-result.ts';
import { planOf, type Diffusion, type Part, type Shape } from './shape.ts';

const DRAIN_MS = 30_000;
/** What a burst leaves takes longer: ten times what is taken a second, for some seconds. */
const TAIL_MS = 180_000;
const RESIDENT_EVERY_MS = 100;

const atMost = (left: number | null, right: number | null): number | null =>
  left === null || right === null ? null : Math.max(left, right);

function loadMode(mode: Part['mode'], saturated: MeasuredPart | undefined): LoadMode {
  if (mode.kind !== 'burst' || !('times' in mode)) return mode;
  return { kind: 'burst', perSecond: Math.max(1, (saturated?.ackedPerSecond ?? 0) * mode.times) };
}

/** What a shape is measured on: a server or a relay, and the processes that it consists of. */
export interface MeasuredTarget {
  readonly kind: TargetKind;
  readonly websockets: readonly string[];
  readonly secret: string;
  readonly nodePids: readonly number[];
  readonly redisPids: readonly number[];
  /** How the conversations of the shape are diffused; a relay publishes, whatever this says. */
  readonly diffusion: Diffusion;
  /** What the load speaks to a server; left out: `binary`. */
  readonly encoding?: Encoding;
}

export interface ShapeRun {
  readonly parts: Readonly<Record<string, MeasuredPart>>;
  readonly bytesPerConnection: number | null;
  readonly counts: Checked;
  readonly faults: readonly string[];
}

export interface Timing {
  readonly warmupMs: number;
  readonly measureMs: number;
}

/** What a part came to, with what went wrong. */
export interface PartRun {
  readonly part: MeasuredPart;
  readonly counts: Checked;
  readonly faults: readonly string[];
}

/** @param saturated - of the same shape, where a mode goes by what it reached. */
export async function runPart(
  { mode: planned, seconds }: Part,
  target: MeasuredTarget,
  load: RoleProcess,
  timing: Timing,
  saturated?: MeasuredPart,
): Promise<PartRun> {
  const resident = (): number | null => sumOver(target.nodePids, residentBytesOf);
  const reading = (): CpuReading => ({
    node: sumOver(target.nodePids, cpuMicrosOf),
    redis: sumOver(target.redisPids, cpuMicrosOf),
    load: cpuMicrosOf(load.pid),
  });
  const mode = loadMode(planned, saturated);
  const measureMs = seconds === undefined ? timing.measureMs : seconds * 1_000;
  const command: LoadRun = { mode, ...timing, measureMs, drainMs: mode.kind === 'burst' ? TAIL_MS : DRAIN_MS };
  let before = reading();
  let after = before;
  const atRest = resident();
  let most = atRest;
  const watch = setInterval(() => {
    most = atMost(most, resident());
  }, RESIDENT_EVERY_MS);
  const result = (await load
    .ask({ op: 'run', run: command } satisfies LoadCommand, (edge) => {
      if (edge === 'begin') before = reading();
      else after = reading();
    })
    .finally(() => {
      clearInterval(watch);
    })) as LoadResult;
  const { sent, acked, delivered, duplicated, gaps, faults } = result;
  return {
    part: partResult(result, before, after, { before: atRest, max: most }),
    counts: { ...nothingChecked, sent, acked, delivered, duplicated, gaps },
    faults,
  };
}

/** Measures every part of a shape with one load process, one part after the other. */
export async function runShape(
  shape: Shape,
  run: string,
  target: MeasuredTarget,
  load: RoleProcess,
  timing: Timing,
  onPart: (name: string) => void,
): Promise<ShapeRun> {
  const resident = (): number | null => sumOver(target.nodePids, residentBytesOf);
  const residentBefore = resident();
  await load.ask({ op: 'open', plan: planOf(shape, run, target) } satisfies LoadCommand);
  const residentAfter = resident();
  const parts: Record<string, MeasuredPart> = {};
  let counts = nothingChecked;
  const faults = new Set<string>();
  for (const part of shape.parts) {
    onPart(part.name);
    const measured = await runPart(part, target, load, timing, parts['saturated']);
    parts[part.name] = measured.part;
    counts = addChecked(counts, measured.counts);
    for (const fault of measured.faults) faults.add(fault);
  }
  const grown = residentBefore === null || residentAfter === null ? null : residentAfter - residentBefore;
  return {
    parts,
    bytesPerConnection: grown === null ? null : Math.max(0, grown / shape.users),
    counts,
    faults: [...faults],
  };
}
