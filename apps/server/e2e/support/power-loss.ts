import { readFileSync, statSync, truncateSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LocalRedis } from '@millrace/local-redis';

/*
 * A kill of Redis keeps the page cache, so nothing that was written is lost. A power loss keeps what was synced only.
 * Here Redis is killed and its append-only file is then cut back to its size at the last fsync:
 *
 * - `appendfsync always`: Redis syncs right after each write, before it answers anyone. When it is stopped while it
 *   waits for input (epoll_wait), all of its file is synced: that is the size at the last fsync.
 * - `appendfsync everysec`: a thread syncs once a second. The size of one second before the kill is what the setting
 *   promises to keep, and no more.
 */

const EPOLL_WAIT = new Set(['232', '281', '441']);
const EVERYSEC_MS = 1_000;

/** Which system call the main thread is in, as Linux tells it. */
const systemCallOf = (pid: number): string =>
  readFileSync(`/proc/${String(pid)}/syscall`, 'utf8')
    .split(' ')[0]
    ?.trim() ?? '';

const stateOf = (pid: number): string =>
  readFileSync(`/proc/${String(pid)}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .charAt(0);

function lastAofFile(redis: LocalRedis): string {
  const file = redis.aofFiles().at(-1);
  if (file === undefined) throw new Error('this Redis has no append-only file');
  return file.path;
}

/** Stops Redis at a moment when it waits for input, so that nothing is between its write and its fsync. */
async function freezeBetweenCommands(redis: LocalRedis): Promise<void> {
  for (;;) {
    await redis.kill('SIGSTOP');
    while (stateOf(redis.pid) !== 'T') await sleep(1);
    if (EPOLL_WAIT.has(systemCallOf(redis.pid))) return;
    await redis.kill('SIGCONT');
    await sleep(1);
  }
}

/** Watches the size of the append-only file, to know afterwards what it was at any moment. */
export class AofWatch {
  readonly #redis: LocalRedis;
  readonly #sizes: { readonly atMs: number; readonly bytes: number }[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(redis: LocalRedis) {
    this.#redis = redis;
    this.#timer = setInterval(() => {
      this.#sizes.push({ atMs: performance.now(), bytes: statSync(lastAofFile(redis)).size });
    }, 20);
  }

  /**
   * Kills Redis as a power loss would.
   *
   * @param appendfsync - the setting that the running Redis itself reports, not the one that was asked for.
   * @returns how many bytes were lost.
   */
  async losePower(appendfsync: string): Promise<number> {
    clearInterval(this.#timer);
    const file = lastAofFile(this.#redis);
    if (appendfsync === 'always') await freezeBetweenCommands(this.#redis);
    const killedAtMs = performance.now();
    const bytes = statSync(file).size;
    await this.#redis.kill('SIGKILL');
    const synced =
      appendfsync === 'always'
        ? bytes
        : (this.#sizes.filter(({ atMs }) => atMs <= killedAtMs - EVERYSEC_MS).at(-1)?.bytes ?? 0);
    const before = statSync(file).size;
    truncateSync(file, Math.min(before, synced));
    return before - Math.min(before, synced);
  }
}
