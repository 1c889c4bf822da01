import { describe, expect, it } from 'vitest';
import { socketUrlOf } from './node-parts.ts';
import { readServerConfig, type Environment } from './server-config.ts';

function urlFor(env: Environment): string {
  const read = readServerConfig(env);
  if (!read.ok) throw new Error(read.error.join());
  return socketUrlOf(read.value.config);
}

const production = {
  MILLRACE_MODE: 'production',
  REDIS_URL: 'redis://127.0.0.1:6379',
  MILLRACE_JWT_SECRET: 'a-secret-of-thirty-two-characters-or-more',
  MILLRACE_API_KEYS: 'a:read:a-key-of-enough-characters',
};

describe('the socket address that a node tells the others', () => {
  it('is the public one, else that of its own port', () => {
    expect(urlFor({ MILLRACE_SOCKET_URL: 'wss://chat.example.org' })).toBe('wss://chat.example.org');
    expect(urlFor({ MILLRACE_PORT: '8000' })).toBe('ws://127.0.0.1:8001');
    expect(urlFor({ MILLRACE_HOST: '::1', MILLRACE_SOCKET_PORT: '9000' })).toBe('ws://[::1]:9000');
  });

  it('is none without sockets, and where there is no address that others could go to', () => {
    expect(urlFor({ MILLRACE_ROLES: 'actors', MILLRACE_SOCKET_URL: 'wss://chat.example.org' })).toBe('');
    expect(urlFor({ MILLRACE_PORT: '0' })).toBe('');
    expect(urlFor({ ...production, MILLRACE_HOST: '0.0.0.0' })).toBe('');
    expect(urlFor({ ...production, MILLRACE_HOST: '0.0.0.0', MILLRACE_SOCKET_URL: 'wss://a.example' })).toBe(
      'wss://a.example',
    );
  });
});
