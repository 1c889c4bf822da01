import { ok, type Clock, type Result } from '@millrace/kernel';
import type { StoreError } from '@millrace/partition';
import type { Cluster, Redis } from 'ioredis';
import { keyLayout } from './key-layout.ts';
import { withRedis } from './redis-copies.ts';

/**
 * While it is held nothing leaves the archive. A backup copies Redis first and the archive later: what the first copy names
 * must be in the second one. It ends by itself, should the backup never come to its end.
 */
export interface ArchiveHold {
  /** Ends it; in vain where it has ended by itself, which is told: then the copies may not fit. */
  release(): Promise<Result<'held' | 'over', StoreError>>;
}

const keyOf = (prefix: string): string => keyLayout(prefix).cluster('backups');

/** @param forMs - how long at most; several backups may be under way at once. */
export async function holdArchive(
  {
    url,
    prefix,
    forMs,
    id,
  }: { readonly url: string; readonly prefix: string; readonly forMs: number; readonly id: string },
  clock: Clock,
): Promise<Result<ArchiveHold, StoreError>> {
  const key = keyOf(prefix);
  const untilMs = clock.nowMs() + forMs;
  const held = await withRedis(url, async ({ client }) => {
    await client.zadd(key, String(untilMs), id);
    const last = await client.zrange(key, '-1', '-1', 'WITHSCORES');
    await client.pexpireat(key, Number(last[1] ?? untilMs));
  });
  if (!held.ok) return held;
  return ok({
    release: () =>
      withRedis(url, async ({ client }) =>
        (await client.zrem(key, id)) === 1 && clock.nowMs() < untilMs ? 'held' : 'over',
      ),
  });
}

/** Whether a backup is under way. Rejects where Redis cannot be asked. */
export async function isArchiveHeld(client: Redis | Cluster, prefix: string, nowMs: number): Promise<boolean> {
  return (await client.zcount(keyOf(prefix), String(nowMs), '+inf')) > 0;
}
