import type { Result } from '@millrace/kernel';
import { installServer, type Progress, type WantedServer } from '@millrace/local-redis';
import type { LocalPostgresError } from './errors.ts';
import { VERSION_MAJOR_MIN, findPostgres, postgresSearchPath, type PostgresBinaries } from './find-postgres.ts';

const POSTGRES: WantedServer<PostgresBinaries> = {
  name: 'PostgreSQL',
  versionMin: String(VERSION_MAJOR_MIN),
  packages: {
    'apt-get': ['postgresql'],
    dnf: ['postgresql-server'],
    apk: ['postgresql', 'postgresql17', 'postgresql16'],
    brew: ['postgresql@17', 'postgresql@16'],
  },
  otherwise: 'put the programs of one first on the PATH',
  // The folder of its version is there only now.
  find: () => findPostgres(),
};

/**
 * Installs PostgreSQL with the system's package manager, when this process may. Debian's package makes a cluster of its
 * own under /var/lib/postgresql; it is not started.
 *
 * @param progress - told each step and each line of the package manager.
 */
export function installPostgres(
  progress: Progress,
  searchPath: readonly string[] = postgresSearchPath(),
): Promise<Result<PostgresBinaries, LocalPostgresError>> {
  return installServer(POSTGRES, progress, searchPath);
}
