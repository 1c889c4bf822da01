import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemRandom } from '@millrace/kernel';
import { freePort } from '@millrace/local-redis';
import { lookAtCluster, type ClusterAnswer } from '../../apps/cli/src/cluster/cluster-answer.ts';
import { isAllServed } from '../../apps/cli/src/cluster/cluster-table.ts';
import { FaultNode } from './fault-node.ts';
import { LiveLoad } from './load.ts';
import { startBelow, type Below, type Setting } from './setting.ts';
import { redisSample, sampleOf, type Sample } from './sizes.ts';
import { until } from './until.ts';

const NODES = 3;
const WHOLE_MS_MAX = 120_000;
const START_TRIES_MAX = 3;
const PORT_TRIES_MAX = 5;

export interface StageOptions {
  readonly setting: Setting;
  /** Of this run alone: data, logs, secrets. */
  readonly dir: string;
  /** Where server.mjs and cli.mjs are. */
  readonly bundles: string;
  readonly leaseMs: number;
  readonly partitions: number;
  /** How long the end of a load may take to come everywhere. */
  readonly settleSeconds: number;
  /** Told of a stage as soon as anything runs on it, to end it from outside. */
  readonly onStage: (stage: Stage) => void;
}

/** A cluster for one run, and everything that was started for it. */
export class Stage {
  readonly nodes: FaultNode[] = [];
  readonly below: Below;
  readonly #options: StageOptions;
  readonly #apiKey = `${systemRandom.id()}${systemRandom.id()}`;
  readonly #secret = `${systemRandom.id()}${systemRandom.id()}`;
  readonly #secretFile: string;
  readonly #loads: LiveLoad[] = [];
  #named = 0;
  #isClosed = false;

  private constructor(options: StageOptions, below: Below) {
    this.#options = options;
    this.below = below;
    this.#secretFile = join(options.dir, 'jwt-secret');
    writeFileSync(this.#secretFile, this.#secret, { mode: 0o600 });
  }

  /** Three nodes, with the partitions spread evenly over them. What cannot be started is tried again: it is no fault of ours. */
  static async start(options: StageOptions, say: (text: string) => void): Promise<Stage> {
    for (let tries = 1; ; tries += 1) {
      const dir = tries === 1 ? options.dir : join(options.dir, `again-${String(tries)}`);
      try {
        return await Stage.#once({ ...options, dir });
      } catch (error) {
        if (tries === START_TRIES_MAX) throw error;
        say(`it could not be started, and is again: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }

  static async #once(options: StageOptions): Promise<Stage> {
    mkdirSync(options.dir, { recursive: true });
    const stage = new Stage(options, await startBelow(options.setting, options.dir));
    options.onStage(stage);
    try {
      // The first makes the cluster, the others join it together.
      await stage.add();
      await Promise.all(Array.from({ length: NODES - 1 }, () => stage.add()));
      await stage.untilWhole(NODES);
      return stage;
    } catch (error) {
      await stage.close();
      throw error;
    }
  }

  get leaseMs(): number {
    return this.#options.leaseMs;
  }

  /** The one that a fault befalls: another one with each run, the coordinator among them. */
  victim(run: number): FaultNode {
    const node = this.nodes[run % NODES];
    if (node === undefined) throw new Error('there are three nodes');
    return node;
  }

  /** Starts one more node; resolves when it is ready, before it owns anything. */
  async add(): Promise<FaultNode> {
    this.#named += 1;
    const name = `node-${String(this.#named)}`;
    const redisUrl = await this.below.urlFor(name);
    for (let tries = 1; ; tries += 1) {
      const node = await this.#nodeOf(name, redisUrl);
      this.nodes.push(node);
      try {
        await node.start();
        return node;
      } catch (error) {
        // Between the look for free ports and its start another program may have taken one.
        if (tries === PORT_TRIES_MAX || !node.log().includes('is taken by another program')) throw error;
        this.nodes.splice(this.nodes.indexOf(node), 1);
      }
    }
  }

  async #nodeOf(name: string, redisUrl: string): Promise<FaultNode> {
    const { dir, bundles, leaseMs, partitions } = this.#options;
    return new FaultNode({
      name,
      dir,
      bundle: join(bundles, 'server.mjs'),
      port: await freePort(),
      socketPort: await freePort(),
      redisUrl,
      env: {
        MILLRACE_ACK: this.below.ack,
        MILLRACE_LEASE_MS: String(leaseMs),
        MILLRACE_PARTITIONS: String(partitions),
        MILLRACE_JWT_SECRET: this.#secret,
        MILLRACE_API_KEYS: `faults:admin+metrics:${this.#apiKey}`,
      },
    });
  }

  /** Has a node end as an operator would. */
  async drain(node: FaultNode): Promise<void> {
    const code = await node.signal('SIGTERM');
    if (code !== 0) throw new Error(`${node.name} ended with exit code ${String(code)}`);
  }

  /** One that has ended is none of ours any more. */
  forget(node: FaultNode): void {
    this.nodes.splice(this.nodes.indexOf(node), 1);
  }

  /** What nodes and Redis hold now. */
  async sample(): Promise<Sample> {
    const ofNodes = await Promise.all(this.nodes.map((node) => sampleOf(node, this.#apiKey)));
    return Object.assign({}, await redisSample(this.below.redis, this.below.masters), ...ofNodes) as Sample;
  }

  load(rate: number | null, seconds?: number): LiveLoad {
    const { dir, bundles, settleSeconds } = this.#options;
    const load = new LiveLoad({
      bundle: join(bundles, 'cli.mjs'),
      dir,
      urls: this.nodes.map(({ url }) => url),
      secretFile: this.#secretFile,
      rate,
      settleSeconds,
      ...(seconds === undefined ? {} : { seconds }),
    });
    this.#loads.push(load);
    return load;
  }

  /** Waits until so many nodes serve every partition, an even share each, and nothing moves. */
  async untilWhole(count: number): Promise<void> {
    await until(`${String(count)} nodes serve everything`, () => this.#isWhole(count), WHOLE_MS_MAX);
  }

  async #isWhole(count: number): Promise<boolean> {
    if (this.#isClosed) throw new Error('the run was ended');
    // Any of them may be the one that is down, or cut off: one that knows the whole of it is enough.
    for (const { url, isRunning } of this.nodes) {
      if (!isRunning) continue;
      const look = await lookAtCluster(url, this.#apiKey, AbortSignal.timeout(3_000));
      if (look.ok && isSettled(look.value, count)) return true;
    }
    return false;
  }

  /** The same at once, for the end of this process. */
  killNow(): void {
    for (const load of this.#loads) load.kill();
    const pids = [
      ...this.nodes.filter(({ isRunning }) => isRunning),
      ...this.below.redis.filter(({ running }) => running),
    ];
    for (const { pid } of pids) process.kill(pid, 'SIGKILL');
  }

  /** Ends everything, whatever state it is in. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const load of this.#loads) load.kill();
    await Promise.all(this.nodes.map((node) => node.signal('SIGKILL')));
    await this.below.close();
  }
}

export function isSettled(cluster: ClusterAnswer, count: number): boolean {
  const { members } = cluster;
  if (members.length !== count || !isAllServed(cluster)) return false;
  const served = members.map(({ status }) => status?.partitions.filter(({ serving }) => serving).length ?? 0);
  return (
    members.every(({ draining, owned }, index) => !draining && served[index] === owned) &&
    Math.max(...served) - Math.min(...served) <= 1
  );
}
