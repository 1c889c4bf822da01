import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { systemClock } from '@millrace/kernel';
import { findRedisServer } from '@millrace/local-redis';
import { cpuMicrosOf, sumOver } from '../measure/proc-stat.ts';
import type { AckLevel } from '../options.ts';
import { startPrivateRedis } from '../processes/private-redis.ts';
import { PAYLOAD_BYTES } from './shape.ts';

const run = promisify(execFile);

const CLIENTS = 50;
const PIPELINE = 16;
const CALIBRATION_REQUESTS = 50_000;
/** So that a long round does not fill the memory: some 250 bytes each. */
const REQUESTS_MAX = 4_000_000;
const RUN_MS_MAX = 600_000;

export interface RedisFloor {
  readonly xaddPerSecond: number;
  readonly cpuMicrosPerXadd: number | null;
}

/** `redis-benchmark` prints `"test","rps",…` and then one line of values. Exported for its test. */
export function parseBenchmark(csv: string): number | null {
  const values = csv.trim().split('\n').at(-1);
  const perSecond = Number(/^"[^"]*","([\d.]+)"/.exec(values ?? '')?.[1]);
  return perSecond > 0 ? perSecond : null;
}

async function benchmarkProgram(): Promise<string> {
  const found = await findRedisServer();
  if (!found.ok) throw new Error(found.error.message);
  const { path, product } = found.value;
  const program = join(dirname(path), `${product}-benchmark`);
  return existsSync(program) ? program : `${product}-benchmark`;
}

/** XADD of the same payload by redis-benchmark, on a Redis configured as the server's, with a replica where that has one. */
export async function measureRedisFloor(options: {
  readonly ackLevel: AckLevel;
  readonly seconds: number;
  /** Told how to end what was started, should the bench be interrupted. */
  readonly onStop: (stop: () => Promise<void>) => void;
  /** Requests of one client that are under way. Default 16. */
  readonly pipeline?: number;
}): Promise<RedisFloor> {
  const { pipeline = PIPELINE } = options;
  const program = await benchmarkProgram();
  const dir = mkdtempSync(join(tmpdir(), 'millrace-floor-'));
  const starting = startPrivateRedis(dir, options.ackLevel);
  const stop = async (): Promise<void> => {
    // Not killed: a child of it that rewrites its log would go on writing into the directory.
    await starting.then(
      (started) => started.stop(),
      () => undefined,
    );
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  };
  options.onStop(stop);
  try {
    const redis = await starting;
    const { socket, pids } = redis;
    const xadd = async (requests: number): Promise<number> => {
      const args = ['-s', socket, '-n', requests, '-P', pipeline, '-c', CLIENTS, '--csv', 'XADD', 'floor', '*', 'e'];
      const { stdout } = await run(program, [...args.map(String), 'x'.repeat(PAYLOAD_BYTES)], { timeout: RUN_MS_MAX });
      const perSecond = parseBenchmark(stdout);
      if (perSecond === null) throw new Error(`${program} printed what was not understood:\n${stdout}`);
      return perSecond;
    };
    // Also the warm-up: it tells how many requests fill the time.
    const first = await xadd(CALIBRATION_REQUESTS);
    const requests = Math.min(REQUESTS_MAX, Math.max(10_000, Math.round(first * options.seconds)));
    const cpuBefore = sumOver(pids, cpuMicrosOf);
    const startedMs = systemClock.monotonicMs();
    const xaddPerSecond = await xadd(requests);
    const cpuAfter = sumOver(pids, cpuMicrosOf);
    const tookMs = systemClock.monotonicMs() - startedMs;
    // A tick of CPU time is 10 ms: of a run that is shorter than ten it tells nothing.
    const isLongEnough = cpuBefore !== null && cpuAfter !== null && tookMs >= 100;
    return { xaddPerSecond, cpuMicrosPerXadd: isLongEnough ? (cpuAfter - cpuBefore) / requests : null };
  } finally {
    await stop();
  }
}
