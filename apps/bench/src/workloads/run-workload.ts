import type { BenchOptions } from '../options.ts';
import type { BenchHost } from './bench-host.ts';
import { addChecked, nothingChecked, type Checked } from './checked.ts';
import { measureShape, runOnMillrace } from './millrace-run.ts';
import type { MeasuredPart } from './part-result.ts';
import { measureRedisFloor, type RedisFloor } from './redis-floor.ts';
import { runName } from './run-name.ts';
import type { ShapeRun } from './run-shape.ts';
import { burstShapes, directShape, groupShapes, oneEachShape, type Shape } from './shape.ts';
import { withRelay } from './targets.ts';

/** Of one side in one round: parts by `shape name`. */
export interface SideRun {
  readonly parts: Readonly<Record<string, MeasuredPart>>;
  readonly bytesPerConnection: number | null;
}

export interface Round {
  readonly floor: SideRun | null;
  readonly millrace: SideRun | null;
  readonly redisFloor: RedisFloor | null;
}

export interface WorkloadRun {
  readonly rounds: readonly Round[];
  readonly checked: Checked;
  /** The socket engine that the floor used; null when there was none. */
  readonly engine: string | null;
  readonly faults: readonly string[];
}

/** A floor that did less than it says would flatter what is compared with it. */
export function refuseLazyFloor({ kind, users }: Shape, { counts, faults }: Pick<ShapeRun, 'counts' | 'faults'>): void {
  const { sent, acked, delivered } = counts;
  const deliveries = kind === 'direct' ? 1 : users;
  if (acked >= sent && delivered >= sent * deliveries) return;
  const of = `${String(delivered)} of ${String(sent * deliveries)} messages`;
  throw new Error(`the floor passed on ${of}: ${faults.join('; ')}`);
}

export class WorkloadRunner {
  readonly #options: BenchOptions;
  readonly #host: BenchHost;
  readonly #shapes: readonly Shape[];
  readonly #faults: string[] = [];
  #checked = nothingChecked;
  #engine: string | null = null;

  constructor(options: BenchOptions, host: BenchHost) {
    this.#options = options;
    this.#host = host;
    const { workload, scale } = options;
    const direct = workload === 'direct' || workload === 'ws-floor' ? [directShape(scale), oneEachShape(scale)] : [];
    const groups = workload === 'group' || workload === 'ws-floor' ? groupShapes(scale) : [];
    const bursts = workload === 'burst' ? burstShapes(scale) : [];
    this.#shapes = [...direct, ...groups, ...bursts];
  }

  /** Floor, Millrace, floor, Millrace …: what disturbs the machine for a while disturbs both. */
  async run(): Promise<WorkloadRun> {
    const { workload, rounds } = this.#options;
    const hasMillrace = workload === 'direct' || workload === 'group' || workload === 'burst';
    const hasFloor = workload !== 'redis-floor' && workload !== 'burst';
    const done: Round[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      const label = `round ${String(round)} of ${String(rounds)}`;
      const hasRedisFloor = workload === 'direct' || workload === 'redis-floor';
      const redisFloor = hasRedisFloor ? await this.#redisFloor(label) : null;
      const floor = hasFloor ? await this.#side(label, 'floor') : null;
      const millrace = hasMillrace ? await this.#side(label, 'millrace') : null;
      done.push({ floor, millrace, redisFloor });
    }
    return { rounds: done, checked: this.#checked, engine: this.#engine, faults: this.#faults };
  }

  #redisFloor(label: string): Promise<RedisFloor> {
    this.#host.progress(`${label}: redis-floor`);
    const { ackLevel, seconds } = this.#options;
    return measureRedisFloor({ ackLevel, seconds, onStop: this.#host.onStop });
  }

  async #side(label: string, side: 'floor' | 'millrace'): Promise<SideRun> {
    const parts: Record<string, MeasuredPart> = {};
    let bytesPerConnection: number | null = null;
    for (const shape of this.#shapes) {
      const onPart = (part: string): void => {
        this.#host.progress(`${label}: ${side}, ${shape.name} ${part}`);
      };
      const run = side === 'floor' ? await this.#floor(shape, onPart) : await this.#millrace(shape, onPart);
      for (const [name, part] of Object.entries(run.parts)) parts[`${shape.name} ${name}`] = part;
      bytesPerConnection ??= run.bytesPerConnection;
      for (const fault of run.faults) this.#fault(`${side}: ${fault}`);
    }
    return { parts, bytesPerConnection };
  }

  #fault(text: string): void {
    if (this.#faults.length < 50) this.#faults.push(text);
  }

  #floor(shape: Shape, onPart: (name: string) => void): Promise<ShapeRun> {
    return withRelay(this.#host, this.#options, async (target, engine) => {
      this.#engine = engine;
      const run = await measureShape(this.#host, this.#options, shape, runName(), target, onPart);
      refuseLazyFloor(shape, run);
      if (this.#options.workload === 'ws-floor') {
        this.#checked = addChecked(this.#checked, { ...run.counts, stored: 0 });
      }
      return run;
    });
  }

  async #millrace(shape: Shape, onPart: (name: string) => void): Promise<ShapeRun> {
    const run = await runOnMillrace(this.#host, this.#options, shape, onPart);
    this.#checked = addChecked(this.#checked, run.counts);
    return run;
  }
}
