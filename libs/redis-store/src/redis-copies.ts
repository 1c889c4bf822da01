import { join } from 'node:path';
import { err, ok, type Result, type Timers } from '@millrace/kernel';
import type { StoreError } from '@millrace/partition';
import { Cluster, type Redis } from 'ioredis';
import { parseInfo } from './inspect-redis.ts';
import { keyLayout } from './key-layout.ts';
import { clientUrl, openRedis } from './redis-address.ts';
import { messageOf } from './store-errors.ts';

/** A file that holds all that one Redis had at one moment. */
export interface RedisSnapshot {
  /** Of a Cluster, what this master serves: `0-5460`, several with commas; null for a Redis alone. */
  readonly slots: string | null;
  /** Where Redis itself says that its file is, in its own file system. */
  readonly dir: string;
  readonly file: string;
}

const CONNECT_MS_MAX = 5_000;
const SAVE_MS_MAX = 3_600_000;
const POLL_MS = 50;
const SCAN_KEYS = 1_000;
/**
 * A copy goes on behind the generation that it was taken in by so many: what it does not know of are those that were begun
 * since, one for each loss.
 */
const GENERATIONS_BEHIND = 1_000;

interface Master {
  readonly client: Redis;
  readonly slots: string | null;
}

interface Whole {
  /** For what has a key. */
  readonly client: Redis | Cluster;
  readonly masters: readonly Master[];
}

/** Does a job with a Redis, or with all masters of a Cluster, each over a connection of its own. */
export async function withRedis<T>(url: string, job: (whole: Whole) => Promise<T>): Promise<Result<T, StoreError>> {
  const common = { connectTimeout: CONNECT_MS_MAX, maxRetriesPerRequest: 0, protocol: 2 } as const;
  const one = openRedis(url, { ...common, lazyConnect: true, retryStrategy: null });
  one.on('error', () => undefined);
  let cluster: Cluster | null = null;
  try {
    await one.connect();
    if (parseInfo(await one.info('cluster')).get('cluster_enabled') !== '1')
      return ok(await job({ client: one, masters: [{ client: one, slots: null }] }));
    cluster = new Cluster([clientUrl(url)], { redisOptions: common, retryDelayOnFailover: 0, lazyConnect: true });
    cluster.on('error', () => undefined);
    await cluster.connect();
    const masters = cluster.nodes('master').map(async (client) => ({ client, slots: await slotsOf(client) }));
    return ok(await job({ client: cluster, masters: await Promise.all(masters) }));
  } catch (error) {
    return err({ code: 'unavailable', message: messageOf(error) });
  } finally {
    one.disconnect();
    cluster?.disconnect();
  }
}

async function slotsOf(client: Redis): Promise<string> {
  const id = String(await client.call('CLUSTER', 'MYID'));
  const line = String(await client.call('CLUSTER', 'NODES'))
    .split('\n')
    .find((each) => each.startsWith(id));
  return (line ?? '')
    .split(' ')
    .slice(8)
    .filter((range) => /^\d/.test(range))
    .join(',');
}

async function snapshotOf({ client, slots }: Master, timers: Timers): Promise<RedisSnapshot> {
  const before = Number(parseInfo(await client.info('persistence')).get('rdb_saves') ?? 0);
  // While the log is rewritten it waits for that.
  await client.bgsave('SCHEDULE');
  for (let waitedMs = 0; ; waitedMs += POLL_MS) {
    const info = parseInfo(await client.info('persistence'));
    const isDone = Number(info.get('rdb_saves')) > before && info.get('rdb_bgsave_in_progress') === '0';
    if (isDone && info.get('rdb_last_bgsave_status') === 'ok') break;
    if (isDone) throw new Error('Redis could not save its data; its log says why');
    if (waitedMs > SAVE_MS_MAX) throw new Error('Redis did not save its data in time');
    await new Promise<void>((resolve) => {
      timers.after(POLL_MS, resolve);
    });
  }
  const told = (await client.config('GET', 'dir', 'dbfilename')) as readonly string[];
  const setting = (name: string): string => told[told.indexOf(name) + 1] ?? '';
  return { slots, dir: setting('dir'), file: join(setting('dir'), setting('dbfilename')) };
}

/**
 * Has Redis write all that it holds into a file, each master of a Cluster what it serves. Nothing waits for it: Redis does it
 * in a process of its own.
 */
export const snapshotRedis = (url: string, timers: Timers): Promise<Result<readonly RedisSnapshot[], StoreError>> =>
  withRedis(url, ({ masters }) => Promise.all(masters.map((master) => snapshotOf(master, timers))));

/**
 * Marks that a store is a copy of what once was, so that every partition begins a generation when it is claimed next: what was
 * acknowledged behind the copy is gone, whatever the ack level promises of a crash, and however cleanly the last owner
 * stopped. No server may use the store meanwhile; one that does is fenced.
 *
 * @returns how many partitions there are.
 */
export const markCopied = (url: string, prefix: string): Promise<Result<number, StoreError>> =>
  withRedis(url, async ({ client: whole, masters }) => {
    // The backup that this copy is of was under way.
    await whole.del(keyLayout(prefix).cluster('backups'));
    const marked = new Set<string>();
    for (const { client } of masters) {
      for (let cursor = ''; cursor !== '0';) {
        const [next, keys] = await client.scan(
          cursor === '' ? '0' : cursor,
          'MATCH',
          `${prefix}{p*}:owner`,
          'COUNT',
          SCAN_KEYS,
        );
        cursor = next;
        // The star lets through more than is meant.
        for (const key of keys.filter((each) => /^\{p\d+\}:owner$/.test(each.slice(prefix.length)))) {
          const [epoch, gen] = await client.hmget(key, 'epoch', 'gen');
          if (gen === null || gen === undefined || marked.has(key)) continue;
          marked.add(key);
          await client.hset(key, {
            epoch: String(Number(epoch ?? 0) + 1),
            token: `${String(Number(epoch ?? 0) + 1)}:copied`,
            gen: String(Number(gen) + GENERATIONS_BEHIND),
            run: 'copied',
            level: 'memory',
            clean: '0',
          });
        }
      }
    }
    return marked.size;
  });
