import { testRedis } from '@millrace/local-redis/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { loadableEngines } from './support/engines.ts';
import { hs256, nowSeconds, rightClaims, unsigned } from './support/forged-tokens.ts';
import { startMillrace, type MillraceProcess } from './support/millrace-process.ts';
import { PlainSocket, type PlainFrame, type PlainSocketOptions } from './support/plain-socket.ts';
import { tokenFor } from './support/test-tokens.ts';

const FRAME_BYTES = 65_536;
const BODY_BYTES = 32_768;
const send = { t: 'send', conversation: 'tea', n: 1, sentAt: 1, type: 'text', body: 'x' };

/** A record of the binary encoding; `length` is what its header says of the payload. */
function record(
  kind: number,
  id: number,
  payload: Uint8Array,
  { length = payload.length, flags = 0 }: { readonly length?: number; readonly flags?: number } = {},
): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt32BE(length, 0);
  header.writeUInt8(kind, 4);
  header.writeUInt8(flags, 5);
  header.writeUInt32BE(id, 8);
  return Buffer.concat([header, payload]);
}

describe.each(loadableEngines)('what a hostile client sends to the real server on %s', (engine) => {
  const redis = testRedis();
  const sockets: PlainSocket[] = [];
  let millrace: MillraceProcess;

  const keep = (socket: PlainSocket): PlainSocket => {
    sockets.push(socket);
    return socket;
  };
  const open = async (options: PlainSocketOptions = {}): Promise<PlainSocket> =>
    keep(await PlainSocket.open(millrace.socketUrl, options));
  const connect = async (user: string, device = 'd', options: PlainSocketOptions = {}): Promise<PlainSocket> =>
    keep(await PlainSocket.connect(millrace.socketUrl, await tokenFor(user), device, options));
  /** The refusal that a socket is told before it is closed, and how. */
  const farewell = async (socket: PlainSocket, frame: PlainFrame = {}): Promise<readonly unknown[]> => {
    const error = await socket.until(({ t, id }) => t === 'error' && id === frame['id']);
    return [error['code'], (await socket.closed).code];
  };

  beforeAll(async () => {
    millrace = await startMillrace(redis.url, {
      MILLRACE_SOCKET_ENGINE: engine,
      MILLRACE_PARTITIONS: '8',
      MILLRACE_ORIGINS: 'https://chat.example.org',
      MILLRACE_SESSIONS_PER_USER_MAX: '3',
    });
  });
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.cut();
  });
  afterAll(async () => {
    await millrace.stop();
  });

  it('runs on the engine that was asked for', () => {
    expect(millrace.log()).toContain(`"engine":"${engine}"`);
  });

  const unreadable: readonly (readonly [string, PlainSocketOptions['encoding'], string | Uint8Array])[] = [
    ['no JSON', 'json', '{"t":"ping","id":1'],
    ['an empty text', 'json', ''],
    ['an empty array', 'json', '[]'],
    ['an array of too many frames', 'json', JSON.stringify(Array.from({ length: 257 }, () => ({ t: 'ping', id: 1 })))],
    ['a binary message over JSON', 'json', Buffer.from('{"t":"ping","id":1}')],
    ['a text message over binary', 'binary', '{"t":"ping","id":1}'],
    ['an empty binary message', 'binary', Buffer.alloc(0)],
    ['half of a record header', 'binary', Buffer.alloc(5)],
    [
      'a record that says it is longer than it is',
      'binary',
      record(0, 1, Buffer.from('{}'), { length: 4_000_000_000 }),
    ],
    [
      'bytes behind the last record',
      'binary',
      Buffer.concat([record(0, 1, Buffer.from('{"t":"ping","id":1}')), Buffer.alloc(3)]),
    ],
  ];

  it.each(unreadable)('%s is answered bad_frame, and the socket closed with 4300', async (_what, encoding, message) => {
    for (const isConnected of [true, false]) {
      const options = encoding === undefined ? {} : { encoding };
      const socket = isConnected ? await connect('mal', 'd', options) : await open(options);
      socket.send(message);
      expect(await farewell(socket)).toEqual(['bad_frame', 4300]);
    }
  });

  it('a frame that is wrong in itself is answered with its id, and the others of the message stand', async () => {
    const socket = await connect('mal');
    const wrong: readonly (readonly [PlainFrame, string, string])[] = [
      [{ t: 'explode', id: 1 }, 'bad_frame', 'explode'],
      [{ id: 2 }, 'bad_frame', ''],
      [{ ...send, id: 3, n: 0 }, 'bad_request', 'n'],
      [{ ...send, id: 4, n: 1.5 }, 'bad_request', 'n'],
      [{ ...send, id: 5, sentAt: -1 }, 'bad_request', 'sentAt'],
      [{ ...send, id: 6, type: 'control' }, 'bad_request', 'type'],
      [{ ...send, id: 7, conversation: 'no spaces' }, 'bad_request', 'conversation'],
      [{ ...send, id: 8, bodyBase64: 'AAAA' }, 'bad_request', 'body'],
      [{ ...send, id: 9, body: 'half \ud800 of a pair' }, 'bad_request', 'body'],
      [{ ...send, id: 10, body: 'x'.repeat(BODY_BYTES + 1) }, 'too_large', 'body'],
      [{ ...send, id: 11, body: undefined, type: 'image', bodyBase64: '!' }, 'bad_request', 'bodyBase64'],
      [{ t: 'sync', id: 12, limit: 1_001 }, 'bad_request', 'limit'],
      [{ t: 'history', id: 13, conversation: 'tea', direction: 'sideways' }, 'bad_request', 'direction'],
      [
        { t: 'create', id: 14, kind: 'group', members: Array.from({ length: 201 }, () => 'u') },
        'bad_request',
        'members',
      ],
      [{ t: 'create', id: 15, kind: 'group', members: ['\ud83d'] }, 'bad_request', 'members'],
      [{ t: 'create', id: 16, kind: 'group', title: 'x'.repeat(201), members: [] }, 'bad_request', 'title'],
      [{ t: 'connect', id: 17, token: 'x', device: 'd' }, 'bad_request', ''],
    ];
    for (const [frame, code, field] of wrong) {
      const id = Number(frame['id']);
      socket.send(JSON.stringify([frame, { t: 'ping', id: id + 1_000 }]));
      const refusal = await socket.until((answer) => answer['id'] === id);
      expect([id, refusal['t'], refusal['code']]).toEqual([id, 'error', code]);
      expect(refusal['message']).toContain(field);
      expect(String(refusal['message']).length).toBeLessThan(500);
      expect((await socket.until((answer) => answer['id'] === id + 1_000))['t']).toBe('pong');
    }
    expect(socket.isClosed).toBe(false);
  });

  it('a record that is wrong in itself is answered with its id, too', async () => {
    const socket = await connect('mal', 'd', { encoding: 'binary' });
    const wrong: readonly (readonly [Buffer, number, string])[] = [
      [record(9, 1, Buffer.alloc(0)), 1, 'bad_frame'],
      [record(0, 2, Buffer.from('{"t":"ping","id":2')), 2, 'bad_frame'],
      [record(1, 4, Buffer.from([200])), 4, 'bad_request'],
      // "tea", n 1, sentAt 1, type text, and a body that is said to be text and is no UTF-8.
      [record(1, 5, Buffer.from('03746561010101ff', 'hex'), { flags: 1 }), 5, 'bad_request'],
    ];
    for (const [bytes, id, code] of wrong) {
      socket.send(bytes);
      const refusal = await socket.until((answer) => answer['id'] === id);
      expect([id, refusal['t'], refusal['code']]).toEqual([id, 'error', code]);
    }
    expect((await socket.ask({ t: 'ping' }))['t']).toBe('pong');
  });

  it('a text message that is no UTF-8 ends the connection with 1007, and nothing else', async () => {
    const socket = await connect('mal');
    socket.sendAsText(Buffer.from([0x7b, 0xff, 0xfe, 0x7d]));
    expect([1006, 1007]).toContain((await socket.closed).code);
  });

  it('a message over the size limit is answered too_large and closed with 4301', async () => {
    for (const encoding of ['json', 'binary'] as const) {
      const socket = await connect('mal', 'd', { encoding });
      socket.send(encoding === 'json' ? 'x'.repeat(FRAME_BYTES + 1) : Buffer.alloc(FRAME_BYTES + 1));
      expect(await farewell(socket)).toEqual(['too_large', 4301]);
    }
    const before = await open();
    before.send(JSON.stringify({ t: 'connect', id: 1, token: 'x'.repeat(FRAME_BYTES), device: 'd' }));
    expect(await farewell(before)).toEqual(['too_large', 4301]);
  });

  it('(I9) one that is far over it is cut off before it is all read', async () => {
    const socket = await connect('mal');
    socket.send('x'.repeat(16 * FRAME_BYTES));
    expect([1006, 1009]).toContain((await socket.closed).code);
    expect(socket.frames.some(({ t }) => t === 'error')).toBe(false);
  });

  it('a message of exactly the size limit, and a body of exactly its own, are taken', async () => {
    const socket = await connect('just');
    await socket.ask({ t: 'create', kind: 'group', conversation: 'just', members: [] });
    const body = 'é'.repeat(BODY_BYTES / 2);
    const answer = await socket.ask({ ...send, conversation: 'just', body });
    expect(answer['t']).toBe('ack');
    const ping = '{"t":"ping","id":7}';
    socket.send(ping + ' '.repeat(FRAME_BYTES - ping.length));
    expect((await socket.until(({ id }) => id === 7))['t']).toBe('pong');
  });

  it('whoever does not say who they are is told so with the id, and closed with 4200', async () => {
    for (const frame of [
      { t: 'ping', id: 3 },
      { t: 'sync', id: 4 },
      { ...send, id: 5 },
    ]) {
      const socket = await open();
      socket.send(JSON.stringify(frame));
      expect(await farewell(socket, frame)).toEqual(['unauthenticated', 4200]);
      expect(socket.frames).toHaveLength(1);
    }
  });

  it('frames that do not wait for `connected` are refused, and the connect stands', async () => {
    const socket = await open();
    const hello = { t: 'connect', id: 1, token: await tokenFor('hasty'), device: 'd' };
    socket.send(JSON.stringify([hello, { t: 'ping', id: 2 }]));
    expect(await socket.until(({ id }) => id === 2)).toMatchObject({ t: 'error', code: 'unauthenticated' });
    expect((await socket.until(({ id }) => id === 1))['t']).toBe('connected');
    expect((await socket.ask({ t: 'ping' }))['t']).toBe('pong');
  });

  const claims = rightClaims('ann');
  const tokens: readonly (readonly [string, string, string, number])[] = [
    ['no token at all', 'this-is-no-token', 'unauthenticated', 4200],
    ['a bad signature', hs256(claims, 'another-secret-of-enough-characters-12'), 'unauthenticated', 4200],
    [
      'a changed payload',
      hs256(claims).replace(/\.[^.]+\./, `.${Buffer.from('{"sub":"root"}').toString('base64url')}.`),
      'unauthenticated',
      4200,
    ],
    ['alg none', unsigned(claims), 'unauthenticated', 4200],
    ['alg NONE', unsigned(claims, 'NONE'), 'unauthenticated', 4200],
    ['another algorithm', hs256(claims, undefined, { alg: 'HS512' }), 'unauthenticated', 4200],
    ['a critical extension', hs256(claims, undefined, { alg: 'HS256', crit: ['x'], x: 1 }), 'unauthenticated', 4200],
    ['another audience', hs256({ ...claims, aud: 'elsewhere' }), 'unauthenticated', 4200],
    ['no audience', hs256({ ...claims, aud: undefined }), 'unauthenticated', 4200],
    ['no expiry', hs256({ ...claims, exp: undefined }), 'unauthenticated', 4200],
    ['an expiry that is a text', hs256({ ...claims, exp: 'never' }), 'unauthenticated', 4200],
    ['an expired one', hs256({ ...claims, exp: nowSeconds() - 60 }), 'token_expired', 4201],
    ['one that is not valid yet', hs256({ ...claims, nbf: nowSeconds() + 600 }), 'unauthenticated', 4200],
    ['no user', hs256({ ...claims, sub: undefined }), 'unauthenticated', 4200],
    ['a user that is no id', hs256({ ...claims, sub: 'no spaces' }), 'unauthenticated', 4200],
    ['a user that is no text', hs256({ ...claims, sub: { $gt: '' } }), 'unauthenticated', 4200],
    ['a token of another device', hs256({ ...claims, device: 'phone' }), 'unauthenticated', 4200],
  ];

  it.each(tokens)('(I11) %s does not let anyone in', async (_what, token, code, close) => {
    const socket = await open();
    socket.send(JSON.stringify({ t: 'connect', id: 9, token, device: 'laptop' }));
    expect(await farewell(socket, { id: 9 })).toEqual([code, close]);
    expect(socket.frames).toHaveLength(1);
    expect(String(socket.frames[0]?.['message'])).not.toContain(token);
    expect(millrace.log()).not.toContain(token.split('.').at(-1) || 'no signature');
  });

  it('(I11) a refresh changes neither user nor device, and a session ends with its token', async () => {
    const ends = hs256({ ...rightClaims('brief'), exp: nowSeconds() - 4, device: 'd' });
    const socket = keep(await PlainSocket.connect(millrace.socketUrl, ends, 'd'));
    const refreshed = (token: string) => socket.ask({ t: 'refresh', token });
    expect(await refreshed(await tokenFor('other'))).toMatchObject({ t: 'error', code: 'forbidden' });
    expect(await refreshed(hs256({ ...rightClaims('brief'), device: 'e' }))).toMatchObject({ code: 'unauthenticated' });
    expect((await socket.closed).code).toBe(4201);
    const kept = keep(
      await PlainSocket.connect(millrace.socketUrl, hs256({ ...rightClaims('brief'), exp: nowSeconds() - 4 }), 'd'),
    );
    expect((await kept.ask({ t: 'refresh', token: await tokenFor('brief') }))['t']).toBe('ok');
    // Its first token is over by then, as that of the one before.
    const other = keep(
      await PlainSocket.connect(millrace.socketUrl, hs256({ ...claims, sub: 'brief', exp: nowSeconds() - 4 }), 'e'),
    );
    expect((await other.closed).code).toBe(4201);
    expect((await kept.ask({ t: 'ping' }))['t']).toBe('pong');
    expect(kept.isClosed).toBe(false);
  });

  it('(I11) a stranger is refused by every request about a conversation', async () => {
    const owner = await connect('owner');
    await owner.ask({ t: 'create', kind: 'group', conversation: 'closed', members: ['friend'] });
    const eve = await connect('eve');
    const at = { conversation: 'closed' };
    const frames: readonly PlainFrame[] = [
      { ...send, ...at },
      { t: 'history', direction: 'forward', ...at },
      { t: 'members', ...at },
      { t: 'join', ...at },
      { t: 'leave', ...at },
      { t: 'invite', users: ['eve'], ...at },
      { t: 'kick', users: ['owner'], ...at },
      { t: 'role', user: 'eve', role: 'owner', ...at },
      { t: 'read', seq: 1, ...at },
      { t: 'delivered', seq: 1, ...at },
    ];
    // These ask for a right that not every member has either.
    const roles: ReadonlySet<unknown> = new Set(['join', 'role']);
    for (const frame of frames) {
      const answer = await eve.ask({ ...frame, as: 'owner', sub: 'owner' });
      expect([frame['t'], answer['t']]).toEqual([frame['t'], 'error']);
      expect([frame['t'], answer['code']]).toEqual([frame['t'], roles.has(frame['t']) ? 'forbidden' : 'not_member']);
      const nowhere = await eve.ask({ ...frame, conversation: 'nowhere' });
      expect([frame['t'], nowhere['code']]).toEqual([frame['t'], 'not_found']);
    }
    const alien = await owner.ask({ t: 'sync' });
    const stolen = await eve.ask({ t: 'sync', token: alien['token'] });
    expect(stolen).toMatchObject({ t: 'error', code: 'bad_request' });
  });

  it('a page of another origin gets no socket, nor does who offers no known subprotocol or comes elsewhere', async () => {
    const known = ['millrace.v1.json'];
    const status = (protocols: readonly string[], headers = {}, path = '') =>
      PlainSocket.upgradeStatus(`${millrace.socketUrl}${path}`, protocols, { headers });
    expect(await status(known, { Origin: 'https://evil.example.org' })).toBe(403);
    expect(await status(known, { Origin: 'null' })).toBe(403);
    expect(await status(known, { Origin: 'https://chat.example.org.evil.org' })).toBe(403);
    expect(await status(known, { Origin: 'https://chat.example.org' })).toBeNull();
    expect(await status(known)).toBeNull();
    expect(await status(['millrace.v2.json'])).toBe(400);
    expect(await status([])).toBe(400);
    expect(await status(known, {}, '/elsewhere')).toBe(404);
    expect(await status(['chat', 'millrace.v1.bin', 'millrace.v1.json'])).toBeNull();
    const plain = await fetch(millrace.socketUrl.replace('ws:', 'http:'));
    await plain.arrayBuffer();
    expect(plain.status).toBe(426);
  });

  it('no extension is negotiated, whatever is offered', async () => {
    const socket = await open({ perMessageDeflate: true });
    expect(socket.extensions).toBe('');
  });

  it('(I9) a user has a bounded number of sessions: one more is told limit_reached and closed with 4101', async () => {
    for (const device of ['one', 'two', 'three']) await connect('many', device);
    const socket = await open();
    socket.send(JSON.stringify({ t: 'connect', id: 1, token: await tokenFor('many'), device: 'four' }));
    expect(await farewell(socket, { id: 1 })).toEqual(['limit_reached', 4101]);
    const again = await connect('many', 'two');
    expect((await again.ask({ t: 'ping' }))['t']).toBe('pong');
  });

  it('the same device a second time replaces the first, which is closed with 4303', async () => {
    const first = await connect('twice');
    const second = await connect('twice');
    expect((await first.closed).code).toBe(4303);
    expect((await second.ask({ t: 'ping' }))['t']).toBe('pong');
    const race = await Promise.allSettled(Array.from({ length: 8 }, () => connect('twice')));
    const winners = race.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const last = await connect('twice');
    for (const loser of winners) expect((await loser.closed).code).toBe(4303);
    expect((await last.ask({ t: 'ping' }))['t']).toBe('pong');
  });

  it('a socket on which nobody connects is closed with 4103 after the handshake time-out', async () => {
    const socket = await open();
    expect(await farewell(socket)).toEqual(['unauthenticated', 4103]);
  });
});
