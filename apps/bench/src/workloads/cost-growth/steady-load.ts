import type { LoadCommand } from '../../load/load-plan.ts';
import type { BenchOptions } from '../../options.ts';
import type { RoleProcess } from '../../processes/role-process.ts';
import type { Target } from '../../processes/server-process.ts';
import { costOfPart, type Cost, type Per, type Turn } from '../../report/cost-growth.ts';
import type { BenchHost } from '../bench-host.ts';
import { addChecked, nothingChecked, type Checked } from '../checked.ts';
import { timingOf } from '../millrace-run.ts';
import { MillraceUsers } from '../millrace-users.ts';
import { runName } from '../run-name.ts';
import { runPart, type MeasuredTarget } from '../run-shape.ts';
import { planOf, type Part, type Shape } from '../shape.ts';
import { measuredOf, withLoad } from '../targets.ts';
import type { GrowthPlan } from './growth-plan.ts';

const FAULTS_MAX = 50;
/** As much as one burst brings in, of which all is due within its seconds and sent as fast as it is taken. */
const FILL_MAX = 500_000;
const FILL_SECONDS = 5;

/** What was found over all of a run. */
export class Found {
  checked = nothingChecked;
  readonly faults = new Set<string>();

  add(checked: Checked, faults: readonly string[]): void {
    this.checked = addChecked(this.checked, checked);
    for (const fault of faults) if (this.faults.size < FAULTS_MAX) this.faults.add(fault);
  }
}

export interface GrowthRun {
  readonly options: BenchOptions;
  readonly host: BenchHost;
  readonly plan: GrowthPlan;
  readonly found: Found;
  readonly say: (text: string) => void;
}

/** What is measured again and again. */
export type Measure = () => Promise<Cost>;

/** A load process under a plan that is open, with what it has come to so far. */
export class OpenLoad {
  readonly #run: GrowthRun;
  readonly #target: MeasuredTarget;
  readonly #load: RoleProcess;
  counts = nothingChecked;

  constructor(run: GrowthRun, target: MeasuredTarget, load: RoleProcess) {
    this.#run = run;
    this.#target = target;
    this.#load = load;
  }

  async measure(part: Part, per: Per): Promise<Cost> {
    const { found, options } = this.#run;
    const one = await runPart(part, this.#target, this.#load, timingOf(options));
    this.counts = addChecked(this.counts, one.counts);
    found.add(nothingChecked, one.faults);
    return costOfPart(one.part, per);
  }

  /** As many messages as that, as fast as they are taken. */
  async fill(messages: number): Promise<void> {
    for (let left = messages; left > 0; left -= FILL_MAX) {
      const perSecond = Math.min(left, FILL_MAX) / FILL_SECONDS;
      await this.measure({ name: 'fill', mode: { kind: 'burst', perSecond }, seconds: FILL_SECONDS }, 'message');
    }
  }
}

/** Users of a shape on a target, who can be measured as long as the job takes; in the end all that they said is read back. */
export async function withShape<T>(
  run: GrowthRun,
  target: Target,
  shape: Shape,
  job: (load: OpenLoad) => Promise<T>,
): Promise<T> {
  const name = runName();
  const users = new MillraceUsers(target);
  const diffusion = await users.prepare(shape, name);
  const on = measuredOf(target, diffusion);
  return withLoad(run.host, async (process) => {
    await process.ask({ op: 'open', plan: planOf(shape, name, on) } satisfies LoadCommand);
    const load = new OpenLoad(run, on, process);
    const value = await job(load);
    const { checked, behind } = await users.check(shape, name, load.counts, diffusion);
    run.found.add(checked, behind.length > 0 ? [`the lists of ${behind.slice(0, 5).join(', ')} lack messages`] : []);
    return value;
  });
}

/** Two sides by turns, as often as there are rounds: what disturbs the machine for a while disturbs both. */
export async function inTurns(
  { options, say }: Pick<GrowthRun, 'options' | 'say'>,
  what: string,
  small: Measure,
  large: Measure,
): Promise<readonly Turn[]> {
  const turns: Turn[] = [];
  for (let turn = 1; turn <= options.rounds; turn += 1) {
    say(`${what}, turn ${String(turn)} of ${String(options.rounds)}`);
    turns.push({ small: await small(), large: await large() });
  }
  return turns;
}
