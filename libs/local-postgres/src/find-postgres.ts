import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { err, ok, type Result } from '@millrace/kernel';
import { isExecutableFile, redisSearchPath, runCommand } from '@millrace/local-redis';
import type { LocalPostgresError } from './errors.ts';

/** The programs of one installed PostgreSQL. */
export interface PostgresBinaries {
  readonly postgres: string;
  readonly initdb: string;
  /** As `major.minor`. */
  readonly version: string;
}

/** What Millrace's schema and statements need, and what its makers still mend. */
export const VERSION_MAJOR_MIN = 13;

/** Debian and Ubuntu keep the server's programs off the PATH, in a folder for each version; others have their own. */
const VERSIONED = ['/usr/lib/postgresql', '/usr/libexec', '/opt/homebrew/opt', '/usr'];

function versionedDirectories(): readonly string[] {
  return VERSIONED.flatMap((parent) => {
    try {
      return readdirSync(parent)
        .filter((name) => /^(\d+|postgresql\d*(@\d+)?|pgsql-\d+)$/.test(name))
        .sort((one, other) => Number(/\d+/.exec(other)?.[0] ?? 0) - Number(/\d+/.exec(one)?.[0] ?? 0))
        .flatMap((name) => [join(parent, name, 'bin'), join(parent, name)]);
    } catch {
      return [];
    }
  });
}

/** The PATH first, so that a person may choose; then where systems install. */
export const postgresSearchPath = (): readonly string[] => [
  ...new Set([...redisSearchPath(), ...versionedDirectories()]),
];

/** The first PostgreSQL on the search path that is new enough. */
export async function findPostgres(
  searchPath: readonly string[] = postgresSearchPath(),
): Promise<Result<PostgresBinaries, LocalPostgresError>> {
  const tooOld: string[] = [];
  for (const directory of searchPath) {
    const postgres = join(directory, 'postgres');
    const initdb = join(directory, 'initdb');
    if (!isExecutableFile(postgres) || !isExecutableFile(initdb)) continue;
    const { code, output } = await runCommand(postgres, ['--version']);
    const version = /\(PostgreSQL\) (\d+(\.\d+)?)/.exec(output)?.[1];
    if (code !== 0 || version === undefined) continue;
    if (Number.parseInt(version, 10) >= VERSION_MAJOR_MIN) return ok({ postgres, initdb, version });
    tooOld.push(`${postgres} is ${version}`);
  }
  const needed = String(VERSION_MAJOR_MIN);
  if (tooOld.length > 0) {
    return err({
      code: 'postgres_too_old',
      message: `Millrace needs PostgreSQL ${needed} or newer, but ${tooOld.join(', ')}.`,
      whatToDo: 'Install a newer one, first on the PATH.',
    });
  }
  return err({
    code: 'postgres_missing',
    message: `No PostgreSQL server (postgres and initdb) was found in ${searchPath.join(', ')}.`,
    whatToDo: `Install PostgreSQL ${needed} or newer (on Debian: apt-get install postgresql).`,
  });
}
