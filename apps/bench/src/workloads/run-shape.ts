import type { LoadCommand, LoadResult, LoadRun } from '../load/load-plan.ts';
import { cpuMicrosOf, residentBytesOf } from '../measure/proc-stat.ts';
import type { RoleProcess } from '../processes/role-process.ts';
import { addChecked, nothingChecked, type Checked } from './checked.ts';
import { partResult, type CpuReading, type MeasuredPart } from './part-result.ts';
import { planOf, type Shape } from './shape.ts';

const DRAIN_MS = 30_000;

/** What a shape is measured on: a server or a relay, and the processes that it consists of. */
export interface MeasuredTarget {
  readonly kind: 'millrace' | 'relay';
  readonly websocket: string;
  readonly secret: string;
  readonly nodePid: number | null;
  readonly redisPid: number | null;
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

/** Measures every part of a shape with one load process, one part after the other. */
export async function runShape(
  shape: Shape,
  run: string,
  target: MeasuredTarget,
  load: RoleProcess,
  timing: Timing,
  onPart: (name: string) => void,
): Promise<ShapeRun> {
  const residentBefore = residentBytesOf(target.nodePid);
  await load.ask({ op: 'open', plan: planOf(shape, run, target) } satisfies LoadCommand);
  const residentAfter = residentBytesOf(target.nodePid);
  const reading = (): CpuReading => ({
    node: cpuMicrosOf(target.nodePid),
    redis: cpuMicrosOf(target.redisPid),
    load: cpuMicrosOf(load.pid),
  });

  const parts: Record<string, MeasuredPart> = {};
  let counts = nothingChecked;
  const faults: string[] = [];
  for (const { name, mode } of shape.parts) {
    onPart(name);
    const command: LoadRun = { mode, ...timing, drainMs: DRAIN_MS };
    let before = reading();
    let after = before;
    const result = (await load.ask({ op: 'run', run: command } satisfies LoadCommand, (edge) => {
      if (edge === 'begin') before = reading();
      else after = reading();
    })) as LoadResult;
    parts[name] = partResult(result, before, after);
    const { sent, acked, delivered, duplicated, gaps } = result;
    counts = addChecked(counts, { ...nothingChecked, sent, acked, delivered, duplicated, gaps });
    for (const fault of result.faults) if (!faults.includes(fault)) faults.push(fault);
  }
  const resident = residentBefore === null || residentAfter === null ? null : residentAfter - residentBefore;
  return {
    parts,
    bytesPerConnection: resident === null ? null : Math.max(0, resident / shape.users),
    counts,
    faults,
  };
}
