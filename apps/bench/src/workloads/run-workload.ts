import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemRandom } from '@millrace/kernel';
import type { BenchOptions } from '../options.ts';
import type { Relay } from '../processes/relay.ts';
import { RoleProcess } from '../processes/role-process.ts';
import { socketAddressOf, startTarget, type Target } from '../processes/server-process.ts';
import { addChecked, nothingChecked, type Checked } from './checked.ts';
import { MillraceUsers } from './millrace-users.ts';
import type { MeasuredPart } from './part-result.ts';
import { measureRedisFloor, type RedisFloor } from './redis-floor.ts';
import { runShape, type MeasuredTarget, type ShapeRun } from './run-shape.ts';
import { burstShapes, directShape, groupShapes, type Shape } from './shape.ts';

/** Where the programs are that the bench starts, and how it tells what it does. */
export interface BenchHost {
  readonly benchBundle: string;
  readonly serverBundle: string;
  readonly progress: (text: string) => void;
  /** Run in reverse order when the bench is interrupted; each must be harmless when all is well. */
  readonly onStop: (stop: () => Promise<void>) => void;
}

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

/** Short, so that names made of it stay within what an id may have. */
const runName = (): string => systemRandom.id().slice(0, 12);

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
    const direct = workload === 'direct' || workload === 'ws-floor' ? [directShape(scale)] : [];
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

  /** What is being started is stopped, too, when the bench is interrupted meanwhile. */
  #stoppable<T>(starting: Promise<T>, stop: (started: T) => Promise<void>): Promise<T> {
    this.#host.onStop(() => starting.then(stop, () => undefined));
    return starting;
  }

  async #measure(shape: Shape, run: string, target: MeasuredTarget, onPart: (name: string) => void): Promise<ShapeRun> {
    const { seconds, warmupSeconds } = this.#options;
    const { process: load } = await this.#stoppable(
      RoleProcess.start(this.#host.benchBundle, 'load', []),
      ({ process }) => process.stop(),
    );
    try {
      const timing = { warmupMs: warmupSeconds * 1000, measureMs: seconds * 1000 };
      return await runShape(shape, run, target, load, timing, onPart);
    } finally {
      await load.stop();
    }
  }

  async #floor(shape: Shape, onPart: (name: string) => void): Promise<ShapeRun> {
    const { process: relay, value } = await this.#stoppable(
      RoleProcess.start(this.#host.benchBundle, 'relay', [this.#options.engine]),
      ({ process }) => process.stop(),
    );
    try {
      const { port, engine } = value as Relay;
      this.#engine = engine;
      const websocket = `ws://127.0.0.1:${String(port)}/`;
      const target = {
        kind: 'relay',
        websockets: [websocket],
        secret: '',
        nodePids: [relay.pid],
        redisPid: null,
      } as const;
      const run = await this.#measure(shape, runName(), target, onPart);
      const { sent, acked, delivered } = run.counts;
      const deliveries = shape.kind === 'direct' ? 1 : shape.users;
      // A floor that did less than it says would flatter what is compared with it.
      if (acked < sent || delivered < sent * deliveries) {
        throw new Error(
          `the floor passed on ${String(delivered)} of ${String(sent * deliveries)} messages: ${run.faults.join('; ')}`,
        );
      }
      if (this.#options.workload === 'ws-floor') {
        this.#checked = addChecked(this.#checked, { ...run.counts, stored: 0 });
      }
      return run;
    } finally {
      await relay.stop();
    }
  }

  async #target(): Promise<Target> {
    const { url, tokenSecretFile, ackLevel, engine, nodes } = this.#options;
    if (url === null) return startTarget({ bundle: this.#host.serverBundle, ackLevel, engine, nodes });
    return {
      url,
      websockets: [await socketAddressOf(url)],
      secret: readFileSync(tokenSecretFile ?? join('.millrace', 'dev-jwt-secret'), 'utf8').trim(),
      serverPids: [],
      redisPid: null,
      redisUrl: null,
      obituary: () => null,
      stop: () => Promise.resolve(),
    };
  }

  async #millrace(shape: Shape, onPart: (name: string) => void): Promise<ShapeRun> {
    const target = await this.#stoppable(this.#target(), (started) => started.stop());
    try {
      const { websockets, secret, serverPids: nodePids, redisPid } = target;
      const run = runName();
      const users = new MillraceUsers(target);
      onPart('set-up');
      await users.prepare(shape, run);
      const measured = { kind: 'millrace', websockets, secret, nodePids, redisPid } as const;
      const shapeRun = await this.#measure(shape, run, measured, onPart);
      onPart('check');
      const { checked, behind } = await users.check(shape, run, shapeRun.counts);
      this.#checked = addChecked(this.#checked, checked);
      if (behind.length > 0) this.#fault(`millrace: the lists of ${behind.slice(0, 5).join(', ')} lack messages`);
      return { ...shapeRun, counts: checked };
    } catch (error) {
      const obituary = target.obituary();
      if (obituary === null) throw error;
      throw new Error(`the server ended during the run; the end of its log:\n${obituary}`, { cause: error });
    } finally {
      await target.stop();
    }
  }
}
