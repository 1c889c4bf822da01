import { createHmac } from 'node:crypto';
import { SignJWT, type CryptoKey, type JWTPayload } from 'jose';
import { testSecret } from './test-tokens.ts';

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const nowSeconds = (): number => Math.floor(Date.now() / 1_000);

/** What a right token claims; a test changes what it wants wrong. */
export const rightClaims = (user: string): JWTPayload => ({
  sub: user,
  aud: 'millrace',
  iat: nowSeconds(),
  exp: nowSeconds() + 3_600,
});

/** Signed by HS256 with any bytes whatsoever as the secret, past any library that would refuse them. */
export function hs256(claims: object, secret: string = testSecret, header: object = { alg: 'HS256' }): string {
  const signed = `${encode(header)}.${encode(claims)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

/** A token that says that it needs no signature. */
export const unsigned = (claims: object, alg = 'none'): string => `${encode({ alg, typ: 'JWT' })}.${encode(claims)}.`;

export const es256 = (claims: JWTPayload, key: CryptoKey): Promise<string> =>
  new SignJWT(claims).setProtectedHeader({ alg: 'ES256' }).sign(key);

export { nowSeconds };
