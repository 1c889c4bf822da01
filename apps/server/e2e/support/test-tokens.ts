import { SignJWT } from 'jose';

export const testSecret = 'a-secret-for-tests-only-0123456789abcdef';
export const testApiKey = 'a-key-for-tests-only-0123456789';

/** A token as an identity provider of the deployment would issue it. */
export function tokenFor(user: string, ttlSeconds = 3600): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({})
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(user)
    .setAudience('millrace')
    .setIssuedAt(now)
    .setExpirationTime(now + ttlSeconds)
    .sign(new TextEncoder().encode(testSecret));
}

/** For so long the server takes a token that is over, because clocks differ. */
const GRACE_SECONDS = 5;

/** A token that the server takes for so many seconds, and no longer. */
export function tokenEndingIn(user: string, seconds: number): Promise<string> {
  return tokenFor(user, seconds - GRACE_SECONDS);
}
