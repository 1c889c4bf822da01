import { createHmac } from 'node:crypto';
import type { DeviceId, UserId } from '@millrace/kernel';

/** What the server expects in `aud` unless it was configured otherwise. */
const AUDIENCE = 'millrace';

export interface TokenClaims {
  readonly user: UserId;
  /** Makes the token good for this device only. */
  readonly device?: DeviceId;
  readonly issuedAtSeconds: number;
  readonly seconds: number;
}

const base64url = (text: string): string => Buffer.from(text).toString('base64url');

/** A JWT signed by HS256, for tools and tests that hold the server's secret. */
export function signToken(secret: string, { user, device, issuedAtSeconds, seconds }: TokenClaims): string {
  const header = base64url(JSON.stringify({ alg: 'HS256', typ: 'JWT' }));
  const claims = {
    sub: user,
    aud: AUDIENCE,
    iat: issuedAtSeconds,
    exp: issuedAtSeconds + seconds,
    ...(device === undefined ? {} : { device }),
  };
  const signed = `${header}.${base64url(JSON.stringify(claims))}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}
