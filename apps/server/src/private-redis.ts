import { join } from 'node:path';
import { err, ok, type Cancel, type Result, type Timers } from '@millrace/kernel';
import { describeLocalRedisError, isAlive, startRedis, type LocalRedis } from '@millrace/local-redis';
import type { ServerLog } from './logging.ts';
import type { ServerConfig } from './server-config.ts';

const WATCH_MS = 500;

/** For people, instead of its address. */
export const privateRedisShown = ({ dataDir }: Pick<ServerConfig, 'dataDir'>): string =>
  `a private one, its data under ${dataDir}/redis`;

/** The Redis of development mode: started with the server, started again should it die, stopped with the server. */
export class PrivateRedis {
  readonly url: string;
  readonly #redis: LocalRedis;
  readonly #timers: Timers;
  readonly #log: ServerLog;
  #cancelWatch: Cancel;
  #stopping = false;
  #restarting: Promise<void> = Promise.resolve();

  private constructor(redis: LocalRedis, timers: Timers, log: ServerLog) {
    this.#redis = redis;
    this.#timers = timers;
    this.#log = log;
    this.url = redis.url;
    this.#cancelWatch = this.#watchLater();
  }

  /**
   * One that was left behind by a killed server is adopted. `fsync` follows the ack level: `disk` promises that an
   * acknowledged message was synced, so Redis must do so before it answers.
   */
  static async start(
    config: Pick<ServerConfig, 'dataDir' | 'ackLevel'>,
    timers: Timers,
    log: ServerLog,
  ): Promise<Result<PrivateRedis, string>> {
    const options = {
      dir: join(config.dataDir, 'redis'),
      appendfsync: config.ackLevel === 'disk' ? ('always' as const) : ('everysec' as const),
    };
    // A socket file is out of reach of this machine's other users; only a long path forbids it.
    let started = await startRedis({ ...options, unixSocket: true });
    if (!started.ok && started.error.code === 'path_too_long') started = await startRedis(options);
    if (!started.ok) return err(describeLocalRedisError(started.error));
    const { pid, dir, adopted, url } = started.value;
    log.info(adopted ? 'took over the private Redis that an earlier run left' : 'started a private Redis', {
      pid,
      dir,
      url,
    });
    return ok(new PrivateRedis(started.value, timers, log));
  }

  get pid(): number {
    return this.#redis.pid;
  }

  /** Tells it to save and end, without waiting: the caller is about to end itself. */
  endSoon(): void {
    this.#stopping = true;
    this.#cancelWatch();
    if (isAlive(this.#redis.pid)) process.kill(this.#redis.pid, 'SIGTERM');
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#cancelWatch();
    await this.#restarting;
    const stopped = await this.#redis.stop();
    if (!stopped.ok) this.#log.error(describeLocalRedisError(stopped.error));
  }

  #watchLater(): Cancel {
    return this.#timers.after(WATCH_MS, () => {
      this.#restarting = this.#watch();
    });
  }

  async #watch(): Promise<void> {
    if (!isAlive(this.#redis.pid)) {
      this.#log.warn('the private Redis has died; starting it again', { pid: this.#redis.pid });
      const restarted = await this.#redis.restart();
      if (!restarted.ok) this.#log.error(describeLocalRedisError(restarted.error));
    }
    if (!this.#stopping) this.#cancelWatch = this.#watchLater();
  }
}
