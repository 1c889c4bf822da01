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
