import { once } from 'node:events';
import { testRedis } from '@millrace/local-redis/testing';
import { SignJWT } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { loadableEngines } from '../support/engines.ts';
import { startMillrace, type MillraceProcess } from '../support/millrace-process.ts';
import { testSecret, tokenEndingIn, tokenFor } from '../support/test-tokens.ts';
import { until } from '../support/until.ts';
import type { Connection, Encoding } from './connection.ts';
import { Harness, refusal } from './harness.ts';

const combinations = loadableEngines.flatMap((engine) =>
  (['json', 'bin'] as const).map((encoding) => ({ engine, encoding })),
);
const IDLE_MS = 1_500;

/** A token bound to one device. */
function boundToken(user: string, device: string): Promise<string> {
  return new SignJWT({ device })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(user)
    .setAudience('millrace')
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(testSecret));
}

/** Bytes that begin no record, or text that is no JSON: what cannot be cut into frames. */
function garbage(encoding: Encoding): string | Buffer {
  return encoding === 'json' ? '{"t":' : Buffer.from([0, 0, 0, 9, 0]);
}

async function strayError(connection: Connection): Promise<unknown> {
  await until('the error came', () => connection.strayErrors.length > 0);
  return connection.strayErrors.at(-1);
}

describe.each(combinations)('what docs/protocol.md says is refused, $engine, $encoding', ({ engine, encoding }) => {
  const redis = testRedis();
  let millrace: MillraceProcess;
  const harness = new Harness(() => millrace.socketUrl, encoding);

  beforeAll(async () => {
    millrace = await startMillrace(redis.url, {
      MILLRACE_SOCKET_ENGINE: engine,
      MILLRACE_IDLE_MS: String(IDLE_MS),
      MILLRACE_ORIGINS: 'https://chat.example.org',
    });
  });
  afterEach(() => harness.end());
  afterAll(async () => {
    expect(await millrace.stop()).toBe(0);
  });

  it('an upgrade without a known subprotocol, and one from a foreign origin, are refused', async () => {
    const wrong = new WebSocket(millrace.socketUrl, ['chat'], { perMessageDeflate: false });
    const [refused] = (await once(wrong, 'error')) as [Error];
    expect(refused.message).toMatch(/Unexpected server response: 4\d\d/);
    const foreign = new WebSocket(millrace.socketUrl, [`millrace.v1.${encoding}`], { origin: 'https://evil.example' });
    const outcome = await Promise.race([
      once(foreign, 'error').then(([error]) => (error as Error).message),
      once(foreign, 'close').then(([code]) => code as number),
    ]);
    expect(['Unexpected server response: 403', 4302]).toContain(outcome);
    const session = await harness.session('ann');
    await session.request('ping');
  });

  it('who is not authenticated gets an error, then the close code that tells what to do', async () => {
    const early = await harness.socket();
    expect(await refusal(early, 'ping', {})).toMatchObject({ code: 'unauthenticated', retry: 'token' });
    expect(await early.closed).toBe(4200);
    const [bad, old, bound] = [await harness.socket(), await harness.socket(), await harness.socket()];
    const device = 'phone-1';
    expect(await refusal(bad, 'connect', { token: 'a.b.c', device })).toMatchObject({
      ...{ code: 'unauthenticated', retry: 'token' },
    });
    expect(await bad.closed).toBe(4200);
    expect(await refusal(old, 'connect', { token: await tokenFor('ann', -60), device })).toMatchObject({
      ...{ code: 'token_expired', retry: 'token' },
    });
    expect(await old.closed).toBe(4201);
    expect(await refusal(bound, 'connect', { token: await boundToken('ann', 'other'), device })).toMatchObject({
      ...{ code: 'unauthenticated', retry: 'token' },
    });
    expect(await bound.closed).toBe(4200);
  });

  it('a session ends with its token, unless a fresh one of the same user came before', async () => {
    const [ending, refreshed] = [await harness.socket(), await harness.socket()];
    await ending.request('connect', { token: await tokenEndingIn('ann', 2), device: 'ending' });
    await refreshed.request('connect', { token: await tokenEndingIn('ann', 2), device: 'refreshed' });
    expect(await refusal(refreshed, 'refresh', { token: await tokenFor('bob') })).toMatchObject({
      ...{ code: 'forbidden', retry: 'never' },
    });
    await refreshed.request('refresh', { token: await tokenFor('ann') });
    const pinging = setInterval(() => {
      ending.send({ t: 'typing', conversation: 'tea' });
      refreshed.send({ t: 'typing', conversation: 'tea' });
    }, IDLE_MS / 3);
    expect(await ending.closed).toBe(4201);
    clearInterval(pinging);
    await refreshed.request('ping');
  });

  it('an idle socket is closed with 4102, one that pings in time is not', async () => {
    const silent = await harness.session('ann', 'silent');
    const pinging = await harness.device('ann', { device: 'pinging' });
    expect(pinging.session?.limits.idleMs).toBe(IDLE_MS);
    expect(await silent.closed).toBe(4102);
    expect(pinging.closes).toEqual([]);
    await pinging.request('ping');
  });

  it('a message that cannot be cut into frames is answered without an id, and closes with 4300', async () => {
    const broken = await harness.session('ann', 'broken');
    broken.raw(garbage(encoding));
    expect(await broken.closed).toBe(4300);
    expect(await strayError(broken)).toMatchObject({ code: 'bad_frame', retry: 'never' });
    expect(broken.strayErrors[0]).not.toHaveProperty('id');
    const many = await harness.session('ann', 'many');
    many.send(...Array.from({ length: 257 }, () => ({ t: 'typing', conversation: 'tea' })));
    expect(await many.closed).toBe(4300);
    const large = await harness.session('ann', 'large');
    large.send({ t: 'ping', id: 1, filler: 'x'.repeat(65_536) });
    expect(await large.closed).toBe(4301);
  });

  it('a frame that is wrong in itself is answered with its id, and the others of the message stand', async () => {
    const session = await harness.session('ann', 'wrong');
    session.send(
      { t: 'no-such', id: 4_000_000_001 },
      { t: 'history', id: 4_000_000_002, conversation: 'tea', direction: 'sideways' },
      { t: 'read', id: 4_000_000_003, conversation: 'no such id', seq: 1 },
      { t: 'read', id: 4_000_000_004, conversation: 'tea', seq: 0 },
    );
    await until('all are answered', () => session.strayErrors.length === 4);
    const errors = new Map(session.strayErrors.map((frame) => [frame.id, frame]));
    expect(errors.get(4_000_000_001)).toMatchObject({ code: 'bad_frame', retry: 'never' });
    expect(errors.get(4_000_000_002)).toMatchObject({ code: 'bad_request', retry: 'never' });
    expect(errors.get(4_000_000_002)?.message).toMatch(/direction.*sideways/);
    expect(errors.get(4_000_000_003)?.message).toMatch(/conversation/);
    expect(errors.get(4_000_000_004)?.message).toMatch(/seq/);
    await session.request('ping', { unknownField: { of: 'a later client' } });
    const half = { conversation: 'tea', n: 1, sentAt: 1, type: 'text', body: 'half of a pair: \ud83d' };
    if (encoding === 'json') expect(await refusal(session, 'send', half)).toMatchObject({ code: 'bad_request' });
  });

  it('nobody reads or changes what is not theirs (I11)', async () => {
    const [ann, eve] = [await harness.session('ann', 'phone'), await harness.session('eve', 'phone')];
    const [secret, open] = [`secret-${engine}-${encoding}`, `open-${engine}-${encoding}`];
    await ann.request('create', { kind: 'group', conversation: secret, members: [] });
    const conversation = secret;
    const send = { conversation, n: 1, sentAt: 1, type: 'text', body: 'hello' };
    for (const [t, fields] of [
      ['send', send],
      ['history', { conversation, direction: 'backward' }],
      ['members', { conversation }],
      ['read', { conversation, seq: 1 }],
      ['delivered', { conversation, seq: 1 }],
      ['leave', { conversation }],
    ] as const) {
      expect([t, await refusal(eve, t, fields)]).toMatchObject([t, { code: 'not_member', retry: 'never' }]);
    }
    expect(await refusal(eve, 'join', { conversation })).toMatchObject({ code: 'forbidden' });
    expect(await refusal(eve, 'invite', { conversation, users: ['eve'] })).toMatchObject({ code: 'not_member' });
    expect(await refusal(eve, 'kick', { conversation, users: ['ann'] })).toMatchObject({ code: 'not_member' });
    expect(await refusal(eve, 'create', { kind: 'group', conversation, members: [] })).toMatchObject({
      ...{ code: 'conflict', retry: 'never' },
    });
    const nowhere = { ...send, conversation: 'nowhere' };
    expect(await refusal(eve, 'send', nowhere)).toMatchObject({ code: 'not_found', retry: 'never' });
    const { token } = await ann.request('sync');
    expect(await refusal(eve, 'sync', { token })).toMatchObject({ code: 'bad_request', retry: 'never' });
    expect(await refusal(eve, 'sync', { token: 'nonsense' })).toMatchObject({ code: 'bad_request' });
    await ann.request('create', {
      kind: 'group',
      conversation: open,
      members: [],
      joinPolicy: 'open',
      historyPolicy: 'join',
    });
    await ann.request('send', { ...send, conversation: open });
    await eve.request('join', { conversation: open });
    const page = await eve.request('history', { conversation: open, direction: 'forward' });
    expect(page.messages.map(({ seq, type }) => [seq, type])).toEqual([[3, 'control']]);
  });

  it('a body over the limit is too_large, and every byte up to it is kept', async () => {
    const session = await harness.session('ann', 'bodies');
    const conversation = `bodies-${engine}-${encoding}`;
    await session.request('create', { kind: 'group', conversation, members: [] });
    const send = { conversation, n: 1, sentAt: 1, type: 'custom' };
    const bytes = Buffer.from(Array.from({ length: 32_768 }, (_, index) => index % 256));
    const over = Buffer.concat([bytes, Buffer.from([1])]).toString('base64');
    expect(await refusal(session, 'send', { ...send, bodyBase64: over })).toMatchObject({ code: 'too_large' });
    expect(await refusal(session, 'send', { ...send, body: 'é'.repeat(16_385) })).toMatchObject({ code: 'too_large' });
    await session.request('send', { ...send, bodyBase64: bytes.toString('base64') });
    await session.request('send', { ...send, n: 2, body: '' });
    const page = await session.request('history', { conversation, direction: 'forward', from: 2 });
    expect(page.messages).toMatchObject([{ bodyBase64: bytes.toString('base64') }, { body: '' }]);
  });
});
