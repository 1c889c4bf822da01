import type { ConversationId, UserId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import type { Message, ScheduledMessage } from '@millrace/protocol';
import type { RawSession } from '@millrace/raw-client';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { httpCaller, scopedKeysVariable } from './support/http-caller.ts';
import { MillraceCluster, type ClusterNode } from './support/millrace-cluster.ts';
import { parseMetrics, sumOf } from './support/prometheus.ts';
import { connectAs, readAll } from './support/read-back.ts';
import { until } from './support/until.ts';

const PARTITIONS = 12;
const WAIT_MS = 120_000;
const ENV = {
  MILLRACE_PARTITIONS: String(PARTITIONS),
  MILLRACE_LEASE_MS: '2000',
  MILLRACE_DRAIN_MS: '300',
  MILLRACE_API_KEYS: scopedKeysVariable,
};
const tea = 'tea' as ConversationId;

/** One node that clients are at, and two that work jobs and own partitions beside it. */
describe('messages that are to be sent later, over three nodes', { timeout: 240_000 }, () => {
  const redis = testRedis();
  let cluster: MillraceCluster;
  let home: ClusterNode;
  const sessions: RawSession[] = [];
  const ask = httpCaller(() => home.httpUrl);

  const asUser = async (user: string): Promise<RawSession> => {
    const session = await connectAs(home.socketUrl, user, `${user}-${String(sessions.length)}`);
    sessions.push(session);
    return session;
  };
  const schedule = async (
    session: RawSession,
    key: string,
    dueAt: number,
    body: string,
    more: object = {},
  ): Promise<ScheduledMessage> => {
    const message = { key, conversation: tea, dueAt, type: 'text', body, ...more } as const;
    const answer = await session.request({ t: 'schedule', ...message });
    if (!answer.ok) throw new Error(JSON.stringify(answer.error));
    const [stored] = answer.value.messages;
    if (stored === undefined) throw new Error('nothing was stored');
    return stored;
  };
  const listOf = async (user: string): Promise<readonly ScheduledMessage[]> => {
    const answer = await ask('GET', `/api/v1/users/${user}/scheduled?limit=100`);
    expect(answer.status).toBe(200);
    return answer.json['messages'] as readonly ScheduledMessage[];
  };
  const stateOf = async (user: string, key: string): Promise<string> =>
    (await listOf(user)).find((message) => message.key === key)?.state ?? 'none';
  const untilState = (user: string, key: string, state: string): Promise<void> =>
    until(`${key} of ${user} is ${state}`, async () => (await stateOf(user, key)) === state, WAIT_MS);
  const said = async (session: RawSession): Promise<readonly Message[]> =>
    (await readAll(session, tea)).filter(({ countable }) => countable);

  beforeAll(async () => {
    cluster = new MillraceCluster(redis.url, ENV);
    home = await cluster.add({ MILLRACE_ROLES: 'gateway,actors' });
    for (const roles of ['actors,jobs', 'actors,jobs']) await cluster.add({ MILLRACE_ROLES: roles });
    await cluster.untilSpread(PARTITIONS);
  });
  beforeEach(async () => {
    const members = ['ben', 'cleo', 'dora'] as UserId[];
    const ann = await asUser('ann');
    await ann.request({ t: 'create', kind: 'group', conversation: tea, members });
    // Who left in a test before is in again.
    await ann.request({ t: 'invite', conversation: tea, users: members });
  });
  afterAll(async () => {
    for (const session of sessions) session.close();
    await cluster.stop();
  });

  it('are kept, told, edited and taken back, and sent at their time as their user, once', async () => {
    const ann = await asUser('ann');
    const ben = await asUser('ben');
    const before = (await said(ben)).length;
    const dueAt = Date.now() + 3_000;
    expect(await schedule(ann, 'k', Date.now() + 3_600_000, 'first')).toMatchObject({ state: 'open', body: 'first' });
    expect(await schedule(ann, 'gone', dueAt, 'never said')).toMatchObject({ state: 'open' });
    expect(await schedule(ann, 'k', dueAt, 'second', { mentions: ['ben'] })).toMatchObject({ body: 'second', dueAt });
    const list = await ann.request({ t: 'scheduled' });
    expect(list).toMatchObject({ ok: true, value: { messages: [{ key: 'gone' }, { key: 'k', body: 'second' }] } });
    // They are this user's alone.
    expect(await ben.request({ t: 'scheduled' })).toMatchObject({ ok: true, value: { messages: [] } });
    expect(await ben.request({ t: 'unschedule', key: 'k' })).toMatchObject({ ok: true });
    expect(await ann.request({ t: 'unschedule', key: 'gone' })).toMatchObject({ ok: true });
    await untilState('ann', 'k', 'sent');
    const more = (await said(ben)).slice(before);
    expect(more.map(({ from, body, mentions }) => [from, body, mentions])).toEqual([['ann', 'second', ['ben']]]);
    expect(more[0]?.at).toBeGreaterThanOrEqual(dueAt);
    const [stored] = await listOf('ann');
    expect(stored).toMatchObject({ key: 'k', state: 'sent', seq: more[0]?.seq });
    expect(stored).not.toHaveProperty('body');
    // Its key is not sent under again until it is taken off the list.
    expect(await schedule(ann, 'k', Date.now() + 1_000, 'third')).toMatchObject({ state: 'sent' });
    expect(await ann.request({ t: 'unschedule', key: 'k' })).toMatchObject({ ok: true });
    expect(await listOf('ann')).toEqual([]);
  });

  it('are refused in the past, too far ahead, in a lobby, by who is no member, and without a scope', async () => {
    const ann = await asUser('ann');
    const message = { t: 'schedule', key: 'k', conversation: tea, type: 'text', body: 'x' } as const;
    for (const dueAt of [1, Date.now() - 1_000, Date.now() + 400 * 86_400_000]) {
      expect(await ann.request({ ...message, dueAt })).toMatchObject({
        ok: false,
        error: { error: { code: 'bad_request' } },
      });
    }
    const dueAt = Date.now() + 60_000;
    const lobby = { ...message, dueAt, conversation: '~l' as ConversationId };
    expect(await ann.request(lobby)).toMatchObject({ ok: false, error: { error: { code: 'bad_request' } } });
    const eve = await asUser('eve');
    expect(await eve.request({ ...message, dueAt })).toMatchObject({
      ok: false,
      error: { error: { code: 'not_member' } },
    });
    const put = { body: { conversation: tea, dueAt, body: 'x' } };
    expect((await ask('PUT', '/api/v1/users/ann/scheduled/k', { ...put, key: 'reader' })).status).toBe(403);
    expect((await ask('PUT', '/api/v1/users/ann/scheduled/k', put)).json).toMatchObject({ state: 'open' });
    expect((await ask('DELETE', '/api/v1/users/ann/scheduled/k')).status).toBe(200);
    const counts = async (): Promise<number> => {
      const jobs = parseMetrics((await ask('GET', '/metrics')).text);
      return sumOf(jobs, 'millrace_jobs_delayed');
    };
    // Of all this no job is left: the one is what looks after the others now and then.
    await until('no job waits that is not meant', async () => (await counts()) === 1, WAIT_MS);
  });

  it('by who has left by then are not sent, and say why', async () => {
    const dora = await asUser('dora');
    const before = (await said(dora)).length;
    await schedule(dora, 'late', Date.now() + 2_000, 'nobody hears this');
    expect(await dora.request({ t: 'leave', conversation: tea })).toMatchObject({ ok: true });
    await untilState('dora', 'late', 'failed');
    expect(await listOf('dora')).toMatchObject([{ error: { code: 'not_member' }, body: 'nobody hears this' }]);
    expect((await said(await asUser('ann'))).slice(before)).toEqual([]);
  });

  it('are sent once each, also when a node that sends them is killed amid it (I4, I6)', async () => {
    const users = ['ann', 'ben', 'cleo'];
    const EACH = 40;
    const before = (await said(await asUser('ann'))).length;
    const dueAt = Date.now() + 8_000;
    const wanted = users.flatMap((user) => Array.from({ length: EACH }, (_, index) => `${user} ${String(index)}`));
    for (const user of users) {
      const session = await asUser(user);
      await Promise.all(
        Array.from({ length: EACH }, (_, index) => {
          const name = `${user} ${String(index)}`;
          return schedule(session, name, Math.max(dueAt, Date.now() + 5_000), name);
        }),
      );
    }
    const killed = cluster.nodes[1];
    if (killed === undefined) throw new Error('there are three nodes');
    await until('some are sent', async () => (await listOf('ann')).some(({ state }) => state === 'sent'), WAIT_MS);
    await killed.kill('SIGKILL');
    for (const user of users) {
      await until(
        `all of ${user} are sent`,
        async () => (await listOf(user)).every(({ state }) => state === 'sent'),
        WAIT_MS,
      );
    }
    const bodies = (await said(await asUser('ann'))).slice(before).map(({ body }) => body);
    expect(bodies.sort()).toEqual(wanted.sort());
    await killed.restart();
  });

  it('survive everything that runs, and are sent by who comes back, late', async () => {
    const ann = await asUser('ann');
    const before = (await said(ann)).length;
    await schedule(ann, 'over a crash', Date.now() + 4_000, 'I am still here');
    // The queue loses all that it has; what was stored of the user stays.
    const keys = (await redis.call('KEYS', '{jobs}*')) as readonly string[];
    expect(keys.length).toBeGreaterThan(0);
    await Promise.all(cluster.nodes.map((node) => node.kill('SIGKILL')));
    await redis.call('DEL', ...keys);
    await Promise.all(cluster.nodes.map((node) => node.restart()));
    await untilState('ann', 'over a crash', 'sent');
    const bodies = (await said(await asUser('ann'))).slice(before).map(({ body }) => body);
    expect(bodies).toEqual(['I am still here']);
  });

  it('go with all that is the user\u2019s when they are erased', async () => {
    const ben = await asUser('ben');
    await schedule(ben, 'secret', Date.now() + 3_000, 'Xylophone');
    expect((await ask('DELETE', '/api/v1/users/ben/data')).status).toBe(202);
    let report: Readonly<Record<string, unknown>> = {};
    await until('it is erased', async () => {
      report = (await ask('GET', '/api/v1/users/ben/erasure')).json;
      return report['state'] === 'done';
    });
    expect(report).toMatchObject({ scheduled: 1 });
    expect(await listOf('ben')).toEqual([]);
    const keys = (await redis.call('KEYS', '*:u:ben')) as readonly string[];
    for (const key of keys) expect(JSON.stringify(await redis.call('HGETALL', key))).not.toContain('Xylophone');
    const jobs = (await redis.call('KEYS', '{jobs}*m-*')) as readonly string[];
    for (const key of jobs) expect(JSON.stringify(await redis.call('HGETALL', key))).not.toContain('"ben');
  });
});
