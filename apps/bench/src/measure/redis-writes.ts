import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '@millrace/kernel';
import { callRedis, type LocalRedis, type RedisReply } from '@millrace/local-redis';

/** What a Redis has done since it started, as it counts itself. */
export interface RedisCount {
  /** Commands that write, those within functions included. */
  readonly writes: number;
  /** Changes of the keyspace: each field that is set, each entry that is added. */
  readonly changes: number;
  /** Bytes of its append-only log. */
  readonly logBytes: number;
}

/** What a message cost, what Redis does by itself or for the cluster taken off. */
export interface WritesPerMessage {
  readonly writes: number;
  readonly changes: number;
  /** Null when that is not known. */
  readonly logBytes: number | null;
}

/** Between two looks: what is stored behind a message, such as how far it was diffused, is so within a second. */
const LOOK_MS = 1_200;
/** Within that a Redis at rest writes so often at most: leases are renewed, nodes say that they are there. */
const QUIET_WRITES = 10;
const QUIET_MS_MAX = 10_000;

/** Calls by command, from `INFO commandstats`. Exported for its test. */
export function parseCalls(info: string): ReadonlyMap<string, number> {
  const calls = new Map<string, number>();
  for (const [, name, count] of info.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)) {
    if (name !== undefined) calls.set(name, Number(count));
  }
  return calls;
}

const numberIn = (info: string, field: string): number =>
  Number(new RegExp(`^${field}:(\\d+)`, 'm').exec(info)?.[1] ?? Number.NaN);

/** Counts what one Redis writes, by its own books. */
export class RedisWrites {
  readonly #endpoint: LocalRedis['endpoint'];
  #writing: ReadonlySet<string> | null = null;

  /** @param url - of a Redis on this machine: `unix://` and a path, or `redis://` and an address. */
  constructor(url: string) {
    const { protocol, pathname, port } = new URL(url);
    this.#endpoint = protocol === 'unix:' ? { unixSocket: pathname } : { port: Number(port) };
  }

  async #ask(...command: string[]): Promise<RedisReply> {
    const reply = await callRedis(this.#endpoint, command);
    if (!reply.ok) throw new Error(`Redis does not answer ${command.join(' ')}: ${reply.error.message}`);
    return reply.value;
  }

  async #text(section: string): Promise<string> {
    const reply = await this.#ask('INFO', section);
    return typeof reply === 'string' ? reply : '';
  }

  /** The commands that Redis itself says write. A function is none of them: what it calls is counted. */
  async #writingCommands(): Promise<ReadonlySet<string>> {
    const listed = await this.#ask('COMMAND', 'LIST', 'FILTERBY', 'ACLCAT', 'write');
    const names = Array.isArray(listed) ? listed.filter((name): name is string => typeof name === 'string') : [];
    if (!names.includes('xadd')) throw new Error('Redis does not say which of its commands write');
    return new Set(names);
  }

  async count(): Promise<RedisCount> {
    this.#writing ??= await this.#writingCommands();
    const [stats, persistence] = [await this.#text('commandstats'), await this.#text('persistence')];
    let writes = 0;
    for (const [name, calls] of parseCalls(stats)) if (this.#writing.has(name)) writes += calls;
    return {
      writes,
      changes: numberIn(persistence, 'rdb_changes_since_last_save'),
      logBytes: numberIn(persistence, 'aof_current_size'),
    };
  }

  async look(): Promise<RedisLook> {
    return { count: await this.count(), atMs: systemClock.monotonicMs() };
  }

  /** Waits until nothing is written but what is always. @returns where it stands then, and what it writes a second. */
  async atRest(): Promise<RedisLook & { readonly perSecond: RedisCount }> {
    const startedMs = systemClock.monotonicMs();
    let before = await this.look();
    for (;;) {
      await sleep(LOOK_MS);
      const now = await this.look();
      const written = difference(now.count, before.count);
      if (written.writes <= QUIET_WRITES || now.atMs - startedMs > QUIET_MS_MAX) {
        return { ...now, perSecond: scaled(written, 1_000 / (now.atMs - before.atMs)) };
      }
      before = now;
    }
  }
}

/** Where a Redis stood at a moment, monotonic milliseconds. */
export interface RedisLook {
  readonly count: RedisCount;
  readonly atMs: number;
}

const difference = (left: RedisCount, right: RedisCount): RedisCount => ({
  writes: left.writes - right.writes,
  changes: left.changes - right.changes,
  logBytes: left.logBytes - right.logBytes,
});

const scaled = (count: RedisCount, factor: number): RedisCount => ({
  writes: count.writes * factor,
  changes: count.changes * factor,
  logBytes: count.logBytes * factor,
});

/**
 * What each of the messages between two looks cost.
 *
 * @param idlePerSecond - what is written anyway.
 */
export function costOf(
  before: RedisLook,
  after: RedisLook,
  idlePerSecond: RedisCount,
  messages: number,
): WritesPerMessage {
  const idle = scaled(idlePerSecond, (after.atMs - before.atMs) / 1_000);
  const cost = scaled(difference(difference(after.count, before.count), idle), 1 / messages);
  // The log was written anew meanwhile, and is shorter than it was.
  return cost.logBytes >= 0 ? cost : { ...cost, logBytes: null };
}
