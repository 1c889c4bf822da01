import { testRedis } from '@millrace/local-redis/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { httpCaller, scopedKeysVariable } from './support/http-caller.ts';
import { startMillrace, type MillraceProcess } from './support/millrace-process.ts';

describe('messages that a backend changes', () => {
  const redis = testRedis();
  let millrace: MillraceProcess;
  const ask = httpCaller(() => millrace.httpUrl);

  beforeAll(async () => {
    millrace = await startMillrace(redis.url, {
      MILLRACE_MODE: 'production',
      MILLRACE_PARTITIONS: '4',
      MILLRACE_API_KEYS: scopedKeysVariable,
      MILLRACE_SEARCH: 'sqlite',
    });
  });
  afterAll(async () => {
    await millrace.stop();
  });

  it('edits, recalls and hides messages, and each once (I4)', async () => {
    const body = { creator: 'alice', kind: 'group', conversation: 'changed', members: ['bob'] };
    expect((await ask('POST', '/api/v1/conversations', { body })).status).toBe(201);
    const window = Number((await ask('GET', '/api/v1/conversations/changed')).json['keyWindow']);
    const at = '/api/v1/conversations/changed/messages';
    for (const [key, body] of [
      ['k1', 'one'],
      ['k2', 'two'],
      ['k3', 'three'],
    ]) {
      expect((await ask('POST', at, { body: { from: 'bob', key, window, body } })).status).toBe(201);
    }
    const edit = { from: 'bob', key: 'k4', window, body: 'One!' };
    expect(await ask('PATCH', `${at}/2`, { body: edit, key: 'writer' })).toMatchObject({
      status: 201,
      json: { seq: 5 },
    });
    const again = await ask('PATCH', `${at}/2`, { body: edit });
    expect(again).toMatchObject({ status: 200, json: { seq: 5, duplicate: true } });
    const notHers = await ask('PATCH', `${at}/2`, { body: { ...edit, from: 'alice', key: 'k5' } });
    expect(notHers).toMatchObject({ status: 403, code: 'forbidden' });
    for (const seq of [6, 6]) {
      expect(await ask('POST', `${at}/3/recall`)).toMatchObject({ status: 200, json: { seq } });
    }
    const tooLate = await ask('PATCH', `${at}/3`, { body: { ...edit, key: 'k6' } });
    expect(tooLate).toMatchObject({ status: 409, code: 'conflict' });
    const hidden = await ask('DELETE', `${at}/4?as=alice`);
    expect(hidden).toMatchObject({ status: 200, json: { seq: 4, as: 'alice', deleted: true } });
    expect((await ask('POST', `${at}/99/recall`)).status).toBe(404);
    const page = async (as: string) =>
      (await ask('GET', `${at}?as=${as}&direction=forward&from=2&limit=3`)).json['messages'];
    const common = [
      { seq: 2, body: 'One!', rev: 5 },
      { seq: 3, body: '', rev: 6, recalled: { by: null } },
    ];
    expect(await page('alice')).toMatchObject([...common, { seq: 4, body: '', deleted: true }]);
    expect(await page('bob')).toMatchObject([...common, { seq: 4, body: 'three' }]);
    const { json } = await ask('GET', '/api/v1/users/alice/conversations');
    const listed = json['conversations'] as readonly { readonly conversation: string }[];
    const summary = listed.find(({ conversation }) => conversation === 'changed');
    expect(summary).toMatchObject({ msgNo: 3, own: 0, gone: 2, goneSeqs: [3, 4], unread: 1 });
  });

  it('are found as they stand now, by whoever may read them (I7, I11)', async () => {
    const found = async (text: string, as: string) => {
      const path = `/api/v1/search?text=${text}&as=${as}`;
      const [byQuery, byBody] = [await ask('GET', path), await ask('POST', '/api/v1/search', { body: { text, as } })];
      expect([byQuery.status, byBody.json]).toEqual([200, byQuery.json]);
      const hits = byQuery.json['hits'] as readonly { readonly message: { readonly seq: number } }[];
      return hits.map(({ message }) => message.seq);
    };
    expect([await found('one', 'alice'), await found('one', 'bob'), await found('one', 'eve')]).toEqual([[2], [2], []]);
    // Recalled for all, and hidden from one.
    expect([await found('two', 'bob'), await found('three', 'alice'), await found('three', 'bob')]).toEqual([
      [],
      [],
      [4],
    ]);
    expect((await ask('GET', '/api/v1/search?text=one&as=bob', { key: 'scraper' })).status).toBe(403);
  });

  it('answers, forwards, pins and puts reactions under messages, as its users may (I4, I11)', async () => {
    for (const conversation of ['here', 'there']) {
      const body = { creator: 'alice', kind: 'group', conversation, members: conversation === 'here' ? ['bob'] : [] };
      expect((await ask('POST', '/api/v1/conversations', { body })).status).toBe(201);
    }
    const [here, there] = ['/api/v1/conversations/here', '/api/v1/conversations/there'];
    const window = Number((await ask('GET', here)).json['keyWindow']);
    const keyed = (from: string, key: string) => ({ from, key, window });
    const send = (from: string, key: string, more: object) =>
      ask('POST', `${here}/messages`, { body: { ...keyed(from, key), ...more } });
    expect(await send('alice', 'k1', { body: 'Which tea?' })).toMatchObject({ status: 201, json: { seq: 2 } });
    expect(await send('bob', 'k2', { body: 'Green', replyTo: 2 })).toMatchObject({ status: 201, json: { seq: 3 } });
    expect(await send('bob', 'k2', { body: 'Green', replyTo: 2 })).toMatchObject({ status: 200, json: { seq: 3 } });
    await send('alice', 'k3', { body: 'Why?', replyTo: 3 });
    expect(await send('bob', 'k4', { body: 'x', replyTo: 99 })).toMatchObject({ status: 404, code: 'not_found' });
    const thread = await ask('GET', `${here}/messages/2/thread?as=bob&direction=forward&limit=1`);
    expect(thread.json).toMatchObject({ messages: [{ seq: 3, replyTo: 2, thread: 2 }], hasMore: true });

    const forward = { ...keyed('alice', 'f1'), source: { conversation: 'here', seq: 3 } };
    expect(await ask('POST', `${there}/forwards`, { body: forward })).toMatchObject({ status: 201, json: { seq: 2 } });
    expect(await ask('POST', `${there}/forwards`, { body: forward })).toMatchObject({ status: 200, json: { seq: 2 } });
    const notHis = { ...forward, from: 'bob', key: 'f2' };
    expect(await ask('POST', `${there}/forwards`, { body: notHis })).toMatchObject({ status: 403, code: 'not_member' });
    const brought = await ask('GET', `${there}/messages?as=alice&limit=1`);
    expect(brought.json['messages']).toMatchObject([
      { from: 'alice', body: 'Green', forwardedFrom: { conversation: 'here', seq: 3, author: 'bob' } },
    ]);

    const react = { ...keyed('bob', 'r1'), emoji: '👍' };
    const at = `${here}/messages/2/reactions`;
    expect(await ask('POST', at, { body: react })).toMatchObject({ status: 201, json: { seq: 5 } });
    expect(await ask('POST', at, { body: react })).toMatchObject({ status: 200, json: { seq: 5 } });
    expect(await ask('POST', at, { body: { ...react, key: 'r2' } })).toMatchObject({ status: 409, code: 'conflict' });
    const page = await ask('GET', `${here}/messages?as=alice&direction=forward&from=2&limit=1`);
    expect(page.json['messages']).toMatchObject([
      { rev: 5, replies: { count: 2, last: 4 }, reactions: [{ emoji: '👍', count: 1, users: ['bob'] }] },
    ]);

    for (const seq of [6, 6]) {
      expect(await ask('PUT', `${here}/pins/2`)).toMatchObject({ status: 200, json: { seq } });
    }
    expect((await ask('GET', here)).json['pinned']).toMatchObject([{ seq: 2, by: null }]);
    expect(await ask('PUT', `${here}/pins/1`)).toMatchObject({ status: 403, code: 'forbidden' });
    expect((await ask('DELETE', `${here}/pins/2`)).status).toBe(200);
    expect((await ask('GET', here)).json).not.toHaveProperty('pinned');
  });

  it('tells an operator all that a message has ever said, and nobody else', async () => {
    const body = { creator: 'alice', kind: 'group', conversation: 'looked-into', members: [] };
    expect((await ask('POST', '/api/v1/conversations', { body })).status).toBe(201);
    const here = '/api/v1/conversations/looked-into';
    const window = Number((await ask('GET', here)).json['keyWindow']);
    const keyed = (key: string, text: string) => ({ from: 'alice', key, window, body: text });
    await ask('POST', `${here}/messages`, { body: keyed('k1', 'first') });
    for (const text of ['second', 'third', 'fourth']) {
      expect((await ask('PATCH', `${here}/messages/2`, { body: keyed(text, text) })).status).toBe(201);
    }
    const recalled = await ask('POST', `${here}/messages/2/recall`, { body: { reason: 'off topic' } });
    expect(recalled).toMatchObject({ status: 200, json: { seq: 6 } });
    const at = `${here}/messages/2/revisions`;
    const whole = await ask('GET', at);
    expect(whole.json).toMatchObject({
      ...{ conversation: 'looked-into', seq: 2, type: 'text', next: null },
      versions: [
        { seq: 5, by: 'alice', body: 'fourth' },
        { seq: 4, body: 'third' },
        { seq: 3, body: 'second' },
        { seq: 2, body: 'first' },
      ],
      recalled: { seq: 6, by: null, reason: 'off topic' },
    });
    const some = await ask('GET', `${at}?limit=3`);
    expect(some.json).toMatchObject({ versions: [{ seq: 5 }, { seq: 4 }, { seq: 3 }], next: 2 });
    expect((await ask('GET', `${at}?from=2`)).json).toMatchObject({ versions: [{ body: 'first' }], next: null });
    await ask('POST', `${here}/messages`, { body: keyed('k2', 'another one') });
    for (const from of [6, 7]) {
      expect(await ask('GET', `${at}?from=${String(from)}`)).toMatchObject({ status: 400, code: 'bad_request' });
    }
    expect(await ask('GET', `${here}/messages/1/revisions`)).toMatchObject({ status: 404, code: 'not_found' });
    for (const key of ['writer', 'reader'] as const) expect((await ask('GET', at, { key })).status).toBe(403);
    const page = JSON.stringify((await ask('GET', `${here}/messages?as=alice`)).json);
    for (const text of ['first', 'second', 'third', 'fourth'])
      expect([text, page.includes(text)]).toEqual([text, false]);
    expect(page).toContain('off topic');
  });
});
