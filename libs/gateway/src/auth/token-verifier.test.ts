import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { systemClock, systemTimers, type Result } from '@millrace/kernel';
import { SignJWT, UnsecuredJWT, type JWTPayload } from 'jose';
import { describe, expect, it } from 'vitest';
import { ManualTime } from '../testing/manual-time.ts';
import { MemoryLog } from '../testing/test-gateway.ts';
import { authConfigSchema, type AuthConfig } from './auth-config.ts';
import { createTokenVerifier, type TokenVerifier } from './token-verifier.ts';

const SECRET = 'a secret of more than thirty-two characters';
const secretKey = Buffer.from(SECRET);
const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const otherRsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const pem = (key: KeyObject): string => key.export({ type: 'spki', format: 'pem' }) as string;
const jwk = (key: KeyObject, kid: string, alg: string): object => ({ ...key.export({ format: 'jwk' }), kid, alg });

const time = new ManualTime();
const nowS = Math.floor(time.nowMs() / 1_000);

const settings = (key: object, more: object = {}): object => ({ key, audience: 'millrace', ...more });
const config = (key: object, more?: object): AuthConfig => authConfigSchema.parse(settings(key, more));

function valueOf<T>(outcome: Result<T, string>): T {
  if (!outcome.ok) throw new Error(outcome.error);
  return outcome.value;
}

const verifier = (key: object, more?: object): TokenVerifier =>
  valueOf(createTokenVerifier(config(key, more), { clock: time, timers: systemTimers, log: new MemoryLog() }));

const claims: JWTPayload = { sub: 'ann', aud: 'millrace', exp: nowS + 60 };

function sign(
  payload: JWTPayload,
  key: KeyObject | Uint8Array = secretKey,
  header: { readonly alg: string; readonly kid?: string } = { alg: 'HS256' },
): Promise<string> {
  return new SignJWT(payload).setProtectedHeader(header).sign(key);
}

/** The code of the refusal and its text, or the user. */
async function outcomeOf(checker: TokenVerifier, token: string): Promise<string> {
  const outcome = await checker.verify(token);
  if (outcome.ok) return outcome.value.user;
  expect(JSON.stringify(outcome.error)).not.toContain(token === '' ? 'no such text' : token);
  for (const part of token.split('.').filter(({ length }) => length > 8)) {
    expect(outcome.error.message).not.toContain(part);
  }
  return `${outcome.error.code}: ${outcome.error.message}`;
}

