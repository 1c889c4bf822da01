import { setTimeout as sleep } from 'node:timers/promises';
import { seededRandom, systemRandom } from '@millrace/kernel';
import { testPostgres } from '@millrace/local-postgres/testing';
import { testRedis } from '@millrace/local-redis/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hotLengths } from './support/hot-lengths.ts';
import { httpCaller, scopedKeysVariable } from './support/http-caller.ts';
import { MillraceCluster, ROOMS, SteadyLoad, USERS } from './support/millrace-cluster.ts';
import { connectPatiently, patiently, readAll, readAnyPages, readBackward } from './support/read-back.ts';
import { WINDOW } from './support/sturdy-sender.ts';
import { until } from './support/until.ts';

/** How often each of them is killed. */
const KILLS = Number(process.env['MILLRACE_TEST_KILLS'] ?? 2);
/** For how long PostgreSQL is away. */
const AWAY_SECONDS = Number(process.env['MILLRACE_TEST_ARCHIVE_AWAY_SECONDS'] ?? 3);
/** Some 400 messages a second. */
const PAUSE_MS = 200;
/** No longer than this may all wait for an ack while PostgreSQL is away: a disk that syncs for others takes its time. */
const SILENCE_MS_MAX = 2_500;
/** What one look at the acks counts for at most: when it comes later, this process was not let run, nor were the nodes. */
const LOOK_MS_MAX = 100;
/** Until all is archived: the next try comes within 30 s, and the load goes on beside a backlog of {@link AWAY_SECONDS}. */
const DRAIN_MS_MAX = 60_000 + AWAY_SECONDS * 100;
const PAGES = 40;
const PARTITIONS = 16;
const HOT = 20;
/** What fills no chunk stays, and so does what is written while the last ones go over. */
const HOT_MAX = HOT + 50;
const ENV = {
  MILLRACE_ACK: 'disk',
  MILLRACE_PARTITIONS: String(PARTITIONS),
  MILLRACE_DRAIN_MS: '300',
  MILLRACE_HOT_MESSAGES: String(HOT),
  MILLRACE_API_KEYS: scopedKeysVariable,
};

const valueOf = (outcome: { readonly ok: boolean; readonly error?: { readonly message: string } }): void => {
  if (!outcome.ok) throw new Error(outcome.error?.message);
};
const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

/** Two nodes over stores of their own: ids of conversations come again, and an archive keeps them. */
function ofTwoNodes(more: Readonly<Record<string, string>> = {}) {
  /** Nothing that it acknowledges is lost when it is killed; on a socket file nobody can take its port. */
  const redis = testRedis({ appendfsync: 'always', unixSocket: true });
  const postgres = testPostgres();
  const own: { cluster?: MillraceCluster } = {};
  beforeAll(async () => {
    own.cluster = new MillraceCluster(redis.url, { ...ENV, ...more, MILLRACE_ARCHIVE: postgres.url });
    for (let count = 0; count < 2; count += 1) await own.cluster.add();
    await own.cluster.untilSpread(PARTITIONS);
  }, 120_000);
  afterAll(() => own.cluster?.stop());
  const cluster = (): MillraceCluster => {
    if (own.cluster === undefined) throw new Error('it is there while tests run');
    return own.cluster;
  };
  return { redis, postgres, cluster };
}

type Stage = ReturnType<typeof ofTwoNodes>;

/** Until nothing is hot that need not be. */
const untilDrained = ({ cluster, redis }: Stage, msMax?: number): Promise<void> =>
  until(
    'nothing waits to be archived',
    async () =>
      (await cluster().sumOver('millrace_archive_waiting')) === 0 && Math.max(...(await hotLengths(redis))) <= HOT_MAX,
    msMax,
  );

/** @returns the longest time in which nobody had an ack while this process ran, and the longest that it did not run. */
async function longestSilence(
  load: SteadyLoad,
  ms: number,
): Promise<{ readonly ms: number; readonly stalledMs: number }> {
  const endMs = performance.now() + ms;
  const longest = { ms: 0, stalledMs: 0 };
  let [acknowledged, lookedMs, silentMs] = [load.acknowledged, performance.now(), 0];
  while (lookedMs < endMs) {
    await sleep(20);
    const passedMs = performance.now() - lookedMs;
    lookedMs += passedMs;
    silentMs = load.acknowledged > acknowledged ? 0 : silentMs + Math.min(passedMs, LOOK_MS_MAX);
    acknowledged = load.acknowledged;
    longest.ms = Math.max(longest.ms, silentMs);
    longest.stalledMs = Math.max(longest.stalledMs, passedMs);
  }
  return longest;
}

