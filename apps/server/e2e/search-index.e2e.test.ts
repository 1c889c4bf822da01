import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConversationId, UserId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import type { SearchIndex } from '@millrace/search';
import { TypesenseSearch } from '@millrace/search/typesense';
import { FakeTypesense, OpenApiCheck } from '@millrace/search/typesense/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { allHits, metric, openedIndex, shownHit, untilIndexed } from './support/index-content.ts';
import { startMillrace, type MillraceProcess } from './support/millrace-process.ts';
import { connectAs } from './support/read-back.ts';
import { SturdySender } from './support/sturdy-sender.ts';
import { testApiKey } from './support/test-tokens.ts';
import { until } from './support/until.ts';

const USERS = ['ann', 'ben', 'cleo'];
const ROOMS = ['one', 'two', 'three'] as ConversationId[];
/** `MILLRACE_TEST_KILLS=50 npm test -- search-index`: so many, each at a random moment. */
const KILLS = Number(process.env['MILLRACE_TEST_KILLS'] ?? 3);

const redis = testRedis();
let dir = '';
const running: MillraceProcess[] = [];

async function start(env: Readonly<Record<string, string>>): Promise<MillraceProcess> {
  const millrace = await startMillrace(redis.url, { MILLRACE_PARTITIONS: '16', ...env });
  running.push(millrace);
  return millrace;
}

async function stop(millrace: MillraceProcess): Promise<void> {
  running.splice(running.indexOf(millrace), 1);
  await millrace.stop();
}

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'millrace-search-e2e-'));
  await redis.flush();
});
afterEach(async () => {
  for (const millrace of running.splice(0)) await millrace.stop();
  rmSync(dir, { recursive: true, force: true });
});

async function createRooms({ socketUrl }: MillraceProcess): Promise<void> {
  const session = await connectAs(socketUrl, 'ann', 'setup');
  for (const conversation of ROOMS) {
    const members = USERS.slice(1) as UserId[];
    const created = await session.request({ t: 'create', kind: 'group', conversation, members });
    if (!created.ok) throw new Error(JSON.stringify(created.error));
  }
  session.close();
}

