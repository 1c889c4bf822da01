import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { testRedis } from '@millrace/local-redis/testing';
import { exportSPKI, generateKeyPair, type CryptoKey } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadableEngines } from './support/engines.ts';
import { es256, hs256, rightClaims, unsigned } from './support/forged-tokens.ts';
import { startMillrace, type MillraceProcess } from './support/millrace-process.ts';
import { PlainSocket, type PlainFrame } from './support/plain-socket.ts';
import { tokenFor } from './support/test-tokens.ts';

describe.each(loadableEngines)('a real server on %s with narrow limits', (engine) => {
  const redis = testRedis();
  let millrace: MillraceProcess;

  beforeAll(async () => {
    millrace = await startMillrace(redis.url, {
      MILLRACE_SOCKET_ENGINE: engine,
      MILLRACE_PARTITIONS: '4',
      MILLRACE_FRAMES_PER_SECOND: '10',
      MILLRACE_IDLE_MS: '1000',
      MILLRACE_CONNECTS_PER_SECOND: '2',
      MILLRACE_SOCKETS_PER_IP_MAX: '8',
    });
  });
  afterAll(async () => {
    await millrace.stop();
  });

  it('(I9) answers every frame over the rates of session and user, and closes with 4104 who goes on', async () => {
    const token = await tokenFor('fast');
    const socket = await PlainSocket.connect(millrace.socketUrl, token, 'one');
    const burst = async (sender: PlainSocket, from: number): Promise<readonly PlainFrame[]> => {
      const ids = Array.from({ length: 60 }, (_, index) => from + index);
      sender.send(JSON.stringify(ids.map((id) => ({ t: 'ping', id }))));
      return Promise.all(ids.map((id) => sender.until((answer) => answer['id'] === id)));
    };
    const answers = await burst(socket, 1);
    const refused = answers.filter(({ t }) => t === 'error');
    // 20 at once, and what came in again meanwhile.
    expect(answers.length - refused.length).toBeGreaterThanOrEqual(20);
    expect(refused.length).toBeGreaterThanOrEqual(30);
    for (const one of refused) {
      expect(one).toMatchObject({ code: 'rate_limited', retry: 'later' });
      expect(Number(one['retryAfterMs'])).toBeGreaterThan(0);
    }
    // The user's own bucket is that of two sessions: the third gets less than a session's burst.
    const others = [
      await PlainSocket.connect(millrace.socketUrl, token, 'two'),
      await PlainSocket.connect(millrace.socketUrl, token, 'three'),
    ];
    const taken: number[] = [];
    for (const other of others) taken.push((await burst(other, 1)).filter(({ t }) => t === 'pong').length);
    expect(taken[1]).toBeLessThan(20);
    for (let from = 1_000; !socket.isClosed && from < 20_000; from += 250) {
      socket.send(JSON.stringify(Array.from({ length: 250 }, (_, index) => ({ t: 'ping', id: from + index }))));
    }
    expect((await socket.closed).code).toBe(4104);
    for (const other of others) other.cut();
  });

  it('closes with 4102 who says nothing, and not who pings', async () => {
    const [quiet, pinging] = [
      await PlainSocket.connect(millrace.socketUrl, await tokenFor('quiet'), 'd'),
      await PlainSocket.connect(millrace.socketUrl, await tokenFor('pinging'), 'd'),
    ];
    const limits = quiet.frames[0]?.['limits'] as { readonly idleMs: number };
    expect(limits.idleMs).toBe(1_000);
    const pings = setInterval(() => {
      pinging.send('{"t":"ping","id":1}');
    }, 300);
    expect((await quiet.closed).code).toBe(4102);
    clearInterval(pings);
    expect(pinging.isClosed).toBe(false);
    pinging.cut();
  });

  it('(I9) refuses an address that opens sockets too fast, or too many, with 429', async () => {
    const protocols = ['millrace.v1.json'];
    const statuses: (number | null)[] = [];
    for (let index = 0; index < 40; index += 1)
      statuses.push(await PlainSocket.upgradeStatus(millrace.socketUrl, protocols));
    expect(statuses).toContain(429);
    expect(new Set(statuses)).toEqual(new Set([null, 429]));
  });
});

describe.each(loadableEngines)('a real server on %s that checks tokens by a public key', (engine) => {
  const redis = testRedis();
  const dir = mkdtempSync(join(tmpdir(), 'millrace-e2e-'));
  let millrace: MillraceProcess;
  let publicPem = '';
  let privateKey: CryptoKey;

  beforeAll(async () => {
    const pair = await generateKeyPair('ES256');
    ({ privateKey } = pair);
    publicPem = await exportSPKI(pair.publicKey);
    writeFileSync(join(dir, 'key.pem'), publicPem);
    millrace = await startMillrace(redis.url, {
      MILLRACE_SOCKET_ENGINE: engine,
      MILLRACE_PARTITIONS: '4',
      MILLRACE_JWT_SECRET: '',
      MILLRACE_JWT_PUBLIC_KEY_FILE: join(dir, 'key.pem'),
    });
  });
  afterAll(async () => {
    await millrace.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  it('(I11) takes what its key pair signed, and no HS256 that was signed with the public key', async () => {
    const good = await es256(rightClaims('ann'), privateKey);
    const ann = await PlainSocket.connect(millrace.socketUrl, good, 'd');
    ann.cut();
    const claims = rightClaims('ann');
    const forged = [publicPem, publicPem.trim(), publicPem.replaceAll('\n', '')].map((secret) => hs256(claims, secret));
    for (const token of [...forged, unsigned(claims), hs256(claims), await tokenFor('ann')]) {
      const socket = await PlainSocket.open(millrace.socketUrl);
      const answer = await socket.ask({ t: 'connect', token, device: 'd' });
      expect(answer).toMatchObject({ t: 'error', code: 'unauthenticated', retry: 'token' });
      expect((await socket.closed).code).toBe(4200);
    }
  });
});
