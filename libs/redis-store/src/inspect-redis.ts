import { err, ok, type Result } from '@millrace/kernel';
import type { AckLevel, StoreError } from '@millrace/partition';
import type { Redis } from 'ioredis';
import { judgeRedis, type RedisFacts, type RedisFinding, type RedisSettings } from './judge-redis.ts';
import { openRedis, parseSentinelUrl, usesSentinels } from './redis-address.ts';
import { messageOf } from './store-errors.ts';

export interface RedisInspection {
  readonly facts: RedisFacts;
  /** The gravest first; empty when there is nothing to say. */
  readonly findings: readonly RedisFinding[];
}

const ANSWER_MS_MAX = 5_000;

/** The fields of an INFO reply. */
export function parseInfo(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0 && !line.startsWith('#')) fields.set(line.slice(0, colon), line.slice(colon + 1));
  }
  return fields;
}

async function readSettings(client: Redis): Promise<RedisSettings | null> {
  try {
    const pairs = (await client.config(
      'GET',
      'maxmemory-policy',
      'appendfsync',
      'stream-node-max-bytes',
      'hash-max-listpack-value',
    )) as readonly string[];
    const settings = new Map<string, string>();
    for (let at = 0; at + 1 < pairs.length; at += 2) settings.set(pairs[at] ?? '', pairs[at + 1] ?? '');
    const maxMemoryPolicy = settings.get('maxmemory-policy');
    const appendFsync = settings.get('appendfsync');
    if (maxMemoryPolicy === undefined || appendFsync === undefined) return null;
    return {
      maxMemoryPolicy,
      appendFsync,
      streamNodeMaxBytes: Number(settings.get('stream-node-max-bytes') ?? 0),
      recordFieldBytes: Number(settings.get('hash-max-listpack-value') ?? 0),
    };
  } catch {
    // Not permitted (NOPERM), or taken away by a hosting provider (unknown command).
    return null;
  }
}

/** Looks at a Redis before anything is kept in it: for the check at a start, and for people who ask what is wrong. */
export async function inspectRedis(url: string, level: AckLevel): Promise<Result<RedisInspection, StoreError>> {
  const sentinels = usesSentinels(url) ? parseSentinelUrl(url) : null;
  if (sentinels?.ok === false) {
    return err({ code: 'unavailable', message: `the address of the Sentinels cannot be used: ${sentinels.error}` });
  }
  const client = openRedis(url, {
    lazyConnect: true,
    maxRetriesPerRequest: 0,
    retryStrategy: null,
    connectTimeout: ANSWER_MS_MAX,
    commandTimeout: ANSWER_MS_MAX,
    protocol: 2,
    // A Redis that reads its log back is answered as "loading", not waited for.
    enableReadyCheck: false,
  });
  let trouble = '';
  client.on('error', (error: unknown) => {
    trouble = messageOf(error);
  });
  try {
    await client.connect();
    const info = parseInfo(await client.info());
    const facts: RedisFacts = {
      flavour: info.has('valkey_version') ? 'valkey' : 'redis',
      version: info.get('valkey_version') ?? info.get('redis_version') ?? '0',
      cluster: info.get('cluster_enabled') === '1',
      role: info.get('role') ?? 'unknown',
      replicas: Number(info.get('connected_slaves') ?? 0),
      usedMemoryBytes: Number(info.get('used_memory') ?? 0),
      maxMemoryBytes: Number(info.get('maxmemory') ?? 0),
      appendOnly: info.get('aof_enabled') === '1',
      settings: await readSettings(client),
    };
    if (info.get('loading') === '1') {
      return err({ code: 'unavailable', message: 'Redis is still reading its data after a start' });
    }
    if (sentinels !== null && facts.role !== 'master') {
      return err({ code: 'unavailable', message: 'the Sentinels name a Redis that is no master yet, or no more' });
    }
    return ok({ facts, findings: judgeRedis(facts, level) });
  } catch (error) {
    return err({ code: 'unavailable', message: `Redis could not be asked: ${trouble || messageOf(error)}` });
  } finally {
    client.disconnect();
  }
}