describe('a token signed by a secret', () => {
  const bySecret = verifier({ kind: 'secret', secret: SECRET });

  it('tells user, end and, when it has one, the device', async () => {
    expect(await bySecret.verify(await sign(claims))).toEqual({
      ok: true,
      value: { user: 'ann', device: null, expiresAtMs: (nowS + 65) * 1_000 },
    });
    expect(await bySecret.verify(await sign({ ...claims, device: 'phone' }))).toMatchObject({
      value: { device: 'phone' },
    });
  });

  it.each<[string, JWTPayload, string]>([
    ['that has expired', { ...claims, exp: nowS - 6 }, 'token_expired: the token has expired; get a new one'],
    ['for others', { ...claims, aud: 'others' }, 'unauthenticated: the claim aud of the token is not accepted'],
    ['for nobody', { sub: 'ann', exp: nowS + 9 }, 'unauthenticated: the token has no claim aud'],
    ['without an end', { sub: 'ann', aud: 'millrace' }, 'unauthenticated: the token has no claim exp'],
    ['without a user', { aud: 'millrace', exp: nowS + 9 }, 'unauthenticated: the token has no claim sub'],
    [
      'of a user who cannot be',
      { ...claims, sub: 'a b' },
      'unauthenticated: the claim sub of the token is not a user id',
    ],
    ['of later', { ...claims, nbf: nowS + 60 }, 'unauthenticated: the claim nbf of the token is not accepted'],
    ['of no device', { ...claims, device: 7 }, 'unauthenticated: the claim device of the token is not a device id'],
  ])('is refused %s', async (_which, payload, outcome) => {
    expect(await outcomeOf(bySecret, await sign(payload))).toBe(outcome);
  });

  it('is taken within the tolerance of clocks', async () => {
    expect(await outcomeOf(bySecret, await sign({ ...claims, exp: nowS - 3, nbf: nowS + 3 }))).toBe('ann');
  });

  it('is refused when it was signed by another, by nobody, or is none', async () => {
    expect(await outcomeOf(bySecret, await sign(claims, Buffer.alloc(32, 1)))).toMatch(/signature .* not valid/);
    expect(await outcomeOf(bySecret, new UnsecuredJWT(claims).encode())).toMatch(/^unauthenticated/);
    expect(await outcomeOf(bySecret, await sign(claims, secretKey, { alg: 'HS512' }))).toMatch(/algorithm/);
    for (const token of ['', 'x', 'a.b.c', '..', 'e30.e30.e30', 'x'.repeat(9_000)]) {
      expect(await outcomeOf(bySecret, token)).toMatch(/^unauthenticated: /);
    }
  });

  it('is refused when any part of it is another', async () => {
    const [header = '', payload = '', signature = ''] = (await sign(claims)).split('.');
    const others = (await sign({ ...claims, sub: 'eve' })).split('.');
    const headerOf = (given: object): string => Buffer.from(JSON.stringify(given)).toString('base64url');
    for (const token of [
      `${header}.${others[1] ?? ''}.${signature}`,
      `${header}.${payload}.${others[2] ?? ''}`,
      `${header}.${payload}.${signature.slice(0, -2)}`,
      `${header}.${payload}.${signature}AAAA`,
      `${header}.${payload}.${signature}.`,
      `${header}.${payload}.`,
      `${header}.${payload}`,
      `${headerOf({ alg: 'none' })}.${payload}.`,
      `${headerOf({ alg: 'none' })}.${payload}.${signature}`,
    ]) {
      expect(await outcomeOf(bySecret, token)).toMatch(/^unauthenticated: /);
    }
  });

  it('is refused with extensions that must be understood, though they were signed', async () => {
    for (const more of [
      { crit: ['b64'], b64: false },
      { crit: ['b64'], b64: true },
      { crit: ['x'], x: 1 },
    ]) {
      const header = Buffer.from(JSON.stringify({ alg: 'HS256', ...more })).toString('base64url');
      const payload = Buffer.from(JSON.stringify(claims)).toString('base64url');
      const signature = createHmac('sha256', SECRET).update(`${header}.${payload}`).digest('base64url');
      expect(await outcomeOf(bySecret, `${header}.${payload}.${signature}`)).toMatch(/^unauthenticated: /);
    }
  });

  it('must name the issuer when one is configured', async () => {
    const strict = verifier({ kind: 'secret', secret: SECRET }, { issuer: 'https://id.example.org' });
    expect(await outcomeOf(strict, await sign(claims))).toMatch(/no claim iss/);
    expect(await outcomeOf(strict, await sign({ ...claims, iss: 'https://evil.example.org' }))).toMatch(/claim iss/);
    expect(await outcomeOf(strict, await sign({ ...claims, iss: 'https://id.example.org' }))).toBe('ann');
  });
});

