import { execFileSync } from 'node:child_process';
import { cpus, release, totalmem, type } from 'node:os';
import { findRedisServer } from '@millrace/local-redis';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  readonly redis: string | null;
}

export async function describeMachine(): Promise<Machine> {
  const redis = await findRedisServer();
  const processors = cpus();
  return {
    cpu: processors[0]?.model ?? 'not known',
    cores: processors.length,
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    system: `${type()} ${release()}`,
    node: process.versions.node,
    redis: redis.ok ? `${redis.value.product} ${redis.value.version}` : null,
  };
}

/** Of the sources that were measured; with `+` when files differ from it. Null outside of a clone. */
export function describeCommit(cwd: string): string | null {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    const changed = git('status', '--porcelain', '--untracked-files=no') === '' ? '' : '+';
    return `${git('rev-parse', '--short=12', 'HEAD')}${changed}`;
  } catch {
    return null;
  }
}
