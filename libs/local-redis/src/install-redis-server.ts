import type { Result } from '@millrace/kernel';
import type { LocalRedisError } from './errors.ts';
import { findRedisServer, redisSearchPath, type RedisServerBinary } from './find-redis-server.ts';
import { installServer, type Progress, type WantedServer } from './package-manager.ts';

const REDIS: WantedServer<RedisServerBinary> = {
  name: 'Redis',
  versionMin: '7.0',
  packages: {
    'apt-get': ['redis-server', 'valkey-server'],
    dnf: ['valkey', 'redis'],
    apk: ['redis', 'valkey'],
    brew: ['redis', 'valkey'],
  },
  otherwise: 'set REDIS_URL to a Redis that runs already',
  find: findRedisServer,
};

/**
 * Installs a Redis server with the system's package manager, when this process may, and leaves no service of the
 * distribution running: Millrace starts a Redis of its own.
 *
 * @param progress - told each step and each line of the package manager.
 * @param searchPath - where to look for programs, in order.
 */
export function installRedisServer(
  progress: Progress,
  searchPath: readonly string[] = redisSearchPath(),
): Promise<Result<RedisServerBinary, LocalRedisError>> {
  return installServer(REDIS, progress, searchPath);
}
