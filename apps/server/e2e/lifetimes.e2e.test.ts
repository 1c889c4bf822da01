import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConversationId, UserId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { frameCheck } from './support/frame-check.ts';
import { httpCaller, scopedKeysVariable } from './support/http-caller.ts';
import { startMillrace, type MillraceProcess } from './support/millrace-process.ts';
import { parseMetrics, sumOf } from './support/prometheus.ts';
import { connectAs, readAll } from './support/read-back.ts';
import { until } from './support/until.ts';

const tea = 'tea' as ConversationId;
const SECRET = 'Xylophone';
const HOT = 20;
const TALK = 90;
const LIFETIME_MS = 5_000;
const WAIT_MS = 120_000;

describe('a conversation whose messages disappear', { timeout: 240_000 }, () => {
  const redis = testRedis();
  let dir = '';
  let millrace: MillraceProcess;
  const ask = httpCaller(() => millrace.httpUrl);

  const say = async (from: string, key: string, body: string): Promise<void> => {
    const at = '/api/v1/conversations/tea';
    const window = Number((await ask('GET', at)).json['keyWindow']);
    expect((await ask('POST', `${at}/messages`, { body: { from, key, window, body } })).status).toBe(201);
  };
  const setLifetime = (lifetimeMs: number) => ask('PATCH', '/api/v1/conversations/tea', { body: { lifetimeMs } });
  const bodies = async (): Promise<readonly string[]> => {
    const session = await connectAs(millrace.socketUrl, 'ben', 'reader');
    const messages = await readAll(session, tea);
    session.close();
    return messages.filter(({ countable }) => countable).map(({ body }) => String(body));
  };
  const stillArchived = async (): Promise<number> =>
    sumOf(parseMetrics((await ask('GET', '/metrics')).text), 'millrace_retired_archived');
  const filesOf = (name: string): string =>
    readdirSync(dir)
      .filter((file) => file.startsWith(name))
      .map((file) => readFileSync(join(dir, file), 'latin1'))
      .join('\n');

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'millrace-lifetimes-'));
    millrace = await startMillrace(redis.url, {
      MILLRACE_PARTITIONS: '8',
      MILLRACE_ARCHIVE: `sqlite:${join(dir, 'archive.db')}`,
      MILLRACE_HOT_MESSAGES: String(HOT),
      MILLRACE_SEARCH: `sqlite:${join(dir, 'search')}`,
      MILLRACE_LEASE_MS: '2000',
      MILLRACE_API_KEYS: scopedKeysVariable,
    });
    const body = { creator: 'ann', kind: 'group', conversation: tea, members: ['ben'] as UserId[] };
    expect((await ask('POST', '/api/v1/conversations', { body })).status).toBe(201);
  });
  afterAll(async () => {
    await millrace.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  it('may be made so by its owner alone, and for a time within its bounds', async () => {
    const ben = await connectAs(millrace.socketUrl, 'ben', 'phone');
    const refused = await ben.request({ t: 'settings', conversation: tea, lifetimeMs: LIFETIME_MS });
    expect(refused).toMatchObject({ ok: false, error: { error: { code: 'forbidden' } } });
    for (const lifetimeMs of [1, 4_999, -1, 31_622_400_001]) {
      expect((await setLifetime(lifetimeMs)).status).toBe(400);
      const bad = await ben.request({ t: 'settings', conversation: tea, lifetimeMs });
      expect(bad).toMatchObject({ ok: false, error: { error: { code: 'bad_request' } } });
    }
    // The checker of frames says the same of these.
    expect(new Set(frameCheck.take().problems.map((each) => each.slice(0, 28)))).toEqual(
      new Set(['client settings: /lifetimeMs']),
    );
    ben.close();
    expect((await setLifetime(86_400_000)).status).toBe(200);
    expect((await ask('GET', '/api/v1/conversations/tea')).json).toMatchObject({ lifetimeMs: 86_400_000 });
    expect((await setLifetime(0)).status).toBe(200);
    expect((await ask('GET', '/api/v1/conversations/tea')).json).not.toHaveProperty('lifetimeMs');
  });

  it('has none of them any more in history, unread, search, archive and Redis, and tells devices so', async () => {
    const told: string[] = [];
    const ben = await connectAs(millrace.socketUrl, 'ben', 'listener', (frame) => {
      if (frame.t !== 'push') return;
      for (const item of frame.items) {
        if (!('messages' in item)) continue;
        told.push(...item.messages.filter(({ type }) => type === 'control').map(({ body }) => String(body)));
      }
    });
    await ben.request({ t: 'sync' });
    for (let count = 0; count < TALK; count += 1) await say('ann', `k${String(count)}`, `${SECRET} ${String(count)}`);
    const stream = ((await redis.call('KEYS', '*:t:c:tea')) as readonly string[])[0] ?? '';
    await until('some of it is not hot', async () => Number(await redis.call('XLEN', stream)) <= 70, WAIT_MS);
    await until(
      'it is found',
      async () => ((await ask('GET', `/api/v1/search?as=ben&text=${SECRET}`)).json['hits'] as unknown[]).length > 0,
      WAIT_MS,
    );
    expect(await bodies()).toHaveLength(TALK);

    // As a backup says that it is under way.
    await redis.call('ZADD', '{cluster}:backups', Date.now() + 600_000, 'a-backup');
    expect((await setLifetime(LIFETIME_MS)).status).toBe(200);
    await until('it has disappeared', async () => (await bodies()).length === 0, WAIT_MS);
    await until('devices are told', () => told.some((body) => body.includes('"expired"')), WAIT_MS);
    expect(JSON.parse(told.find((body) => body.includes('"expired"')) ?? '{}')).toMatchObject({ control: 'expired' });
    const search = await ask('GET', `/api/v1/search?as=ben&text=${SECRET}`);
    expect(search.json).toMatchObject({ hits: [] });
    const list = await ask('GET', '/api/v1/users/ben/conversations');
    expect(list.json['conversations']).toMatchObject([{ conversation: tea, unread: 0 }]);
    // It would leave the archive ten to twenty seconds later.
    await until('it is to leave the archive', async () => (await stillArchived()) > 0, WAIT_MS);
    await sleep(25_000);
    expect(await stillArchived()).toBe(1);
    await redis.call('DEL', '{cluster}:backups');
    await until('nothing that is gone is archived', async () => (await stillArchived()) === 0, WAIT_MS);
    await until(
      'it has left the archive',
      async () => {
        const exported = await ask('GET', '/api/v1/export/tea');
        return exported.status === 200 && !exported.text.includes(SECRET) && !filesOf('archive.db').includes(SECRET);
      },
      WAIT_MS,
    );
    // Numbers go on (I3).
    await say('ann', 'next', 'one more');
    expect(await bodies()).toEqual(['one more']);
    await until('that is gone, too', async () => (await bodies()).length === 0, WAIT_MS);
    ben.close();
  });

  it('goes on after everything was killed, late', async () => {
    await say('ann', 'last', `${SECRET} for ever?`);
    await millrace.kill('SIGKILL');
    await millrace.restart();
    await until('it is gone', async () => (await bodies()).length === 0, WAIT_MS);
  });
});
