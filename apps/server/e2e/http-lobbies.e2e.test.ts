import type { ConversationId, UserId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import type { RawSession } from '@millrace/raw-client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { httpCaller, scopedKeysVariable } from './support/http-caller.ts';
import { startMillrace, type MillraceProcess } from './support/millrace-process.ts';
import { connectAs } from './support/read-back.ts';
import { until } from './support/until.ts';

/** What a game's backend does with lobbies, beside the players that come into them. */
describe('lobbies over HTTP', () => {
  const redis = testRedis();
  const sessions: RawSession[] = [];
  let millrace: MillraceProcess;
  const ask = httpCaller(() => millrace.httpUrl);

  beforeAll(async () => {
    millrace = await startMillrace(redis.url, {
      MILLRACE_PARTITIONS: '4',
      MILLRACE_API_KEYS: scopedKeysVariable,
      MILLRACE_LOBBY_GRACE_MS: '5000',
      MILLRACE_LOBBY_EMPTY_MS: '500',
      MILLRACE_LOBBY_BACKLOG_MAX: '100',
    });
  });
  afterEach(() => {
    for (const session of sessions.splice(0)) session.close();
  });
  afterAll(async () => {
    await millrace.stop();
  });

  const player = async (user: string): Promise<RawSession> => {
    const session = await connectAs(millrace.socketUrl, user, 'console');
    sessions.push(session);
    return session;
  };
  const join = async (session: RawSession, conversation: string): Promise<string> => {
    const joined = await session.request({ t: 'join', conversation: conversation as ConversationId });
    return joined.ok || joined.error.kind !== 'refused' ? 'joined' : joined.error.error.code;
  };
  const make = (conversation: string, more: object = {}) => {
    const body = { creator: 'ann', kind: 'lobby', conversation, title: 'Match', ...more };
    return ask('POST', '/api/v1/conversations', { body, key: 'writer' });
  };
  const at = (conversation: string, path = ''): string => `/api/v1/conversations/${conversation}${path}`;

  it('are made for their owner, once, and tell what they are', async () => {
    const made = await make('~duel', { members: ['ben'], backlog: 20, membersMax: 4 });
    expect(made).toMatchObject({ status: 201, json: { conversation: '~duel', seq: 1, fresh: true } });
    expect(await make('~duel')).toMatchObject({ status: 200, json: { gen: made.json['gen'], seq: 1, fresh: false } });
    expect(await make('~duel', { creator: 'mallory' })).toMatchObject({ status: 409, code: 'conflict' });
    expect(await ask('GET', at('~duel'), { key: 'reader' })).toMatchObject({
      status: 200,
      json: { kind: 'lobby', title: 'Match', memberCount: 1, diffusion: 'read', backlog: 20, membersMax: 4 },
    });
    const named = await ask('POST', '/api/v1/conversations', { body: { creator: 'ann', kind: 'lobby' } });
    expect(named).toMatchObject({ status: 201, json: { conversation: expect.stringMatching(/^~/) as string } });
    for (const [body, code] of [
      [{ creator: 'ann', kind: 'lobby', conversation: 'duel' }, 'bad_request'],
      [{ creator: 'ann', kind: 'group', conversation: '~duel-2' }, 'bad_request'],
      [{ creator: 'ann', kind: 'group', conversation: 'duel', backlog: 3 }, 'bad_request'],
      [{ creator: 'ann', kind: 'lobby', backlog: 0 }, 'bad_request'],
      [{ creator: 'ann', kind: 'lobby', backlog: 101 }, 'limit_reached'],
    ] as const) {
      expect([body, (await ask('POST', '/api/v1/conversations', { body })).code]).toEqual([body, code]);
    }
  });

  it('let in whom the backend invites, who are in once they come, and not whom it removes or bans', async () => {
    await make('~arena');
    const [ann, ben, cat] = [await player('ann'), await player('ben'), await player('cat')];
    expect(await join(ann, '~arena')).toBe('joined');
    expect([await join(ben, '~arena'), await join(cat, '~arena')]).toEqual(['forbidden', 'forbidden']);
    const invited = await ask('POST', at('~arena', '/members'), { body: { users: ['ben', 'cat'] }, key: 'writer' });
    expect(invited.status).toBe(200);
    expect((await ask('GET', at('~arena', '/members'))).json).toMatchObject({ count: 1 });
    expect([await join(ben, '~arena'), await join(cat, '~arena')]).toEqual(['joined', 'joined']);
    expect((await ask('PUT', at('~arena', '/members/ben/role'), { body: { role: 'admin' } })).status).toBe(200);
    expect((await ask('GET', at('~arena', '/members'))).json).toMatchObject({
      members: [
        { user: 'ann', role: 'owner' },
        { user: 'ben', role: 'admin' },
        { user: 'cat', role: 'member' },
      ],
    });
    const window = Number((await ask('GET', at('~arena'))).json['keyWindow']);
    const said = { from: 'ann', key: 'round-1', window, body: 'Round 1' };
    const sent = await ask('POST', at('~arena', '/messages'), { body: said });
    expect(sent).toMatchObject({ status: 201, json: { level: 'volatile', duplicate: false } });
    const retried = await ask('POST', at('~arena', '/messages'), { body: said });
    expect(retried).toMatchObject({ status: 200, json: { seq: sent.json['seq'], duplicate: true } });
    const page = await ask('GET', at('~arena', '/messages?as=ben&limit=1'));
    expect(page.json).toMatchObject({ messages: [{ body: 'Round 1', from: 'ann' }] });
    expect((await ask('PUT', at('~arena', '/bans/cat'))).status).toBe(200);
    expect(await join(cat, '~arena')).toBe('banned');
    expect((await ask('DELETE', at('~arena', '/members/ben'))).status).toBe(200);
    expect((await ask('GET', at('~arena', '/members'))).json).toMatchObject({ count: 1 });
  });

  it('go when nobody comes into them, and when the backend ends them; to end one that is gone is no error', async () => {
    await make('~nobody');
    await until(
      'the owner who never came has left, and it is gone',
      async () => {
        return (await ask('GET', at('~nobody'))).code === 'not_found';
      },
      30_000,
    );
    await make('~over');
    const ann = await player('ann');
    expect(await join(ann, '~over')).toBe('joined');
    for (let time = 0; time < 2; time += 1) {
      expect(await ask('DELETE', at('~over'), { key: 'writer' })).toMatchObject({
        status: 200,
        json: { conversation: '~over', dissolved: true },
      });
    }
    expect(await join(ann, '~over')).toBe('not_found');
    expect((await ask('DELETE', at('~over'), { key: 'reader' })).status).toBe(403);
    await ask('POST', '/api/v1/conversations', { body: { creator: 'ann', kind: 'group', conversation: 'team' } });
    expect(await ask('DELETE', at('team'))).toMatchObject({ status: 403, code: 'forbidden' });
    expect(await ask('DELETE', at('nowhere'))).toMatchObject({ status: 404, code: 'not_found' });
  }, 60_000);

  it('become groups, once, with what was said in them', async () => {
    await make('~kept', { joinPolicy: 'open' });
    const [ann, ben] = [await player('ann'), await player('ben')];
    expect([await join(ann, '~kept'), await join(ben, '~kept')]).toEqual(['joined', 'joined']);
    const said = {
      t: 'send',
      conversation: '~kept' as ConversationId,
      n: 1,
      sentAt: 1,
      type: 'text',
      body: 'gg',
    } as const;
    const ack = await ben.request(said);
    if (!ack.ok) throw new Error(JSON.stringify(ack.error));
    const promoted = await ask('POST', at('~kept', '/promotion'), { key: 'writer' });
    expect(promoted).toMatchObject({ status: 200, json: { conversation: '~kept', seq: Number(ack.value.seq) + 1 } });
    expect((await ask('POST', at('~kept', '/promotion'))).json).toEqual(promoted.json);
    expect((await ask('GET', at('~kept'))).json).toMatchObject({ kind: 'group', memberCount: 2, diffusion: 'write' });
    expect((await ask('GET', at('~kept'))).json).not.toHaveProperty('backlog');
    const page = await ask('GET', at('~kept', '/messages?as=ann&limit=2'));
    expect(page.json).toMatchObject({ messages: [{ type: 'control' }, { body: 'gg', from: 'ben' as UserId }] });
    const list = await ask('GET', '/api/v1/users/ben/conversations');
    expect(list.json['conversations']).toMatchObject([{ conversation: '~kept', kind: 'group' }]);
    expect(await ask('DELETE', at('~kept'))).toMatchObject({ status: 403, code: 'forbidden' });
    expect(await ask('POST', at('~nothing', '/promotion'))).toMatchObject({ status: 404, code: 'not_found' });
  });
});
