import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { seededRandom, type ConversationId, type Random, type SequenceId, type UserId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import type { RawSession } from '@millrace/raw-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hotLengths } from './support/hot-lengths.ts';
import { startMillrace, type MillraceProcess } from './support/millrace-process.ts';
import { parseMetrics, sumOf } from './support/prometheus.ts';
import { compare, connectAs, readAll, readBackward } from './support/read-back.ts';
import { SturdySender } from './support/sturdy-sender.ts';
import { testApiKey } from './support/test-tokens.ts';
import { until } from './support/until.ts';

const USERS = ['ann', 'ben', 'cleo'];
const ROOMS = ['one', 'two', 'three'] as ConversationId[];
const HOT = 20;
/** What fills no chunk stays, and so does what is written while the last ones go over. */
const HOT_MAX = HOT + 50;
const KILLS = 3;

const redis = testRedis();
let dir = '';
let millrace: MillraceProcess;

const file = (): string => join(dir, 'archive.sqlite');
const start = (env: Readonly<Record<string, string>> = {}): Promise<MillraceProcess> =>
  startMillrace(redis.url, {
    MILLRACE_PARTITIONS: '16',
    MILLRACE_ARCHIVE: `sqlite:${file()}`,
    MILLRACE_HOT_MESSAGES: String(HOT),
    ...env,
  });

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'millrace-archive-e2e-'));
  await redis.flush();
  millrace = await start();
});
afterEach(async () => {
  await redis.call('CONFIG', 'SET', 'maxmemory', '0');
  await millrace.stop();
  rmSync(dir, { recursive: true, force: true });
});

async function createRooms(): Promise<void> {
  const session = await connectAs(millrace.socketUrl, 'ann', 'setup');
  for (const conversation of ROOMS) {
    const members = USERS.slice(1) as UserId[];
    const created = await session.request({ t: 'create', kind: 'group', conversation, members });
    if (!created.ok) throw new Error(JSON.stringify(created.error));
  }
  session.close();
}

function startSenders(): readonly SturdySender[] {
  const senders = USERS.flatMap((user) =>
    ROOMS.map((room) => new SturdySender(user, `${user}-${room}`, room, () => millrace.socketUrl)),
  );
  for (const sender of senders) sender.start();
  return senders;
}

const acknowledgedBy = (senders: readonly SturdySender[]): number =>
  senders.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);

async function untilMore(senders: readonly SturdySender[], count: number): Promise<void> {
  const goal = acknowledgedBy(senders) + count;
  await until(`${String(count)} more messages are acknowledged`, () => acknowledgedBy(senders) >= goal);
}

/** Each room says what its senders were told. */
async function expectAllThere(senders: readonly SturdySender[]): Promise<void> {
  const session = await connectAs(millrace.socketUrl, 'cleo', 'check');
  for (const room of ROOMS) {
    const own = senders.flatMap((sender) => sender.acknowledged).filter(({ conversation }) => conversation === room);
    expect(compare(await readAll(session, room), own)).toEqual({ lost: [], duplicated: [], gaps: [] });
  }
  session.close();
}

async function metric(name: string): Promise<number> {
  const answer = await fetch(`${millrace.httpUrl}/metrics`, { headers: { authorization: `Bearer ${testApiKey}` } });
  return sumOf(parseMetrics(await answer.text()), name);
}

const untilArchived = (): Promise<void> =>
  until('nothing waits to be archived', async () => {
    const lengths = await hotLengths(redis);
    return (await metric('millrace_archive_waiting')) === 0 && lengths.every((length) => length <= HOT_MAX);
  });

/** One page from anywhere, which must be dense and say the same as every page before it. */
async function readSomePage(
  session: RawSession,
  random: Random,
  seen: Map<string, string>,
  upTo: number,
): Promise<readonly string[]> {
  const conversation = ROOMS[random.uint32() % ROOMS.length] ?? ('one' as ConversationId);
  const direction = random.uint32() % 2 === 0 ? 'forward' : 'backward';
  const from = 1 + (random.uint32() % Math.max(1, upTo));
  const limit = 1 + (random.uint32() % 120);
  const page = await session.request({ t: 'history', conversation, direction, from: from as SequenceId, limit });
  // Killed meanwhile: somebody else reads on.
  if (!page.ok) return [];
  const step = direction === 'forward' ? 1 : -1;
  return page.value.messages.flatMap(({ gen, seq, body }, index) => {
    const place = `${conversation} ${String(gen)}-${String(seq)}`;
    const before = seen.get(place);
    seen.set(place, String(body));
    const isWrong = before !== undefined && before !== String(body);
    const first = page.value.messages[0]?.seq ?? 0;
    return [
      ...(seq === first + step * index ? [] : [`${place} where ${String(first + step * index)} belongs`]),
      ...(isWrong ? [`${place} says ${String(body)}, and said ${before}`] : []),
    ];
  });
}

