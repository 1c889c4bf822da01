import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { medianOf } from '../measure/median.ts';
import { cpuMicrosOf, sumOver } from '../measure/proc-stat.ts';
import type { BenchOptions } from '../options.ts';
import type { CommitCommand, CommitResult } from '../processes/commit-load.ts';
import { startPrivateRedis } from '../processes/private-redis.ts';
import { commitLines, type CommitFigures } from '../report/commit-path.ts';
import type { Findings, MeasureFindings } from '../report/findings.ts';
import type { BenchHost } from './bench-host.ts';
import { addChecked, nothingChecked } from './checked.ts';
import { measureRedisFloor, type RedisFloor } from './redis-floor.ts';
import { PAYLOAD_BYTES } from './shape.ts';
import { stoppable, withRole } from './targets.ts';

/** Of redis-benchmark: as deep as it is compared at. */
const PIPELINE = 64;

interface Measured {
  readonly figures: CommitFigures;
  readonly result: CommitResult;
}

async function onRedis({ ackLevel, seconds, warmupSeconds }: BenchOptions, host: BenchHost): Promise<Measured> {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-commits-'));
  try {
    const redis = await stoppable(host, startPrivateRedis(dir, ackLevel), (started) => started.stop());
    try {
      return await withRole(host, 'commits', [], async (load) => {
        const reading = () => ({ node: cpuMicrosOf(load.pid), redis: sumOver(redis.pids, cpuMicrosOf) });
        let [before, after] = [reading(), reading()];
        const time = { warmupMs: warmupSeconds * 1_000, measureMs: seconds * 1_000 };
        const result = (await load.ask(
          { op: 'commit', url: redis.url, ackLevel, ...time } satisfies CommitCommand,
          (edge) => {
            if (edge === 'begin') before = reading();
            else after = reading();
          },
        )) as CommitResult;
        const each = (from: number | null, to: number | null): number | null =>
          from === null || to === null || result.entries === 0 ? null : (to - from) / result.entries;
        const figures = {
          entriesPerSecond: result.entries / result.seconds,
          commitsPerSecond: result.commits / result.seconds,
          nodeMicros: each(before.node, after.node),
          redisMicros: each(before.redis, after.redis),
        };
        return { figures, result };
      });
    } finally {
      await redis.stop();
    }
  } finally {
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Entries a second by the store of a node with all that it checks, beside XADD by redis-benchmark: the one, the other … */
export const measureCommitPath: MeasureFindings = async (options, host): Promise<Findings> => {
  if (options.url !== null) throw new Error('commit writes into a Redis of its own: leave --url out');
  const { ackLevel, seconds } = options;
  const rounds: { readonly millrace: CommitFigures; readonly floor: RedisFloor }[] = [];
  let checked = nothingChecked;
  for (let round = 1; round <= options.rounds; round += 1) {
    const label = `round ${String(round)} of ${String(options.rounds)}`;
    host.progress(`${label}: redis-benchmark`);
    const floor = await measureRedisFloor({ ackLevel, seconds, onStop: host.onStop, pipeline: PIPELINE });
    host.progress(`${label}: commits`);
    const { figures, result } = await onRedis(options, host);
    rounds.push({ millrace: figures, floor });
    const { acked, stored } = result;
    const lost = Math.max(0, acked - stored);
    const duplicated = Math.max(0, stored - acked);
    checked = addChecked(checked, { sent: acked, acked, stored, delivered: 0, lost, duplicated, gaps: 0 });
  }
  const median = medianOf(rounds.map(({ millrace }) => millrace));
  const floor = medianOf(rounds.map((round) => round.floor));
  const ratio = { throughput: median.entriesPerSecond / floor.xaddPerSecond };
  return {
    config: { payloadBytes: PAYLOAD_BYTES, pipeline: PIPELINE },
    rounds,
    median: { commit: median },
    floor: { commit: floor },
    ratio,
    checked,
    faults: [],
    lines: commitLines(median, floor, ratio.throughput),
    plots: [],
    notMeasured: [
      'What a node does before and behind a commit: routing, actors, diffusion, sockets.',
      'Several conversations in a commit, inboxes, and what is trimmed.',
    ],
  };
};
