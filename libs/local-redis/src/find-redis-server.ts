import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { err, ok, type Result } from '@millrace/kernel';
import type { LocalRedisError } from './errors.ts';
import { runCommand } from './run-command.ts';

export interface RedisServerBinary {
  readonly path: string;
  readonly product: 'redis' | 'valkey';
  /** As `major.minor.patch`. */
  readonly version: string;
}

/** Functions, which carry every commit, came with Redis 7.0. */
const VERSION_MIN = { major: 7, minor: 0 };

const NAMES = ['redis-server', 'valkey-server'] as const;
/** Where package managers put servers; /usr/sbin is often missing from a user's PATH. */
const USUAL_DIRECTORIES = ['/usr/bin', '/usr/sbin', '/usr/local/bin', '/opt/homebrew/bin'];

export const redisSearchPath = (): readonly string[] => {
  const fromPath = (process.env['PATH'] ?? '').split(delimiter).filter((directory) => directory !== '');
  return [...new Set([...fromPath, ...USUAL_DIRECTORIES])];
};

export function isExecutableFile(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

async function identify(path: string): Promise<RedisServerBinary | undefined> {
  const { code, output } = await runCommand(path, ['--version']);
  const version = /\bv=(\d+\.\d+\.\d+)/.exec(output)?.[1];
  if (code !== 0 || version === undefined) return undefined;
  return { path, product: /valkey/i.test(output) ? 'valkey' : 'redis', version };
}

function isNewEnough(binary: RedisServerBinary): boolean {
  const [major = 0, minor = 0] = binary.version.split('.').map(Number);
  return major > VERSION_MIN.major || (major === VERSION_MIN.major && minor >= VERSION_MIN.minor);
}

/**
 * The first Redis or Valkey server on the search path that is new enough.
 *
 * @param searchPath - directories in order; by default the PATH, then where package managers install.
 */
export async function findRedisServer(
  searchPath: readonly string[] = redisSearchPath(),
): Promise<Result<RedisServerBinary, LocalRedisError>> {
  const tooOld: RedisServerBinary[] = [];
  for (const directory of searchPath) {
    for (const name of NAMES) {
      const path = join(directory, name);
      if (!isExecutableFile(path)) continue;
      const binary = await identify(path);
      if (binary === undefined) continue;
      if (isNewEnough(binary)) return ok(binary);
      tooOld.push(binary);
    }
  }
  const needed = `${String(VERSION_MIN.major)}.${String(VERSION_MIN.minor)}`;
  if (tooOld.length > 0) {
    const found = tooOld.map((binary) => `${binary.path} is ${binary.product} ${binary.version}`).join(', ');
    return err({
      code: 'redis_too_old',
      message: `Millrace needs Redis ${needed} or newer, or Valkey, but ${found}.`,
      whatToDo: 'Install a newer one first on the PATH, or set REDIS_URL to a Redis that runs already.',
    });
  }
  return err({
    code: 'redis_missing',
    message: `No redis-server or valkey-server was found in ${searchPath.join(', ')}.`,
    whatToDo: `Install Redis ${needed} or newer, or set REDIS_URL to a Redis that runs already.`,
  });
}