describe('a server with an archive', () => {
  it('shows every history whole, from any place, in both directions, while entries go over and it is killed (I8)', async () => {
    await createRooms();
    const senders = startSenders();
    const random = seededRandom(7);
    const seen = new Map<string, string>();
    const wrong: string[] = [];
    const reading = { isOver: false, pages: 0 };
    const goesOn = (): boolean => !reading.isOver;
    const readOn = async (): Promise<void> => {
      while (goesOn()) {
        try {
          const session = await connectAs(millrace.socketUrl, 'ben', 'reader');
          while (goesOn() && session.isOpen) {
            wrong.push(
              ...(await readSomePage(session, random, seen, Math.floor(acknowledgedBy(senders) / ROOMS.length))),
            );
            reading.pages += 1;
            await sleep(2);
          }
          session.close();
        } catch {
          // It is down at the moment.
          await sleep(50);
        }
      }
    };
    const readings = readOn();
    for (let kill = 0; kill < KILLS; kill += 1) {
      await untilMore(senders, 400);
      await millrace.restart();
    }
    await untilMore(senders, 400);
    await Promise.all(senders.map((sender) => sender.finish()));
    reading.isOver = true;
    await readings;
    expect(wrong).toEqual([]);
    expect(reading.pages).toBeGreaterThan(20);

    await untilArchived();
    expect(Math.max(...(await hotLengths(redis)))).toBeLessThanOrEqual(HOT_MAX);
    const acknowledged = senders.flatMap((sender) => sender.acknowledged);
    expect(acknowledged.length).toBeGreaterThan(1_600);
    for (const user of USERS) {
      const session = await connectAs(millrace.socketUrl, user, `check-${user}`);
      for (const room of ROOMS) {
        const all = await readAll(session, room);
        const findings = compare(
          all,
          acknowledged.filter(({ conversation }) => conversation === room),
        );
        expect(findings).toEqual({ lost: [], duplicated: [], gaps: [] });
        expect((await readBackward(session, room, 37)).toReversed()).toEqual(all);
        for (let pages = 0; pages < 20; pages += 1)
          wrong.push(...(await readSomePage(session, random, seen, all.length)));
      }
      session.close();
    }
    expect(wrong).toEqual([]);
  }, 180_000);

  it('goes on while its archive is away, trims nothing meanwhile, says so, and makes up for it (I8)', async () => {
    await createRooms();
    const senders = startSenders();
    await untilMore(senders, 300);
    await until('something is archived', async () => (await metric('millrace_archived_entries')) > 0);
    expect(await metric('millrace_roll_jobs_done')).toBeGreaterThan(0);
    renameSync(file(), `${file()}.away`);
    await until('the archive fails', async () => (await metric('millrace_archive_failing_seconds')) > 0);
    const before = (await hotLengths(redis)).reduce((sum, length) => sum + length, 0);
    const acknowledged = acknowledgedBy(senders);
    await untilMore(senders, 600);
    const after = (await hotLengths(redis)).reduce((sum, length) => sum + length, 0);
    // One chunk of each may have been under way.
    expect(after - before).toBeGreaterThan(acknowledgedBy(senders) - acknowledged - 3 * 50 - 100);
    expect(await metric('millrace_archive_reachable')).toBe(0);
    expect(millrace.log()).toContain('nothing can be archived at the moment');
    renameSync(`${file()}.away`, file());
    await Promise.all(senders.map((sender) => sender.finish()));
    await untilArchived();
    expect(await metric('millrace_archive_failing_seconds')).toBe(0);
    await expectAllThere(senders);
  }, 120_000);

  it('lets entries go though the memory of Redis is full when the archive comes back: else it would be full for ever', async () => {
    await createRooms();
    const senders = startSenders();
    await untilMore(senders, 300);
    renameSync(file(), `${file()}.away`);
    await untilMore(senders, 1_000);
    // Less than there is: nothing is taken any more that needs room.
    await redis.call('CONFIG', 'SET', 'maxmemory', '1');
    const refusals = (): number => senders.reduce((sum, { refused }) => sum + (refused.get('unavailable') ?? 0), 0);
    await until('messages are refused', () => refusals() > 50);
    expect(Math.max(...(await hotLengths(redis)))).toBeGreaterThan(HOT_MAX);
    renameSync(`${file()}.away`, file());
    await until('entries leave', async () => Math.max(...(await hotLengths(redis))) <= HOT_MAX);
    await redis.call('CONFIG', 'SET', 'maxmemory', '0');
    await untilMore(senders, 100);
    await Promise.all(senders.map((sender) => sender.finish()));
    await expectAllThere(senders);
  }, 120_000);

  it('does not start without the archive that has the older entries, nor with another one, and says so', async () => {
    await createRooms();
    const senders = startSenders();
    await untilMore(senders, 300);
    await Promise.all(senders.map((sender) => sender.finish()));
    await untilArchived();
    await millrace.stop();
    await expect(start({ MILLRACE_ARCHIVE: 'none' })).rejects.toThrow(
      /MILLRACE_ARCHIVE does not fit: older messages of this store are in the archive [0-9a-f]{32}, and no archive is configured/,
    );
    const other = `sqlite:${join(dir, 'other.sqlite')}`;
    await expect(start({ MILLRACE_ARCHIVE: other })).rejects.toThrow(/the one that is configured is [0-9a-f]{32}/);
    millrace = await start();
    const session = await connectAs(millrace.socketUrl, 'ann', 'check');
    expect((await readAll(session, 'one' as ConversationId))[0]?.seq).toBe(1);
    session.close();
  }, 120_000);

  it('keeps a second process away from its file, with what to do', async () => {
    await expect(start({ MILLRACE_NODE_NAME: 'second' })).rejects.toThrow(
      /is open in process \d+, and only one process may write it[\s\S]*PostgreSQL/,
    );
  });
});
