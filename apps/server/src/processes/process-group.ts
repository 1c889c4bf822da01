import { ok, systemClock, systemTimers, type Result } from '@millrace/kernel';
import type { ServerAddresses } from '../compose.ts';
import type { Program } from '../ending.ts';
import type { ServerLog } from '../logging.ts';
import { rolesOf } from '../node-parts.ts';
import { PrivateRedis, privateRedisShown } from '../private-redis.ts';
import { processNames, type ServerConfig } from '../server-config.ts';
import { freeSharedPorts } from './shared-ports.ts';
import { Supervisor } from './supervisor.ts';

/** Several server processes behind one pair of ports, and the private Redis that they share. */
export class ProcessGroup implements Program {
  readonly #config: ServerConfig;
  readonly #log: ServerLog;
  readonly #onReplaced: (why: string) => void;
  #redis: PrivateRedis | null = null;
  #supervisor: Supervisor | null = null;
  /** Resolves at the stop with what has been started until then. */
  #starting: Promise<unknown> = Promise.resolve();
  #stopRequested = false;

  /** @param onReplaced - another server has the same names: this one is to end. */
  constructor(config: ServerConfig, log: ServerLog, onReplaced: (why: string) => void) {
    this.#config = config;
    this.#log = log;
    this.#onReplaced = onReplaced;
  }

  get stopRequested(): boolean {
    return this.#stopRequested;
  }

  /** The private Redis, for people; null without one. */
  get redisShown(): string | null {
    return this.#redis === null ? null : privateRedisShown(this.#config);
  }

  /** Resolves when all processes serve, or with a sentence that says why not; the caller stops what is left then. */
  async start(): Promise<Result<ServerAddresses, string>> {
    const prepared = this.#prepare();
    this.#starting = prepared;
    const supervisor = await prepared;
    if (!supervisor.ok) return supervisor;
    return supervisor.value.start();
  }

  async stop(): Promise<boolean> {
    this.#stopRequested = true;
    await this.#starting;
    const isClean = (await this.#supervisor?.stop()) ?? true;
    await this.#redis?.stop();
    return isClean;
  }

  abandon(): void {
    this.#supervisor?.abandon();
    this.#redis?.endSoon();
  }

  async #prepare(): Promise<Result<Supervisor, string>> {
    const config = this.#config;
    const ports = await freeSharedPorts(config, rolesOf(config).includes('gateway'));
    if (!ports.ok) return ports;
    let { redisUrl } = config;
    if (redisUrl === null) {
      const redis = await PrivateRedis.start(config, systemTimers, this.#log);
      if (!redis.ok) return redis;
      this.#redis = redis.value;
      redisUrl = redis.value.url;
    }
    const shared = {
      MILLRACE_PROCESSES: '1',
      MILLRACE_PORT: String(ports.value.port),
      MILLRACE_SOCKET_PORT: String(ports.value.socketPort),
      MILLRACE_SOCKET_ENGINE: config.socketEngine,
      MILLRACE_REDIS_URL: '',
      REDIS_URL: redisUrl,
    };
    this.#supervisor = new Supervisor({
      names: processNames(config),
      environment: (name) => ({ ...shared, MILLRACE_NODE_NAME: name }),
      advises: this.#redis === null,
      log: this.#log,
      clock: systemClock,
      timers: systemTimers,
      onReplaced: this.#onReplaced,
    });
    return ok(this.#supervisor);
  }
}
