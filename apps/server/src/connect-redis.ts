import { err, type Result } from '@millrace/kernel';
import { RedisStores, withoutPassword, type RedisStoresOptions } from '@millrace/redis-store';
import type { ServerLog } from './logging.ts';

/** A Redis that is not there yet, or reads its log back, is waited for so long. */
const WAIT_MS_MAX = 60_000;
const RETRY_MS = 250;

export interface ConnectParts {
  readonly options: RedisStoresOptions;
  /** Asked after each attempt: the server was told to end meanwhile. */
  readonly isCancelled: () => boolean;
  readonly log: ServerLog;
}

/** Connects, waiting for a Redis that is away; one whose settings break what the ack level promises is refused at once. */
export async function connectRedis({ options, isCancelled, log }: ConnectParts): Promise<Result<RedisStores, string>> {
  const { clock, timers, url } = options;
  const deadlineMs = clock.monotonicMs() + WAIT_MS_MAX;
  let announced = '';
  for (;;) {
    const stores = await RedisStores.connect(options);
    if (isCancelled()) {
      if (stores.ok) stores.value.close();
      return err('it was stopped while it waited for Redis');
    }
    if (stores.ok) return stores;
    const { code, message } = stores.error;
    if (code === 'unfit') return err(`this Redis cannot keep what is promised: ${message}`);
    if (clock.monotonicMs() > deadlineMs) return err(message);
    if (message !== announced) log.warn(`waiting for Redis: ${message}`, { redis: withoutPassword(url) });
    announced = message;
    await new Promise<void>((resolve) => {
      timers.after(RETRY_MS, resolve);
    });
  }
}