describe('a token signed by a private key', () => {
  it.each([
    ['RS256', rsa, ec, 'ES256'],
    ['ES256', ec, rsa, 'RS256'],
  ] as const)('is checked by the public key: %s', async (alg, pair, other, otherAlg) => {
    const byKey = verifier({ kind: 'publicKey', pem: pem(pair.publicKey) });
    expect(await outcomeOf(byKey, await sign(claims, pair.privateKey, { alg }))).toBe('ann');
    expect(await outcomeOf(byKey, await sign(claims, other.privateKey, { alg: otherAlg }))).toMatch(/^unauthenticated/);
    expect(await outcomeOf(byKey, await sign(claims, otherRsa.privateKey, { alg: 'RS256' }))).toMatch(
      /^unauthenticated/,
    );
  });

  it('cannot be made with the public key as a secret', async () => {
    const text = pem(rsa.publicKey);
    const byKey = verifier({ kind: 'publicKey', pem: text });
    for (const secret of [text, text.trim()]) {
      expect(await outcomeOf(byKey, await sign(claims, Buffer.from(secret)))).toMatch(/algorithm .* not accepted/);
    }
  });

  it('is checked by the key that it names, of several', async () => {
    const json = JSON.stringify({ keys: [jwk(rsa.publicKey, 'one', 'RS256'), jwk(ec.publicKey, 'two', 'ES256')] });
    const bySet = verifier({ kind: 'jwks', json });
    expect(await outcomeOf(bySet, await sign(claims, rsa.privateKey, { alg: 'RS256', kid: 'one' }))).toBe('ann');
    expect(await outcomeOf(bySet, await sign(claims, ec.privateKey, { alg: 'ES256', kid: 'two' }))).toBe('ann');
    expect(await outcomeOf(bySet, await sign(claims, rsa.privateKey, { alg: 'RS256', kid: 'three' }))).toMatch(
      /not known/,
    );
    expect(await outcomeOf(bySet, await sign(claims, otherRsa.privateKey, { alg: 'RS256', kid: 'one' }))).toMatch(
      /signature/,
    );
  });
});

describe('the configuration of tokens', () => {
  it.each([
    [settings({ kind: 'secret', secret: 'short' }), 'at least 32'],
    [settings({ kind: 'secret', secret: SECRET }, { algorithms: ['RS256'] }), 'RS256 needs public keys'],
    [settings({ kind: 'publicKey', pem: 'x' }, { algorithms: ['HS256'] }), 'HS256 needs a secret'],
    [settings({ kind: 'jwksUrl', url: 'file:///etc/keys' }), 'URL'],
    [settings({ kind: 'secret', secret: SECRET }, { algorithms: ['none'] }), 'HS256'],
    [{ key: { kind: 'secret', secret: SECRET } }, 'audience'],
  ])('refuses what would let others in', (given, text) => {
    const parsed = authConfigSchema.safeParse(given);
    expect(parsed.success).toBe(false);
    expect(JSON.stringify(parsed.error?.issues)).toContain(text);
  });

  it.each([
    ['text that is no key', { kind: 'publicKey', pem: 'hello' }, /no public key/],
    [
      'a private key',
      { kind: 'publicKey', pem: rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }) },
      /private key/,
    ],
    [
      'a key of another kind',
      { kind: 'publicKey', pem: pem(generateKeyPairSync('ed25519').publicKey) },
      /RSA key or an EC/,
    ],
    [
      'a curve that is not taken',
      { kind: 'publicKey', pem: pem(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey) },
      /P-256/,
    ],
    ['no key set', { kind: 'jwks', json: '{"keys":7}' }, /no JSON Web Key Set/],
    ['an empty key set', { kind: 'jwks', json: '{"keys":[]}' }, /no key/],
  ])('refuses %s, without showing it', (_what, key, text) => {
    const made = createTokenVerifier(config(key), { clock: systemClock, timers: systemTimers, log: new MemoryLog() });
    expect(made).toMatchObject({ ok: false, error: expect.stringMatching(text) as string });
    expect(JSON.stringify(made)).not.toContain('BEGIN');
  });

  it('refuses a key for an algorithm that is not taken', () => {
    const given = config({ kind: 'publicKey', pem: pem(ec.publicKey) }, { algorithms: ['RS256'] });
    const made = createTokenVerifier(given, { clock: systemClock, timers: systemTimers, log: new MemoryLog() });
    expect(made).toMatchObject({ ok: false, error: expect.stringContaining('ES256') as string });
  });
});
