import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock, systemRandom, type UserId } from '@millrace/kernel';
import { describeLocalRedisError, freePort, startRedis, type LocalRedis } from '@millrace/local-redis';
import { signToken } from '@millrace/raw-client';
import { lookAtCluster } from '../../apps/cli/src/cluster/cluster-answer.ts';
import { FaultNode } from '../faults/fault-node.ts';
import { isSettled } from '../faults/stage.ts';
import { until } from '../faults/until.ts';

const WHOLE_MS_MAX = 60_000;
const TOKEN_SECONDS = 24 * 3_600;

export interface GroupStageOptions {
  /** Of this run alone: data and logs. */
  readonly dir: string;
  /** Where server.mjs is. */
  readonly bundles: string;
  readonly nodes: number;
  readonly env: Readonly<Record<string, string>>;
  /** Told of a stage as soon as anything runs on it, to end it from outside. */
  readonly onStage: (stage: GroupStage) => void;
}

/** Nodes over a Redis of their own, for one run. */
export class GroupStage {
  readonly nodes: FaultNode[] = [];
  readonly redis: LocalRedis;
  readonly apiKey = `${systemRandom.id()}${systemRandom.id()}`;
  readonly #secret = `${systemRandom.id()}${systemRandom.id()}`;
  #seats = 0;

  private constructor(redis: LocalRedis) {
    this.redis = redis;
  }

  static async start({ dir, bundles, nodes, env, onStage }: GroupStageOptions): Promise<GroupStage> {
    mkdirSync(dir, { recursive: true });
    const redis = await startRedis({ dir: join(dir, 'redis'), processGroup: 'shared' });
    if (!redis.ok) throw new Error(describeLocalRedisError(redis.error));
    const stage = new GroupStage(redis.value);
    onStage(stage);
    try {
      for (let index = 1; index <= nodes; index += 1) {
        const node = new FaultNode({
          name: `node-${String(index)}`,
          dir,
          bundle: join(bundles, 'server.mjs'),
          port: await freePort(),
          socketPort: await freePort(),
          redisUrl: redis.value.url,
          env: {
            MILLRACE_JWT_SECRET: stage.#secret,
            MILLRACE_API_KEYS: `groups:admin+metrics:${stage.apiKey}`,
            ...env,
          },
        });
        stage.nodes.push(node);
        await node.start();
      }
      await until(`${String(nodes)} nodes serve everything`, () => stage.#isWhole(), WHOLE_MS_MAX);
      return stage;
    } catch (error) {
      await stage.close();
      throw error;
    }
  }

  tokenOf(user: UserId): string {
    const issuedAtSeconds = Math.floor(systemClock.nowMs() / 1_000);
    return signToken(this.#secret, { user, issuedAtSeconds, seconds: TOKEN_SECONDS });
  }

  /** The socket address of one node after the other. */
  readonly nextSocketUrl = (): string => {
    this.#seats += 1;
    return this.nodes[this.#seats % this.nodes.length]?.socketUrl ?? '';
  };

  async #isWhole(): Promise<boolean> {
    const [node] = this.nodes;
    if (node === undefined) return false;
    const look = await lookAtCluster(node.url, this.apiKey, AbortSignal.timeout(3_000));
    return look.ok && isSettled(look.value, this.nodes.length);
  }

  /** At once, for the end of this process. */
  killNow(): void {
    for (const { pid, isRunning } of this.nodes) if (isRunning) process.kill(pid, 'SIGKILL');
    if (this.redis.running) process.kill(this.redis.pid, 'SIGKILL');
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.signal('SIGKILL')));
    await this.redis.stop();
  }
}
