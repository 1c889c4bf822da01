import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { err, ok, systemTimers, type Result } from '@millrace/kernel';
import { SignJWT } from 'jose';
import { afterEach, describe, expect, it } from 'vitest';
import { ManualTime } from '../testing/manual-time.ts';
import { MemoryLog } from '../testing/test-gateway.ts';
import { authConfigSchema } from './auth-config.ts';
import { fetchJwks } from './fetch-jwks.ts';
import { RemoteKeys } from './key-source.ts';
import { JwtVerifier } from './token-verifier.ts';

const config = authConfigSchema.parse({
  key: { kind: 'jwksUrl', url: 'https://id.example.org/keys' },
  audience: 'millrace',
});
const pairs = new Map(['one', 'two'].map((kid) => [kid, generateKeyPairSync('ec', { namedCurve: 'P-256' })]));

function jwks(...kids: string[]): string {
  return JSON.stringify({
    keys: kids.map((kid) => ({ ...pairs.get(kid)?.publicKey.export({ format: 'jwk' }), kid, alg: 'ES256' })),
  });
}

function tokenBy(kid: string, time: ManualTime, named = kid): Promise<string> {
  const key = pairs.get(kid)?.privateKey;
  if (key === undefined) throw new Error(`no key ${kid}`);
  const exp = Math.floor(time.nowMs() / 1_000) + 3_600;
  return new SignJWT({ sub: 'ann', aud: 'millrace', exp }).setProtectedHeader({ alg: 'ES256', kid: named }).sign(key);
}

describe('keys at an address', () => {
  const time = new ManualTime();
  const log = new MemoryLog();
  let answer: Result<string, string> = ok(jwks('one'));
  let asked = 0;
  const keys = new RemoteKeys(config, {
    clock: time,
    log,
    fetch: () => {
      asked += 1;
      return Promise.resolve(answer);
    },
  });
  const verifier = new JwtVerifier(config, keys, time);
  const codeOf = async (token: string): Promise<string> => {
    const outcome = await verifier.verify(token);
    return outcome.ok ? 'ok' : outcome.error.code;
  };

  it('are fetched when needed, kept, fetched anew for an unknown one, and not more often than the cool-down', async () => {
    answer = err('no answer');
    expect(await codeOf(await tokenBy('one', time))).toBe('unavailable');
    expect(await codeOf(await tokenBy('one', time))).toBe('unavailable');
    expect(asked).toBe(1);

    answer = ok(jwks('one'));
    await time.advance(config.jwksCooldownMs);
    const outcomes = await Promise.all(Array.from({ length: 20 }, async () => codeOf(await tokenBy('one', time))));
    expect(new Set(outcomes)).toEqual(new Set(['ok']));
    expect(asked).toBe(2);

    // A new key of the issuer, at once and within the cool-down, then after it.
    answer = ok(jwks('one', 'two'));
    expect(await codeOf(await tokenBy('two', time))).toBe('unauthenticated');
    expect(asked).toBe(2);
    await time.advance(config.jwksCooldownMs);
    expect(await codeOf(await tokenBy('two', time))).toBe('ok');
    expect(asked).toBe(3);

    // Names that nobody has cost no requests.
    for (let index = 0; index < 50; index += 1) {
      expect(await codeOf(await tokenBy('one', time, `unknown-${String(index)}`))).toBe('unauthenticated');
    }
    expect(asked).toBe(3);

    // Grown old while the issuer is away: still in use, and the operator is told.
    answer = err('no answer');
    await time.advance(config.jwksMaxAgeMs + 1);
    expect(await codeOf(await tokenBy('two', time))).toBe('ok');
    expect(asked).toBe(4);
    expect(log.lines.at(-1)).toContain('"keptOld":true');

    // A key that was taken back is not accepted any more.
    answer = ok(jwks('two'));
    await time.advance(config.jwksMaxAgeMs + 1);
    expect(await codeOf(await tokenBy('one', time))).toBe('unauthenticated');
  });
});

describe('fetching keys', () => {
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.close();
      server.closeAllConnections();
    }
  });

  async function serve(handler: Parameters<typeof createServer>[1]): Promise<string> {
    const server = createServer(handler as never);
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/keys`;
  }

  it('brings the text', async () => {
    const url = await serve((_request: unknown, response: { end(text: string): void }) => {
      response.end(jwks('one'));
    });
    expect(await fetchJwks(url, 5_000, systemTimers)).toEqual(ok(jwks('one')));
  });

  it.each([
    ['an error', 500, '', /answered 500/],
    ['a redirect', 302, '', /.+/],
    ['too long an answer', 200, 'x'.repeat(300_000), /over 262144 bytes/],
  ])('refuses %s', async (_what, status, body, text) => {
    const url = await serve(((
      _request: unknown,
      response: { writeHead(s: number, h: object): { end(b: string): void } },
    ) => {
      response.writeHead(status, { Location: 'http://127.0.0.1:1/' }).end(body);
    }) as never);
    expect(await fetchJwks(url, 5_000, systemTimers)).toMatchObject({
      ok: false,
      error: expect.stringMatching(text) as string,
    });
  });

  it('waits no longer than it may', async () => {
    const url = await serve(() => undefined);
    expect(await fetchJwks(url, 50, systemTimers)).toEqual(err('no answer within 50 ms'));
  });
});
