import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InvariantViolation, type Result } from '@millrace/kernel';
import { afterAll, beforeAll } from 'vitest';
import { describeLocalRedisError, type LocalRedisError } from './errors.ts';
import { startRedis, type LocalRedis, type StartRedisOptions } from './local-redis.ts';
import { isAlive } from './process-life.ts';
import { callRedis, type RedisReply } from './resp.ts';

/** A Redis of one test file (or one `describe`). Everything here may be used from the first `beforeEach` on. */
export interface TestRedis {
  readonly url: string;
  /** To kill, pause, restart, or to look at its log. */
  readonly server: LocalRedis;
  /** Empties every database. Functions stay loaded: they are code, not data. */
  flush(): Promise<void>;
  /** Sends one command past any client of the code under test. @throws on an error reply. */
  call(...args: readonly (string | number)[]): Promise<RedisReply>;
}

function valueOf<T>(outcome: Result<T, LocalRedisError>): T {
  if (outcome.ok) return outcome.value;
  throw new Error(describeLocalRedisError(outcome.error));
}

/**
 * Starts a Redis in a temporary directory before the tests of the file or `describe` that calls it, and removes both
 * after them. It is private to the caller: nothing needs a key prefix, and killing it harms nobody.
 *
 * ```ts
 * const redis = testRedis();
 * beforeEach(() => redis.flush());
 * ```
 */
export function testRedis(options: Omit<StartRedisOptions, 'dir' | 'processGroup'> = {}): TestRedis {
  let started: LocalRedis | undefined;
  let dir: string | undefined;
  const server = (): LocalRedis => {
    if (started === undefined) throw new InvariantViolation('the Redis of a test is there only while tests run');
    return started;
  };
  // A worker that is told to end skips afterAll; it must not leave its Redis behind.
  const endAtExit = (): void => {
    if (started !== undefined && isAlive(started.pid)) process.kill(started.pid, 'SIGKILL');
  };
  const call = async (...args: readonly (string | number)[]): Promise<RedisReply> => {
    const reply = await callRedis(server().endpoint, args);
    if (!reply.ok) throw new Error(reply.error.message);
    return reply.value;
  };

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'millrace-test-'));
    started = valueOf(await startRedis({ ...options, dir, processGroup: 'shared' }));
    process.once('exit', endAtExit);
  });

  afterAll(async () => {
    process.off('exit', endAtExit);
    // Its data goes with it, so there is nothing to save; SIGKILL also ends one that a test has paused.
    await started?.kill('SIGKILL');
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
    async flush() {
      await call('FLUSHALL', 'SYNC');
    },
    call,
  };
}