/** Every history is the same from both ends and from anywhere, and no chunk of the archive is missing or another one. */
async function expectWhole(cluster: MillraceCluster, seed: number): Promise<void> {
  const random = seededRandom(seed);
  const ask = httpCaller(() => cluster.nodes[0]?.httpUrl ?? '');
  for (const user of USERS.slice(0, 2)) {
    const session = await connectPatiently(cluster.nextSocketUrl(), user, 'whole');
    for (const room of ROOMS) {
      const all = await readAll(session, room, patiently);
      expect((await readBackward(session, room, 37, patiently)).toReversed()).toEqual(all);
      expect(await readAnyPages(session, room, all, PAGES, random, patiently)).toEqual([]);
    }
    session.close();
  }
  for (const room of ROOMS) {
    let entries = 0;
    for (let next = ''; ;) {
      const { status, json } = await ask('GET', `/api/v1/conversations/${room}/chain${next}`);
      expect([status, json]).toEqual([200, expect.objectContaining({ broken: [], erased: 0, unbound: 0 })]);
      entries += Number(json['entries']);
      if (typeof json['next'] !== 'string') break;
      next = `?cursor=${encodeURIComponent(json['next'])}`;
    }
    expect(entries).toBeGreaterThan(100);
  }
}

describe('an archive in PostgreSQL, while it is written', () => {
  const stage = ofTwoNodes({ MILLRACE_LEASE_MS: '2000' });

  it(
    'has no hole, no repeat and nothing lost when nodes, PostgreSQL and Redis are killed in turn (I1, I3, I4, I8)',
    { timeout: 120_000 + KILLS * 60_000 },
    async () => {
      const { redis, postgres } = stage;
      const cluster = stage.cluster();
      const seed = Number(process.env['SEED'] ?? systemRandom.uint32());
      console.log(`kill -9 at the moments of SEED=${String(seed)}`);
      const random = seededRandom(seed);
      const aWhile = (): Promise<void> => sleep(200 + (random.uint32() % 800));
      const load = await SteadyLoad.start(cluster);
      await load.untilMore(300);
      for (let kill = 0; kill < KILLS; kill += 1) {
        await aWhile();
        await cluster.nodes[kill % 2]?.restart();
        await aWhile();
        await postgres.server.kill();
        await aWhile();
        valueOf(await postgres.server.restart());
        await aWhile();
        await redis.server.kill('SIGKILL');
        await aWhile();
        valueOf(await redis.server.restart());
        await load.untilMore(100);
      }
      // A node may not have its lease again yet, and refuses whoever connects.
      await cluster.untilSpread(PARTITIONS);
      expect(await load.findings()).toEqual({ lost: [], duplicated: [], gaps: [] });
      await untilDrained(stage, 60_000);
      expect(await cluster.sumOver('millrace_archive_stuck')).toBe(0);
      await expectWhole(cluster, seed);
    },
  );
});

describe('PostgreSQL', () => {
  const stage = ofTwoNodes();

  it(
    `is away for ${String(AWAY_SECONDS)} s: sends go on, nothing is trimmed, it is told, and all of it is made up for (I8)`,
    { timeout: 180_000 + AWAY_SECONDS * 2_000 },
    async () => {
      const { redis, postgres } = stage;
      const cluster = stage.cluster();
      const load = await SteadyLoad.start(cluster, PAUSE_MS);
      await load.untilMore(500);
      await until('entries are archived', async () => (await cluster.sumOver('millrace_archived_entries')) > 200);
      const memory = async (): Promise<number> =>
        Number(/^used_memory:(\d+)/m.exec(String(await redis.call('INFO', 'memory')))?.[1]);
      await postgres.server.kill();
      await until('it is told', async () => (await cluster.sumOver('millrace_archive_failing_seconds')) > 0);
      const [hot, bytes] = [sum(await hotLengths(redis)), await memory()];
      const { acknowledged, refused, lost } = load;
      const silence = await longestSilence(load, AWAY_SECONDS * 1_000);
      await load.untilMore(1);
      const written = load.acknowledged - acknowledged;
      const [hotAfter, bytesAfter] = [sum(await hotLengths(redis)), await memory()];
      // What was stored by then, and acknowledged only later.
      const underWay = load.senders.length * WINDOW;
      expect(hotAfter - hot).toBeGreaterThan(written - underWay);
      expect(silence.ms).toBeLessThan(SILENCE_MS_MAX);
      expect([load.refused, load.lost]).toEqual([refused, lost]);
      expect(await cluster.sumOver('millrace_archive_reachable')).toBe(0);
      const logs = cluster.nodes.map((node) => node.log()).join('\n');
      expect(logs).toContain('nothing can be archived at the moment');
      // Each half a minute, with the try that comes next.
      if (AWAY_SECONDS > 65) expect(logs).toContain('nothing is archived: conversations stay in Redis');
      // The load goes on meanwhile.
      valueOf(await postgres.server.restart());
      const backMs = performance.now();
      await untilDrained(stage, DRAIN_MS_MAX);
      const drainedMs = performance.now() - backMs;
      expect(await cluster.sumOver('millrace_archive_failing_seconds')).toBe(0);
      expect(await load.findings()).toEqual({ lost: [], duplicated: [], gaps: [] });
      await expectWhole(cluster, 1);
      console.log(
        `away ${String(AWAY_SECONDS)} s: ${String(written)} messages acknowledged, hot entries ${String(hot)} to ${String(hotAfter)}, ` +
          `Redis ${String(bytes)} to ${String(bytesAfter)} bytes; ${silence.ms.toFixed(0)} ms without any ack at most, this process stalled for ${silence.stalledMs.toFixed(0)} ms at most; drained under load within ${(drainedMs / 1_000).toFixed(1)} s`,
      );
    },
  );
});
