import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InvariantViolation, type Result } from '@millrace/kernel';
import { isAlive } from '@millrace/local-redis';
import { afterAll, beforeAll } from 'vitest';
import { describeLocalPostgresError, type LocalPostgresError } from './errors.ts';
import { findPostgres, type PostgresBinaries } from './find-postgres.ts';
import { installPostgres } from './install-postgres.ts';
import { startPostgres, type LocalPostgres, type StartPostgresOptions } from './local-postgres.ts';

/** A PostgreSQL of one test file (or one `describe`), there from the first `beforeEach` on. */
export interface TestPostgres {
  readonly url: string;
  /** To kill, restart, or to look at its log. */
  readonly server: LocalPostgres;
}

/** A machine without PostgreSQL gets it while the first test file starts. */
const INSTALL_MS_MAX = 600_000;

function valueOf<T>(outcome: Result<T, LocalPostgresError>): T {
  if (outcome.ok) return outcome.value;
  throw new Error(describeLocalPostgresError(outcome.error));
}

async function foundOrInstalled(): Promise<PostgresBinaries> {
  const found = await findPostgres();
  if (found.ok || found.error.code !== 'postgres_missing') return valueOf(found);
  return valueOf(
    await installPostgres((line) => {
      process.stderr.write(`  ${line}\n`);
    }),
  );
}

/**
 * Starts a PostgreSQL in a temporary directory before the tests of the file or `describe` that calls it, and removes
 * both after them. It is private to the caller: killing it harms nobody.
 */
export function testPostgres(options: Omit<StartPostgresOptions, 'dir' | 'binaries'> = {}): TestPostgres {
  let started: LocalPostgres | undefined;
  let dir: string | undefined;
  const server = (): LocalPostgres => {
    if (started === undefined) throw new InvariantViolation('the PostgreSQL of a test is there only while tests run');
    return started;
  };
  // A worker that is told to end skips afterAll; its processes end with the first of them.
  const endAtExit = (): void => {
    if (started !== undefined && isAlive(started.pid)) process.kill(started.pid, 'SIGKILL');
  };

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'millrace-postgres-'));
    // Its user may be another one, who has to come through.
    chmodSync(dir, 0o711);
    started = valueOf(
      await startPostgres({ ...options, dir: join(dir, 'server'), binaries: await foundOrInstalled() }),
    );
    process.once('exit', endAtExit);
  }, INSTALL_MS_MAX);

  afterAll(async () => {
    process.off('exit', endAtExit);
    // Its data goes with it, so there is nothing to save.
    await started?.kill();
    if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
    started = undefined;
  });

  return {
    get url() {
      return server().url;
    },
    get server() {
      return server();
    },
  };
}