async function post({ httpUrl }: MillraceProcess, path: string, method = 'POST', body?: unknown): Promise<boolean> {
  try {
    const answer = await fetch(`${httpUrl}/api/v1/conversations/${path}`, {
      method,
      headers: { authorization: `Bearer ${testApiKey}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return answer.ok;
  } catch {
    // Killed meanwhile: it may have been done, or not.
    return false;
  }
}

const found = async (index: SearchIndex, text: string): Promise<readonly string[]> =>
  (await allHits(index, ROOMS, { text, prefix: false })).map(
    ({ conversation, seq }) => `${conversation} ${String(seq)}`,
  );

describe('the search index of a server', () => {
  it(
    'that is killed again and again equals one that is made from scratch, and lacks nothing that was acknowledged',
    async () => {
      const directory = join(dir, 'followed');
      const millrace = await start({ MILLRACE_SEARCH: `sqlite:${directory}` });
      await createRooms(millrace);
      const senders = USERS.flatMap((user) =>
        ROOMS.map((room) => new SturdySender(user, `${user}-${room}`, room, () => millrace.socketUrl)),
      );
      for (const sender of senders) sender.start();
      const acknowledged = () => senders.flatMap((sender) => sender.acknowledged);
      const changed = new Set<string>();
      for (let kill = 0; kill < KILLS; kill += 1) {
        const goal = acknowledged().length + 300;
        await until('more messages are acknowledged', () => acknowledged().length >= goal, 60_000);
        for (const [at, { conversation, seq, user }] of acknowledged().slice(-20).entries()) {
          const place = `${conversation} ${String(seq)}`;
          if (changed.has(place)) continue;
          changed.add(place);
          const path = `${conversation}/messages/${String(seq)}`;
          if (at % 2 === 0) await post(millrace, `${path}/recall`);
          else {
            const body = {
              from: user,
              key: `edit-${place}`.replaceAll(' ', '-'),
              window: 0,
              body: `instead of ${place}`,
            };
            await post(millrace, path, 'PATCH', body);
          }
        }
        await sleep(Math.random() * 300);
        await millrace.restart();
      }
      await Promise.all(senders.map((sender) => sender.finish()));
      await untilIndexed(millrace);
      expect(millrace.log()).not.toContain('cannot be read');
      await stop(millrace);
      const scratch = join(dir, 'scratch');
      const anew = await start({ MILLRACE_SEARCH: `sqlite:${scratch}` });
      await untilIndexed(anew);
      await stop(anew);
      const [one, other] = [await openedIndex(directory), await openedIndex(scratch)];
      const all = await allHits(one, ROOMS);
      expect(all.map(shownHit).sort()).toEqual((await allHits(other, ROOMS)).map(shownHit).sort());
      expect(all.length).toBeGreaterThan(KILLS * 250);
      expect(all.some(({ rev }) => rev > 0)).toBe(true);
      const places = new Set(all.map(({ conversation, seq }) => `${conversation} ${String(seq)}`));
      const unchanged = acknowledged().filter(
        ({ conversation, seq }) => !changed.has(`${conversation} ${String(seq)}`),
      );
      expect(unchanged.filter(({ conversation, seq }) => !places.has(`${conversation} ${String(seq)}`))).toEqual([]);
      for (const { text, conversation, seq } of unchanged.filter((_each, at) => at % 9 === 0)) {
        const place = [`${conversation} ${String(seq)}`];
        expect(await found(one, `"${text}"`)).toEqual(place);
        expect(await found(other, `"${text}"`)).toEqual(place);
      }
      expect((await allHits(one, ROOMS, { text: 'instead' })).map(shownHit)).toEqual(
        (await allHits(other, ROOMS, { text: 'instead' })).map(shownHit),
      );
      await one.close();
      await other.close();
    },
    200_000 + KILLS * 70_000,
  );

  it('in a Typesense that is away, at the start and later, holds up nobody and is caught up with', async () => {
    const fake = await FakeTypesense.start(OpenApiCheck.fromEnvironment(), 'the-key');
    fake.isDown = true;
    const keyFile = join(dir, 'key');
    writeFileSync(keyFile, 'the-key\n');
    const millrace = await start({
      ...{ MILLRACE_SEARCH: `typesense:${fake.url}?name=e2e`, MILLRACE_SEARCH_KEY_FILE: keyFile },
    });
    await createRooms(millrace);
    const sender = new SturdySender('ann', 'ann-one', 'one' as ConversationId, () => millrace.socketUrl);
    sender.start();
    await until('messages are acknowledged', () => sender.acknowledged.length >= 100);
    expect(await metric(millrace, 'millrace_search_reachable')).toBe(0);
    fake.isDown = false;
    await until('the index is fed', async () => (await metric(millrace, 'millrace_search_indexed')) >= 100, 60_000);
    fake.isDown = true;
    const goal = sender.acknowledged.length + 50;
    await until('more messages are acknowledged', () => sender.acknowledged.length >= goal);
    // What the index lacks is in the Timeline, and is no answer to a question all the same: never by half.
    const asker = await connectAs(millrace.socketUrl, 'ben', 'asking');
    const [text] = sender.acknowledged.slice(-1).map((last) => `"${last.text}"`);
    const asked = { t: 'search', prefix: false, ...(text === undefined ? {} : { text }) } as const;
    const unavailable = { kind: 'refused', error: { code: 'unavailable', retry: 'later' } };
    expect(await asker.request(asked)).toMatchObject({ ok: false, error: unavailable });
    fake.isDown = false;
    await until('it is asked again', async () => {
      const again = await asker.request(asked);
      await sleep(300);
      return again.ok && again.value.complete && again.value.hits.length === 1;
    });
    asker.close();
    await sender.finish();
    await untilIndexed(millrace);
    const index = await TypesenseSearch.open({ nodes: [fake.url], key: 'the-key', name: 'e2e' });
    if (!index.ok) throw new Error(index.error.message);
    const seqs = (await allHits(index.value, ROOMS)).map(({ seq }) => Number(seq)).sort((a, b) => a - b);
    expect(seqs).toEqual(sender.acknowledged.map(({ seq }) => seq).sort((a, b) => a - b));
    await index.value.close();
    await stop(millrace);
    await fake.stop();
  }, 200_000);

  it('in a directory is refused beside another node, with what to do', async () => {
    await start({
      MILLRACE_SEARCH: `sqlite:${join(dir, 'first')}`,
      MILLRACE_NODE_NAME: 'first',
      MILLRACE_LEASE_MS: '1000',
    });
    const second = start({ MILLRACE_SEARCH: 'none', MILLRACE_NODE_NAME: 'second', MILLRACE_LEASE_MS: '1000' });
    await expect(second).rejects.toThrow(/MILLRACE_SEARCH does not fit: the search index of first is a directory/);
  });

  it('is where it was said to be', async () => {
    const directory = join(dir, 'said');
    const millrace = await start({ MILLRACE_SEARCH: `sqlite:${directory}` });
    expect(readdirSync(directory)).toContain('versions.json');
    expect(millrace.log()).toContain(directory);
  });
});
