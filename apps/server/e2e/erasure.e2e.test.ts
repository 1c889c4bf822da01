import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PostgresArchive } from '@millrace/archive/postgres';
import { SqliteArchive } from '@millrace/archive/sqlite';
import { generation, sequenceId, type ConversationId } from '@millrace/kernel';
import { testPostgres } from '@millrace/local-postgres/testing';
import { testRedis } from '@millrace/local-redis/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { httpCaller, scopedKeysVariable } from './support/http-caller.ts';
import { startMillrace, type MillraceProcess } from './support/millrace-process.ts';
import { parseMetrics, sumOf } from './support/prometheus.ts';
import { connectAs, readAll } from './support/read-back.ts';
import { until } from './support/until.ts';

const WORKER = fileURLToPath(new URL('../../../dist/archive-worker.mjs', import.meta.url));
const tea = 'tea' as ConversationId;
const direct = 'ann!ben' as ConversationId;
/** In everything that ben says, and in nothing else. */
const SECRET = 'Xylophone';
const HOT = 20;
const TALK = 90;

describe.each(['SQLite', 'PostgreSQL'])('a user who is erased, with an archive in %s', (store) => {
  const postgres = store === 'PostgreSQL' ? testPostgres() : null;
  const redis = testRedis({ config: { rdbcompression: 'no' } });
  let dir = '';
  let millrace: MillraceProcess;
  const ask = httpCaller(() => millrace.httpUrl);

  async function say(conversation: string, from: string, key: string, text: string, more: object = {}): Promise<void> {
    const at = `/api/v1/conversations/${encodeURIComponent(conversation)}`;
    const window = Number((await ask('GET', at)).json['keyWindow']);
    const body = { from, key, window, body: text, ...more };
    expect((await ask('POST', `${at}/messages`, { body })).status).toBe(201);
  }

  /** Every byte that Redis has, in the form in which it saves it, and in the one in which it answers. */
  async function bytesInRedis(): Promise<string> {
    const keys = (await redis.call('KEYS', '*')) as readonly string[];
    const all = await Promise.all(
      keys.map(async (key) => {
        const type = String(await redis.call('TYPE', key));
        const reads = new Map([
          ['stream', ['XRANGE', key, '-', '+']],
          ['hash', ['HGETALL', key]],
          ['string', ['GET', key]],
        ]);
        const [name = '', ...rest] = reads.get(type) ?? ['DUMP', key];
        return JSON.stringify([key, await redis.call('DUMP', key), await redis.call(name, ...rest)]);
      }),
    );
    return all.join('\n');
  }

  /** What a search, the revisions of his last message and an export tell. */
  async function lookedUp(): Promise<string> {
    const paths = [
      `search?as=cleo&text=${SECRET}`,
      `conversations/tea/messages/${String(TALK + 1)}/revisions`,
      'export/tea?from=2',
    ];
    const answers = await Promise.all(paths.map((path) => ask('GET', `/api/v1/${path}`)));
    expect(answers.map(({ status }) => status)).toEqual(paths.map(() => 200));
    return JSON.stringify(answers.map(({ json }) => json));
  }

  /** Nothing waits to be indexed, looked at several times: a follower that has not begun yet says nothing. */
  async function untilIndexed(): Promise<void> {
    let times = 0;
    await until(
      'everything is indexed',
      async () => {
        const metrics = parseMetrics((await ask('GET', '/metrics')).text);
        times = sumOf(metrics, 'millrace_search_lag_seconds') === 0 ? times + 1 : 0;
        return times >= 20;
      },
      60_000,
    );
  }

  /** Every byte of the files of the search index, in small letters. */
  const bytesOfIndex = (): string =>
    readdirSync(join(dir, 'search'))
      .map((name) => readFileSync(join(dir, 'search', name), 'latin1').toLowerCase())
      .join('\n');

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'millrace-erasure-e2e-'));
    millrace = await startMillrace(redis.url, {
      MILLRACE_PARTITIONS: '4',
      MILLRACE_API_KEYS: scopedKeysVariable,
      MILLRACE_ARCHIVE: postgres === null ? `sqlite:${join(dir, 'archive.sqlite')}` : postgres.url,
      MILLRACE_HOT_MESSAGES: String(HOT),
      MILLRACE_SEARCH: `sqlite:${join(dir, 'search')}`,
    });
  });
  afterAll(async () => {
    await millrace.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  it('has said nothing any more, in any store, and everything else is as it was (I3)', async () => {
    const members = ['ben', 'cleo'];
    const body = { creator: 'ann', kind: 'group', conversation: tea, members, historyPolicy: 'all' };
    expect((await ask('POST', '/api/v1/conversations', { body })).status).toBe(201);
    const pair = { creator: 'ann', kind: 'direct', members: ['ben'] };
    expect((await ask('POST', '/api/v1/conversations', { body: pair })).status).toBe(201);
    for (let number = 1; number <= TALK; number += 1) {
      const isBens = number % 3 === 0;
      const text = isBens ? `${SECRET} ${String(number)}` : `tea ${String(number)}`;
      await say(tea, isBens ? 'ben' : 'ann', `k${String(number)}`, text, isBens ? { mentions: ['cleo'] } : {});
    }
    await say(direct, 'ben', 'd1', `${SECRET} to ann`);
    await say(direct, 'ann', 'd2', 'and back');
    // His last message is edited, and he reacts to one of hers.
    const ben = await connectAs(millrace.socketUrl, 'ben', 'phone');
    const last = { conversation: tea, seq: sequenceId(TALK + 1) };
    const window = Number((await ask('GET', '/api/v1/conversations/tea')).json['keyWindow']);
    const edit = { from: 'ben', key: 'e1', window, body: `${SECRET} edited` };
    expect((await ask('PATCH', `/api/v1/conversations/tea/messages/${String(last.seq)}`, { body: edit })).status).toBe(
      201,
    );
    const react = { conversation: tea, seq: sequenceId(TALK), n: 1, sentAt: 1, emoji: '🎻', on: true };
    expect(await ben.request({ t: 'react', ...react })).toMatchObject({ ok: true });
    // One of his is pinned, and one of hers.
    for (const seq of [4, 2]) {
      expect((await ask('PUT', `/api/v1/conversations/tea/pins/${String(seq)}`)).status).toBe(200);
    }
    const pinned = async () => (await ask('GET', '/api/v1/conversations/tea')).json['pinned'];
    expect(await pinned()).toMatchObject([{ seq: 4 }, { seq: 2 }]);
    await until('he is found', async () => (await lookedUp()).split(SECRET).length > 3, 30_000);
    await untilIndexed();
    expect(await bytesInRedis()).toContain(SECRET);
    expect(bytesOfIndex()).toContain(SECRET.toLowerCase());

    const cleo = await connectAs(millrace.socketUrl, 'cleo', 'phone');
    const before = await readAll(cleo, tea);
    const unreadOf = async (): Promise<number> => {
      const list = await cleo.request({ t: 'conversations' });
      return list.ok ? (list.value.conversations[0]?.unread ?? -1) : -1;
    };
    const unread = await unreadOf();

    expect((await ask('DELETE', '/api/v1/users/ben/data')).status).toBe(202);
    const report = async () => (await ask('GET', '/api/v1/users/ben/erasure')).json;
    await until('it is done', async () => (await report())['state'] === 'done', 90_000);
    // 30 messages, the edit, the reaction, and the one to ann.
    expect(await report()).toMatchObject({ conversations: 2, entries: TALK / 3 + 3, reactions: 1, sessions: 1 });
    expect((await report())['found']).toBe(TALK / 3 + 1);
    expect((await report())['left']).toEqual([
      { conversation: direct, why: expect.stringContaining('the membership stays') as string },
    ]);

    const after = await readAll(cleo, tea);
    expect(after.slice(0, before.length).map(({ seq, msgNo, from, at }) => [seq, msgNo, from, at])).toEqual(
      before.map(({ seq, msgNo, from, at }) => [seq, msgNo, from, at]),
    );
    for (const message of after) {
      if (message.from !== 'ben') expect(message.erased).toBeUndefined();
      else if (message.type !== 'control')
        expect(message).toMatchObject({ body: '', erased: true, n: 0, deviceTag: 0 });
      expect(message.reactions).toBeUndefined();
    }
    expect(after.at(-1)?.body).toBe(JSON.stringify({ control: 'erased', author: 'ben', upTo: before.length + 2 }));
    expect(await pinned()).toMatchObject([{ seq: 2 }]);
    expect(await lookedUp()).not.toContain(SECRET);
    expect((await ask('GET', `/api/v1/conversations/tea/messages/${String(last.seq)}/revisions`)).json).toMatchObject({
      erased: true,
      versions: [{ seq: last.seq, body: '' }],
    });
    expect(await unreadOf()).toBe(unread);
    expect(await bytesInRedis()).not.toContain(SECRET);
    expect(await bytesInRedis()).not.toContain('🎻');

    // He is in no group, and has nothing in his list.
    const members2 = (await ask('GET', '/api/v1/conversations/tea/members')).json;
    expect(JSON.stringify(members2)).not.toContain('ben');
    expect((await ask('GET', '/api/v1/users/ben/conversations')).json['conversations']).toEqual([]);
    // Nobody changes what was erased.
    const recall = await ask('POST', `/api/v1/conversations/tea/messages/${String(last.seq)}/recall`);
    expect(recall).toMatchObject({ status: 409, code: 'conflict' });
    // Once more finds nothing to do.
    expect((await ask('DELETE', '/api/v1/users/ben/data')).status).toBe(202);
    await until('it is done', async () => (await report())['state'] === 'done', 90_000);
    expect(await report()).toMatchObject({ conversations: 2, entries: 0, reactions: 0 });

    const erased = await ask('DELETE', `/api/v1/conversations/${encodeURIComponent(direct)}/data`);
    expect(erased).toMatchObject({ status: 200, json: { left: [] } });
    expect(JSON.stringify((await ask('GET', '/api/v1/users/ann/conversations')).json)).not.toContain(direct);
    expect((await ask('GET', `/api/v1/conversations/${encodeURIComponent(direct)}`)).status).toBe(404);
    cleo.close();
    await millrace.stop();

    expect(bytesOfIndex()).not.toContain(SECRET.toLowerCase());
    const archive =
      postgres === null
        ? await SqliteArchive.open({ path: join(dir, 'archive.sqlite'), program: new URL(`file://${WORKER}`) })
        : await PostgresArchive.open({ url: postgres.url, limits: { connectMsMax: 60_000, answerMsMax: 60_000 } });
    if (!archive.ok) throw new Error(archive.error.message);
    const [from, to] = [0, Number.MAX_SAFE_INTEGER].map((at) => ({ gen: generation(at), seq: sequenceId(at) }));
    if (from === undefined || to === undefined) throw new Error('a range has two ends');
    const stored = async (of: ConversationId): Promise<readonly string[]> => {
      const read = await archive.value.read(of, { from, to, limit: 1_000, direction: 'forward' });
      if (!read.ok) throw new Error(read.error.message);
      return read.value.map(({ data }) => Buffer.from(data).toString());
    };
    const texts = await stored(tea);
    expect(texts.length).toBeGreaterThan(TALK);
    expect(texts.join('\n')).toContain('tea 89');
    expect(texts.join('\n')).not.toContain(SECRET);
    expect(texts.join('\n')).not.toContain('🎻');
    expect(await stored(direct)).toEqual([]);
    await archive.value.close();
  }, 300_000);
});
