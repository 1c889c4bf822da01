import { connect } from 'node:net';
import { once } from 'node:events';
import type { ConversationId, SequenceId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import type { RawSession } from '@millrace/raw-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { documentedOperations, httpCaller, observedStatuses, scopedKeysVariable } from './support/http-caller.ts';
import { startMillrace, type MillraceProcess } from './support/millrace-process.ts';
import { PlainSocket } from './support/plain-socket.ts';
import { parseMetrics, sumOf } from './support/prometheus.ts';
import { connectAs, readAll } from './support/read-back.ts';
import { tokenFor } from './support/test-tokens.ts';

describe('the HTTP API of the real server', () => {
  const redis = testRedis();
  let millrace: MillraceProcess;
  const ask = httpCaller(() => millrace.httpUrl);
  const open: RawSession[] = [];
  const session = async (user: string, device: string): Promise<RawSession> => {
    const connected = await connectAs(millrace.socketUrl, user, device);
    open.push(connected);
    return connected;
  };
  const group = async (conversation: string, members: readonly string[], more = {}): Promise<void> => {
    const body = { creator: 'alice', kind: 'group', conversation, members, ...more };
    expect((await ask('POST', '/api/v1/conversations', { body })).status).toBe(201);
  };
  const windowOf = async (conversation: string): Promise<number> =>
    Number((await ask('GET', `/api/v1/conversations/${conversation}`)).json['keyWindow']);

  beforeAll(async () => {
    millrace = await startMillrace(redis.url, {
      MILLRACE_MODE: 'production',
      MILLRACE_PARTITIONS: '16',
      MILLRACE_API_KEYS: scopedKeysVariable,
      MILLRACE_MEMBERS_MAX: '5',
      MILLRACE_SEARCH: 'sqlite',
    });
  });
  afterAll(async () => {
    for (const one of open) one.close();
    await millrace.stop();
  });

  it('creates a conversation once, and tells a retry and a conflict apart', async () => {
    const body = { creator: 'alice', kind: 'group', conversation: 'once', title: 'Once 🎈', members: ['bob'] };
    const created = await ask('POST', '/api/v1/conversations', { body, key: 'writer' });
    expect(created).toMatchObject({ status: 201, json: { conversation: 'once', seq: 1, fresh: true } });
    const again = await ask('POST', '/api/v1/conversations', { body });
    expect(again).toMatchObject({ status: 200, json: { conversation: 'once', seq: 1, fresh: false } });
    const taken = await ask('POST', '/api/v1/conversations', { body: { ...body, creator: 'mallory' } });
    expect(taken).toMatchObject({ status: 409, code: 'conflict' });
    const direct = { creator: 'bob', kind: 'direct', members: ['alice'] };
    const pair = await ask('POST', '/api/v1/conversations', { body: direct });
    expect(pair).toMatchObject({ status: 201, json: { conversation: 'alice!bob' } });
    expect((await ask('POST', '/api/v1/conversations', { body: direct })).status).toBe(200);
    const facts = await ask('GET', '/api/v1/conversations/once', { key: 'reader' });
    expect(facts).toMatchObject({
      status: 200,
      json: { kind: 'group', title: 'Once 🎈', joinPolicy: 'invite', historyPolicy: 'all', memberCount: 2, msgNo: 0 },
    });
    expect(await ask('GET', '/api/v1/conversations/nowhere')).toMatchObject({ status: 404, code: 'not_found' });
  });

  it('adds, lists, promotes and removes members', async () => {
    await group('crowd', ['bob']);
    const at = '/api/v1/conversations/crowd/members';
    const added = await ask('POST', at, { body: { users: ['carol', 'dave'] }, key: 'writer' });
    expect(added).toMatchObject({ status: 200, json: { conversation: 'crowd', seq: 2 } });
    expect(await ask('POST', at, { body: { users: ['carol'] } })).toMatchObject({ status: 200, json: { seq: 2 } });
    const full = await ask('POST', at, { body: { users: ['erin', 'frank'] } });
    expect(full).toMatchObject({ status: 409, code: 'limit_reached' });
    expect((await ask('PUT', `${at}/carol/role`, { body: { role: 'admin' } })).status).toBe(200);
    const stranger = await ask('PUT', `${at}/zoe/role`, { body: { role: 'admin' } });
    expect(stranger).toMatchObject({ status: 403, code: 'not_member' });
    expect((await ask('DELETE', `${at}/dave`)).status).toBe(200);
    expect((await ask('DELETE', `${at}/dave`)).status).toBe(200);
    const first = await ask('GET', `${at}?limit=2`, { key: 'reader' });
    expect(first).toMatchObject({ status: 200, json: { count: 3, next: 'bob' } });
    const rest = await ask('GET', `${at}?limit=2&after=bob`, { key: 'reader' });
    expect(rest.json).toMatchObject({ members: [{ user: 'carol', role: 'admin' }], next: null });
    for (const path of ['members', 'messages?as=alice']) {
      expect((await ask('GET', `/api/v1/conversations/nowhere/${path}`)).code).toBe('not_found');
    }
    expect((await ask('POST', '/api/v1/conversations/nowhere/members', { body: { users: ['bob'] } })).status).toBe(404);
    expect((await ask('DELETE', '/api/v1/conversations/nowhere/members/bob')).status).toBe(404);
  });

  it('(I7) shows a user the history of their membership, forward and backward, and nothing else', async () => {
    await group('diary', ['bob'], { historyPolicy: 'join' });
    const window = await windowOf('diary');
    const at = '/api/v1/conversations/diary';
    for (const key of ['one', 'two']) {
      const body = { from: 'alice', key, window, body: `entry ${key}` };
      expect((await ask('POST', `${at}/messages`, { body })).status).toBe(201);
    }
    await ask('POST', `${at}/members`, { body: { users: ['carol'] } });
    const bytes = { from: 'bob', key: 'three', window, type: 'image', bodyBase64: 'AAH+/w==' };
    expect((await ask('POST', `${at}/messages`, { body: bytes, key: 'writer' })).status).toBe(201);
    const seqs = ({ json }: { readonly json: Readonly<Record<string, unknown>> }): unknown =>
      (json['messages'] as readonly { readonly seq: number }[]).map(({ seq }) => seq);
    expect(seqs(await ask('GET', `${at}/messages?as=alice&direction=forward`, { key: 'reader' }))).toEqual([
      1, 2, 3, 4, 5,
    ]);
    const page = await ask('GET', `${at}/messages?as=alice&limit=2&from=4`);
    expect(page.json).toMatchObject({ hasMore: true, head: { seq: 5 } });
    expect(seqs(page)).toEqual([4, 3]);
    const carol = await ask('GET', `${at}/messages?as=carol`);
    expect(seqs(carol)).toEqual([5, 4]);
    expect(carol.json).toMatchObject({ messages: [{ from: 'bob', type: 'image', bodyBase64: 'AAH+/w==' }, {}] });
    expect(await ask('GET', `${at}/messages?as=eve`)).toMatchObject({ status: 403, code: 'not_member' });
    const list = await ask('GET', '/api/v1/users/alice/conversations?limit=1', { key: 'reader' });
    expect(list.json['conversations']).toHaveLength(1);
    const next = await ask('GET', `/api/v1/users/alice/conversations?after=${String(list.json['next'])}`);
    expect(next.status).toBe(200);
    expect((await ask('GET', '/api/v1/users/alice/conversations?after=garbage')).status).toBe(400);
  });

  it('(I4) answers a retry of the same key with the first seq, also after a crash of the server', async () => {
    await group('orders', ['bob']);
    const at = '/api/v1/conversations/orders/messages';
    const body = { from: 'bob', key: 'order-1', window: await windowOf('orders'), body: 'one pizza' };
    const first = await ask('POST', at, { body });
    expect(first).toMatchObject({ status: 201, json: { key: 'order-1', seq: 2, msgNo: 1, duplicate: false } });
    const retries = await Promise.all(Array.from({ length: 10 }, () => ask('POST', at, { body })));
    for (const retry of retries) expect(retry).toMatchObject({ status: 200, json: { seq: 2, duplicate: true } });
    await millrace.restart();
    const after = await ask('POST', at, { body });
    expect(after).toMatchObject({ status: 200, json: { seq: 2, duplicate: true } });
    const next = await ask('POST', at, { body: { ...body, key: 'order-2' } });
    expect(next).toMatchObject({ status: 201, json: { seq: 3 } });
    const elsewhere = await ask('POST', at, { body: { ...body, from: 'alice' } });
    expect(elsewhere).toMatchObject({ status: 201, json: { seq: 4, duplicate: false } });
    expect(await ask('POST', at, { body: { ...body, from: 'eve', key: 'x' } })).toMatchObject({
      status: 403,
      code: 'not_member',
    });
  });

  it('(I4) refuses a key of a window that is over as expired, and stores it no second time', async () => {
    await group('stream', ['bob']);
    const at = '/api/v1/conversations/stream/messages';
    const first = await windowOf('stream');
    const old = { from: 'bob', key: 'the-old-one', window: first, body: 'from long ago' };
    expect((await ask('POST', at, { body: old })).status).toBe(201);
    let sent = 1;
    for (let window = first; window < first + 3; window = await windowOf('stream')) {
      const keys = Array.from({ length: 100 }, (_, index) => `k-${String(sent + index)}`);
      const answers = await Promise.all(
        keys.map((key) => ask('POST', at, { body: { from: 'bob', key, window, body: key } })),
      );
      expect(answers.every(({ status }) => status === 201)).toBe(true);
      sent += keys.length;
    }
    expect(await ask('POST', at, { body: old })).toMatchObject({ status: 410, code: 'expired' });
    const early = await ask('POST', at, { body: { ...old, key: 'soon', window: first + 100 } });
    expect(early).toMatchObject({ status: 400, code: 'bad_request' });
    const messages = await readAll(await session('bob', 'd-stream'), 'stream' as ConversationId);
    expect(messages.filter(({ body }) => body === old.body)).toHaveLength(1);
    expect(messages.filter(({ countable }) => countable)).toHaveLength(sent);
  });

  it('delivers what a backend sends to the devices of the members', async () => {
    await group('alerts', ['bob']);
    const bob = await PlainSocket.connect(millrace.socketUrl, await tokenFor('bob'), 'd-alerts');
    const body = { from: 'alice', key: 'fire', window: await windowOf('alerts'), body: 'fire drill' };
    expect((await ask('POST', '/api/v1/conversations/alerts/messages', { body })).status).toBe(201);
    const push = await bob.until(({ t, items }) => t === 'push' && JSON.stringify(items).includes('fire drill'));
    expect(push).toMatchObject({ items: [{ conversation: 'alerts', messages: [{ seq: 2, from: 'alice' }] }] });
    bob.cut();
  });

  it('lists sessions and ends them: their sockets close as revoked (4202)', async () => {
    const token = await tokenFor('carol');
    const [phone, laptop] = [
      await PlainSocket.connect(millrace.socketUrl, token, 'phone'),
      await PlainSocket.connect(millrace.socketUrl, token, 'laptop'),
    ];
    const at = '/api/v1/users/carol/sessions';
    const listed = await ask('GET', at);
    const sessions = listed.json['sessions'] as readonly { readonly session: string; readonly device: string }[];
    expect(sessions.map(({ device }) => device).sort()).toEqual(['laptop', 'phone']);
    expect(listed.json).toMatchObject({ user: 'carol', sessions: [{ ip: '127.0.0.1' }, { ip: '127.0.0.1' }] });
    const ofPhone = sessions.find(({ device }) => device === 'phone')?.session ?? '';
    expect(await ask('DELETE', `${at}/${ofPhone}`)).toMatchObject({ status: 200, json: { closed: 1 } });
    expect((await phone.closed).code).toBe(4202);
    expect(await ask('DELETE', `${at}/${ofPhone}`)).toMatchObject({ status: 404, code: 'not_found' });
    expect(await ask('DELETE', at)).toMatchObject({ status: 200, json: { closed: 1 } });
    expect((await laptop.closed).code).toBe(4202);
    expect((await ask('GET', at)).json['sessions']).toEqual([]);
    expect((await ask('DELETE', at)).json['closed']).toBe(0);
  });

  it('tells the story of a message that a backend sent', async () => {
    await group('told', ['bob']);
    const at = '/api/v1/conversations/told/messages';
    const message = { from: 'alice', key: 'k1', window: await windowOf('told'), body: 'b' };
    for (const status of [201, 200]) expect((await ask('POST', at, { body: message })).status).toBe(status);
    const { status, json } = await ask('GET', `${at}/2/story`);
    const steps = json['steps'] as readonly { readonly step: string; readonly known: string }[];
    expect([status, json['message']]).toMatchObject([200, { from: 'alice', device: null, n: 0, type: 'text' }]);
    expect(steps.find(({ step }) => step === 'accepted')).toMatchObject({ via: 'http', node: 'e2e', retries: 1 });
    expect(steps.slice(0, 5).map(({ known }) => known)).toEqual(Array.from({ length: 5 }, () => 'traced'));
    expect(await ask('GET', `${at}/3/story`)).toMatchObject({ status: 404, code: 'not_found' });
    expect(await ask('GET', `${at}/two/story`)).toMatchObject({ status: 400, code: 'bad_request' });
    expect(await ask('GET', `${at}/2/story?user=zoe`)).toMatchObject({ status: 404, code: 'not_found' });
    // What else may be done with it is in http-changes.e2e.test.ts.
    expect((await ask('PATCH', `${at}/2`, { body: { ...message, key: 'k2' } })).status).toBe(201);
    expect((await ask('DELETE', `${at}/2?as=alice`)).status).toBe(200);
    expect((await ask('POST', `${at}/2/recall`)).status).toBe(200);
    const nowhere = await ask('GET', '/api/v1/conversations/nowhere/messages/1/story');
    expect(nowhere).toMatchObject({ status: 404, code: 'not_found' });
  });

  it('tells of a cluster of one', async () => {
    const { json } = await ask('GET', '/api/v1/cluster');
    expect(json).toMatchObject({ asked: 'e2e', members: [{ name: 'e2e', owned: 16, draining: false }], unserved: [] });
  });

  it('(I11) lets a key do what its scope says, and nothing without one', async () => {
    await group('locked', ['bob']);
    const window = await windowOf('locked');
    const bodies: Readonly<Record<string, unknown>> = {
      createConversation: { creator: 'alice', kind: 'group' },
      addMembers: { users: ['bob'] },
      setRole: { role: 'member' },
      sendMessage: { from: 'alice', key: 'k', window, body: 'b' },
      editMessage: { from: 'alice', key: 'k', window, body: 'b' },
    };
    const open = new Set(['getHealth', 'getReadiness', 'getEndpoints']);
    for (const { id, method, path } of documentedOperations) {
      const at = path
        .replace('{conversation}', 'locked')
        .replace('{user}', 'bob')
        .replace('{session}', 's')
        .replace('{seq}', '1');
      const ask1 = (key: null | 'reader' | 'writer' | 'scraper' | { readonly unknown: string }) =>
        ask(method, at, { key, ...(bodies[id] === undefined ? {} : { body: bodies[id] }) });
      const without = await ask1(null);
      if (open.has(id)) {
        expect([id, without.status]).toEqual([id, 200]);
        continue;
      }
      expect([id, without.status, without.code]).toEqual([id, 401, 'unauthenticated']);
      expect(without.headers.get('www-authenticate')).toContain('Bearer');
      const unknown = await ask1({ unknown: 'a-key-that-nobody-has-01234567' });
      expect([id, unknown.status]).toEqual([id, 401]);
      const isWrite = method !== 'GET';
      const wrong = await ask1(isWrite ? 'reader' : 'writer');
      expect([id, wrong.status, wrong.code]).toEqual([id, 403, 'forbidden']);
      if (id === 'getMetrics') expect((await ask1('scraper')).status).toBe(200);
      else expect((await ask1('scraper')).status).toBe(403);
      if (id.toLowerCase().includes('session')) {
        for (const key of ['reader', 'writer'] as const) expect((await ask1(key)).status).toBe(403);
      }
    }
  });

  it('has no path beside the documented ones', async () => {
    const paths = [
      '/',
      '/api',
      '/api/v1',
      '/docs',
      '/metrics/',
      '/debug/pprof',
      '/api/v2/conversations',
      '/%2e%2e/etc',
    ];
    for (const path of paths) {
      for (const key of [null, 'admin'] as const)
        expect([path, (await ask('GET', path, { key })).status]).toEqual([path, 404]);
    }
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD']) {
      const response = await fetch(`${millrace.httpUrl}/healthz`, { method });
      await response.arrayBuffer();
      expect([method, response.status]).toEqual([method, 404]);
    }
  });

  it('names what is wrong with a request, and takes none that is too large or no JSON', async () => {
    await group('strict', ['bob']);
    const window = await windowOf('strict');
    const at = '/api/v1/conversations/strict/messages';
    const message = { from: 'bob', key: 'k', window, body: 'text' };
    const wrong: readonly (readonly [unknown, string])[] = [
      [{ ...message, from: 'no spaces' }, 'from'],
      [{ ...message, key: '' }, 'key'],
      [{ ...message, key: 'k'.repeat(65) }, 'key'],
      [{ ...message, window: -1 }, 'window'],
      [{ ...message, window: '1' }, 'window'],
      [{ ...message, body: 'half \ud800' }, 'body'],
      [{ ...message, bodyBase64: 'AAAA' }, 'body'],
      [{ ...message, type: 'control' }, 'type'],
      [{ ...message, surprise: 1 }, 'surprise'],
      [[], 'request'],
    ];
    for (const [body, field] of wrong) {
      const answer = await ask('POST', at, { body });
      expect([answer.status, answer.code]).toEqual([400, 'bad_request']);
      expect(answer.text).toContain(field);
    }
    const tooLong = await ask('POST', at, { body: { ...message, body: 'x'.repeat(32_769) } });
    expect(tooLong).toMatchObject({ status: 413, code: 'too_large' });
    const justFits = await ask('POST', at, { body: { ...message, body: 'é'.repeat(16_384) } });
    expect(justFits.status).toBe(201);
    const huge = await ask('POST', at, { rawBody: `{"body":"${'x'.repeat(1_100_000)}"}` });
    expect(huge).toMatchObject({ status: 413, code: 'too_large' });
    expect(await ask('POST', at, { rawBody: '{"from":' })).toMatchObject({ status: 400, code: 'bad_request' });
    expect((await ask('POST', at, { rawBody: '' })).status).toBe(400);
    const noJson = await ask('POST', at, { rawBody: 'a=b', headers: { 'content-type': 'text/plain' } });
    expect(noJson).toMatchObject({ status: 415, code: 'bad_request' });
    const polluted = await ask('POST', at, { rawBody: '{"__proto__":{"admin":true},"from":"bob"}' });
    expect(polluted.status).toBe(400);
    for (const path of ['%00', 'a'.repeat(200), '%ff', 'a%20b']) {
      expect([path, (await ask('GET', `/api/v1/conversations/${path}`)).status]).toEqual([path, 400]);
    }
    expect((await ask('GET', '/api/v1/conversations/strict/members?limit=0')).status).toBe(400);
    expect((await ask('GET', '/api/v1/conversations/strict/messages')).status).toBe(400);
  });

  it('tells a client where the sockets are, in the words of the address that it asked', async () => {
    const answer = await ask('GET', '/api/v1/endpoints', { key: null });
    expect(answer.json).toMatchObject({
      websocket: millrace.socketUrl,
      subprotocols: ['millrace.v1.bin', 'millrace.v1.json'],
    });
    expect(await ask('GET', '/readyz', { key: null })).toMatchObject({
      status: 200,
      json: { ready: true, reasons: [] },
    });
  });

  it('counts in /metrics what was done', async () => {
    const read = async () => parseMetrics((await ask('GET', '/metrics', { key: 'scraper' })).text);
    const before = await read();
    await group('counted', ['bob']);
    const bob = await session('bob', 'd-counted');
    for (let n = 1; n <= 10; n += 1) {
      const send = {
        t: 'send',
        conversation: 'counted' as ConversationId,
        n,
        sentAt: n,
        type: 'text',
        body: 'x',
      } as const;
      expect((await bob.request(send)).ok).toBe(true);
    }
    await bob.request({
      t: 'history',
      conversation: 'counted' as ConversationId,
      direction: 'forward',
      from: 1 as SequenceId,
    });
    expect((await ask('GET', '/api/v1/conversations/nowhere')).status).toBe(404);
    const after = await read();
    const rose = (name: string, labels = {}): number => sumOf(after, name, labels) - sumOf(before, name, labels);
    expect(rose('millrace_sockets_opened_total')).toBe(1);
    expect(rose('millrace_frames_in_total')).toBe(12);
    expect(rose('millrace_frames_out_total')).toBeGreaterThanOrEqual(12);
    expect(rose('millrace_commit_seconds_count', { answer: 'ok' })).toBeGreaterThanOrEqual(11);
    expect(rose('millrace_http_request_seconds_count', { operation: 'createConversation', status: '201' })).toBe(1);
    expect(rose('millrace_http_request_seconds_count', { operation: 'getConversation', status: '404' })).toBe(1);
    expect(sumOf(after, 'millrace_sockets_open')).toBe(sumOf(after, 'millrace_sessions'));
    expect(sumOf(after, 'millrace_partitions_serving')).toBe(16);
    expect(sumOf(after, 'millrace_redis_reachable')).toBe(1);
    expect(sumOf(after, 'process_resident_memory_bytes')).toBeGreaterThan(10_000_000);
    for (const { name, value } of after) if (name.startsWith('millrace_')) expect([name, value]).not.toContain(NaN);
  });

  it('answers what is no HTTP, and hangs up', async () => {
    const socket = connect({ port: Number(new URL(millrace.httpUrl).port), host: '127.0.0.1' });
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.write('NONSENSE\r\n\r\n');
    await once(socket, 'close');
    expect(Buffer.concat(chunks).toString()).toMatch(/^HTTP\/1\.1 400 .*"code":"bad_request"/s);
  });

  it('keeps order: settings, mutes, bans, blocks', async () => {
    await group('court', ['bob', 'carol']);
    const at = '/api/v1/conversations/court';
    const change = { title: 'The court', joinPolicy: 'open', slowModeMs: 5_000 };
    expect(await ask('PATCH', at, { body: change, key: 'writer' })).toMatchObject({ status: 200, json: { seq: 2 } });
    expect((await ask('GET', at)).json).toMatchObject({ ...change, muted: false, historyPolicy: 'all' });
    expect(await ask('PATCH', at, { body: {} })).toMatchObject({ status: 400, code: 'bad_request' });
    const until = 4_000_000_000_000;
    expect((await ask('PUT', `${at}/members/bob/mute`, { body: { until } })).status).toBe(200);
    const body = { from: 'bob', key: 'b1', window: await windowOf('court'), body: 'may I?' };
    expect(await ask('POST', `${at}/messages`, { body })).toMatchObject({ status: 403, code: 'muted' });
    expect((await ask('GET', `${at}/members?limit=2`)).json).toMatchObject({ members: [{}, { mutedUntil: until }] });
    expect((await ask('DELETE', `${at}/members/bob/mute`)).status).toBe(200);
    expect((await ask('POST', `${at}/messages`, { body })).status).toBe(201);
    const slow = await ask('POST', `${at}/messages`, { body: { ...body, key: 'b2' } });
    expect(slow).toMatchObject({ status: 429, code: 'slow_mode' });
    expect(Number(slow.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await ask('PUT', `${at}/bans/carol`)).status).toBe(200);
    expect((await ask('GET', `${at}/bans`, { key: 'reader' })).json).toMatchObject({ count: 1, users: ['carol'] });
    const added = await ask('POST', `${at}/members`, { body: { users: ['carol'] } });
    expect(added).toMatchObject({ status: 403, code: 'banned' });
    expect((await ask('DELETE', `${at}/bans/carol`)).status).toBe(200);
    expect((await ask('POST', `${at}/members`, { body: { users: ['carol'] } })).status).toBe(200);
    expect((await ask('PUT', '/api/v1/users/carol/blocks/bob')).json).toMatchObject({ blocked: true });
    const direct = { creator: 'bob', kind: 'direct', members: ['carol'] };
    expect(await ask('POST', '/api/v1/conversations', { body: direct })).toMatchObject({
      status: 403,
      code: 'blocked',
    });
    expect((await ask('DELETE', '/api/v1/users/carol/blocks/bob')).status).toBe(200);
    expect((await ask('POST', '/api/v1/conversations', { body: direct })).status).toBe(201);
  });

  it('says by how many a message was read, and by whom not', async () => {
    await group('heard', ['bob', 'carol']);
    const bob = await session('bob', 'phone');
    const at = { conversation: 'heard' as ConversationId, seq: 1 as SequenceId };
    // Reading begins with the entry of the join: the next one is the first to be read.
    const key = { from: 'alice', key: 'k', window: await windowOf('heard'), body: 'hello' };
    expect((await ask('POST', '/api/v1/conversations/heard/messages', { body: key })).status).toBe(201);
    expect((await bob.request({ t: 'read', ...at, seq: 2 as SequenceId })).ok).toBe(true);
    const path = '/api/v1/conversations/heard/messages/2/readers';
    expect(await ask('GET', path, { key: 'reader' })).toMatchObject({
      status: 200,
      json: { seq: 2, recipients: 2, delivered: 1, read: 1, users: [], next: null },
    });
    const unread = await ask('GET', `${path}?list=unread`);
    expect(unread.json).toMatchObject({ users: [{ user: 'carol', readSeq: 1, deliveredSeq: 1 }] });
    expect(await ask('GET', '/api/v1/conversations/heard/messages/3/readers')).toMatchObject({ code: 'not_found' });
  });

  it('makes a lobby a group, and ends another one', async () => {
    for (const conversation of ['~kept', '~over']) {
      const body = { creator: 'alice', kind: 'lobby', conversation };
      expect((await ask('POST', '/api/v1/conversations', { body })).status).toBe(201);
    }
    expect((await ask('POST', '/api/v1/conversations/~kept/promotion')).status).toBe(200);
    expect((await ask('GET', '/api/v1/conversations/~kept')).json).toMatchObject({ kind: 'group', diffusion: 'write' });
    expect((await ask('DELETE', '/api/v1/conversations/~over')).status).toBe(200);
    expect((await ask('GET', '/api/v1/conversations/~over')).status).toBe(404);
  });

  it('was asked for every documented operation, and each succeeded at least once', () => {
    const apart = /\/(export|import|forwards|thread|pins|reactions|revisions|search|data|erasure|scheduled|chain)\b/;
    for (const { method, path } of documentedOperations.filter(({ path }) => !apart.test(path))) {
      const statuses = observedStatuses().get(`${method} ${path}`);
      expect([path, [...(statuses ?? [])].some((status) => status < 300)]).toEqual([path, true]);
    }
  });
});
