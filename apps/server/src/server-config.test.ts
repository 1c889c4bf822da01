import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { variablesTable } from './config/variables-table.ts';
import { variables } from './config/variables.ts';
import { processNames, readServerConfig, type Environment } from './server-config.ts';

const production: Environment = {
  MILLRACE_MODE: 'production',
  REDIS_URL: 'redis://redis.internal:6379',
  MILLRACE_JWT_SECRET_FILE: '/run/secrets/jwt',
  MILLRACE_API_KEYS_FILE: '/run/secrets/keys',
};

function configOf(env: Environment) {
  const read = readServerConfig(env);
  if (!read.ok) throw new Error(read.error.join('\n'));
  return read.value.config;
}

function problemsOf(env: Environment): string {
  const read = readServerConfig(env);
  if (read.ok) throw new Error('the configuration was taken');
  return read.error.join('\n');
}

describe('the configuration', () => {
  it('needs nothing in development mode', () => {
    expect(configOf({})).toMatchObject({
      mode: 'development',
      host: '127.0.0.1',
      port: 7400,
      socketPort: 7401,
      socketEngine: 'auto',
      redisUrl: null,
      dataDir: '.millrace',
      partitions: 64,
      ackLevel: 'memory',
      jwtAudience: 'millrace',
      logFormat: 'text',
    });
  });

  it('reads every variable', () => {
    const config = configOf({
      ...production,
      MILLRACE_HOST: '0.0.0.0',
      MILLRACE_PORT: '80',
      MILLRACE_SOCKET_PORT: '443',
      MILLRACE_SOCKET_URL: 'wss://chat.example.org',
      MILLRACE_SOCKET_ENGINE: 'ws',
      MILLRACE_PARTITIONS: '16',
      MILLRACE_ACK: 'disk',
      MILLRACE_JWT_ALGORITHMS: 'HS256',
      MILLRACE_ENDPOINTS_NEED_KEY: 'yes',
      MILLRACE_ORIGINS: 'https://a.example, https://b.example:8443',
      MILLRACE_TRUSTED_PROXIES: '10.0.0.0/8,::1',
      MILLRACE_LOG_LEVEL: 'warn',
      MILLRACE_NODE_NAME: 'chat-1',
    });
    expect(config).toMatchObject({
      host: '0.0.0.0',
      port: 80,
      socketPort: 443,
      socketUrl: 'wss://chat.example.org',
      socketEngine: 'ws',
      partitions: 16,
      ackLevel: 'disk',
      jwtAlgorithms: ['HS256'],
      endpointsNeedKey: true,
      origins: ['https://a.example', 'https://b.example:8443'],
      trustedProxies: ['10.0.0.0/8', '::1'],
      logLevel: 'warn',
      logFormat: 'json',
      nodeName: 'chat-1',
    });
  });

  it('takes the Redis under both of its names, but not two different ones', () => {
    expect(configOf({ MILLRACE_REDIS_URL: 'redis://a:1' }).redisUrl).toBe('redis://a:1');
    expect(configOf({ REDIS_URL: 'redis://a:1', MILLRACE_REDIS_URL: 'redis://a:1' }).redisUrl).toBe('redis://a:1');
    const problems = problemsOf({ REDIS_URL: 'redis://:pw@a:1', MILLRACE_REDIS_URL: 'redis://b:1' });
    expect(problems).toContain('REDIS_URL and MILLRACE_REDIS_URL');
    expect(problems).not.toContain('pw');
  });

  it('gives free ports to sockets as to HTTP', () => {
    expect(configOf({ MILLRACE_PORT: '0' })).toMatchObject({ port: 0, socketPort: 0 });
    expect(configOf({ MILLRACE_PORT: '8000' }).socketPort).toBe(8001);
  });

  it.each([
    ['MILLRACE_MODE', 'prod', '`development`, `production`'],
    ['MILLRACE_PORT', '65536', 'from 0 to 65,535'],
    ['MILLRACE_PORT', '-1', 'from 0 to 65,535'],
    ['MILLRACE_PORT', '7400.5', 'a whole number'],
    ['MILLRACE_PORT', 'http', 'a whole number'],
    ['MILLRACE_PORT', '0x10', 'a whole number'],
    ['MILLRACE_SOCKET_PORT', '70000', 'from 0 to 65,535'],
    ['MILLRACE_SOCKET_ENGINE', 'uWS', '`auto`, `uws`, `ws`'],
    ['MILLRACE_HOST', 'a b', 'an address or host name'],
    ['MILLRACE_PARTITIONS', '0', 'from 1 to 4,096'],
    ['MILLRACE_ACK', 'ram', '`memory`, `disk`'],
    ['MILLRACE_JWT_ALGORITHMS', 'none', '`HS256`'],
    ['MILLRACE_JWT_JWKS_URL', 'http://keys.example.org', 'https://'],
    ['MILLRACE_ORIGINS', 'chat.example.org', 'an origin such as'],
    ['MILLRACE_ORIGINS', 'https://chat.example.org/', 'an origin such as'],
    ['MILLRACE_TRUSTED_PROXIES', '10.0.0.0/33', 'CIDR'],
    ['MILLRACE_ENDPOINTS_NEED_KEY', 'true', '`yes`, `no`'],
    ['MILLRACE_LOG_LEVEL', 'trace', '`debug`'],
    ['MILLRACE_NODE_NAME', 'a/b', '1 to 40'],
    ['MILLRACE_LEASE_MS', '10', 'from 1,000 to 600,000'],
  ])('refuses %s=%s by its name, its value and what is allowed', (name, value, allowed) => {
    const problems = problemsOf({ [name]: value });
    expect(problems).toContain(name);
    expect(problems).toContain(JSON.stringify(value));
    expect(problems).toContain(allowed);
  });

  it.each([
    ['REDIS_URL', 'https://:hunter2@redis'],
    ['MILLRACE_JWT_SECRET', 'hunter2'],
  ])('never shows the value of the secret %s', (name, value) => {
    const problems = problemsOf({ [name]: value });
    expect(problems).toContain(name);
    expect(problems).not.toContain('hunter2');
  });

  it('tells all problems at once', () => {
    expect(problemsOf({ MILLRACE_PORT: 'x', MILLRACE_ACK: 'y' }).split('\n')).toHaveLength(2);
  });

  it('refuses what does not fit together', () => {
    expect(problemsOf({ MILLRACE_JWT_SECRET_FILE: 'a', MILLRACE_JWT_JWKS_FILE: 'b' })).toContain('one of them');
    expect(problemsOf({ MILLRACE_JWT_PUBLIC_KEY_FILE: 'a', MILLRACE_JWT_ALGORITHMS: 'HS256' })).toContain(
      'sign with a public key',
    );
    expect(problemsOf({ MILLRACE_JWT_SECRET_FILE: 'a', MILLRACE_JWT_ALGORITHMS: 'RS256' })).toContain('public keys');
    expect(problemsOf({ MILLRACE_PORT: '7400', MILLRACE_SOCKET_PORT: '7400' })).toContain('must differ');
    expect(problemsOf({ MILLRACE_READ_ABOVE: '100', MILLRACE_WRITE_BELOW: '101' })).toContain(
      'MILLRACE_WRITE_BELOW is 101 and MILLRACE_READ_ABOVE 100; it must be at most that',
    );
    expect(problemsOf({ MILLRACE_READ_ABOVE_LOAD: '100', MILLRACE_WRITE_BELOW_LOAD: '101' })).toContain(
      'MILLRACE_WRITE_BELOW_LOAD is 101 and MILLRACE_READ_ABOVE_LOAD 100; it must be at most that',
    );
    expect(readServerConfig({ MILLRACE_READ_ABOVE: '100', MILLRACE_WRITE_BELOW: '100' }).ok).toBe(true);
    expect(problemsOf({ MILLRACE_PORT: '65535' })).toContain('MILLRACE_SOCKET_PORT');
  });

  it('warns of a variable that does not exist, so that a misspelt one is noticed', () => {
    const read = readServerConfig({ MILLRACE_API_KYES: 'x', MILLRACE_TEST_SUMMARY: 'y', MILLRACE_API_KEY: 'z' });
    expect(read.ok && read.value.warnings).toEqual(['MILLRACE_API_KYES is set, but there is no such variable']);
  });

  it('is documented in docs/configuration.md, variable by variable', () => {
    const page = readFileSync(new URL('../../../docs/configuration.md', import.meta.url), 'utf8');
    const table = page.split('\n').filter((line) => line.startsWith('|'));
    const squeezed = (line: string): string => line.replace(/ +/g, ' ').replace(/-{3,}/g, '---');
    expect(table.map(squeezed)).toEqual(variablesTable(variables));
  });
});

describe('several processes', () => {
  it('are nodes of their own, with names that stay', () => {
    const config = configOf({ MILLRACE_PROCESSES: '3', MILLRACE_NODE_NAME: 'chat' });
    expect(processNames(config)).toEqual(['chat-1', 'chat-2', 'chat-3']);
    const unnamed = processNames(configOf({ MILLRACE_PROCESSES: '12' }));
    expect(unnamed.at(-1)).toMatch(/^[\w.-]+-7400-12$/);
    expect(Math.max(...unnamed.map(({ length }) => length))).toBeLessThanOrEqual(40);
  });

  it('leave room for their numbers in the name', () => {
    const name = 'n'.repeat(38);
    expect(configOf({ MILLRACE_PROCESSES: '9', MILLRACE_NODE_NAME: name }).nodeName).toBe(name);
    expect(problemsOf({ MILLRACE_PROCESSES: '10', MILLRACE_NODE_NAME: name })).toContain('at most 37 characters');
    expect(configOf({ MILLRACE_NODE_NAME: 'n'.repeat(40) }).nodeName).toHaveLength(40);
  });

  it('share the port of uWebSockets.js on Linux alone, and that of ws everywhere', () => {
    const engineOn = (platform: string, engine: string, processes: string) =>
      readServerConfig({ MILLRACE_PROCESSES: processes, MILLRACE_SOCKET_ENGINE: engine }, platform);
    expect(engineOn('linux', 'uws', '2')).toMatchObject({ ok: true, value: { config: { socketEngine: 'uws' } } });
    expect(engineOn('linux', 'auto', '2')).toMatchObject({ ok: true, value: { config: { socketEngine: 'auto' } } });
    expect(engineOn('darwin', 'auto', '2')).toMatchObject({ ok: true, value: { config: { socketEngine: 'ws' } } });
    expect(engineOn('darwin', 'uws', '1')).toMatchObject({ ok: true, value: { config: { socketEngine: 'uws' } } });
    const refused = engineOn('darwin', 'uws', '2');
    expect(refused.ok ? '' : refused.error.join()).toContain('set MILLRACE_SOCKET_ENGINE=ws');
  });
});

describe('development mode', () => {
  it.each(['0.0.0.0', '::', '192.0.2.1', 'chat.example.org'])('refuses to listen on %s', (host) => {
    expect(problemsOf({ MILLRACE_HOST: host })).toContain('loopback only');
  });

  it.each(['127.0.0.1', '127.0.0.2', '::1', 'localhost'])('listens on %s', (host) => {
    expect(configOf({ MILLRACE_HOST: host }).host).toBe(host);
  });
});

describe('production mode', () => {
  it('starts with explicit keys and a Redis', () => {
    expect(configOf(production)).toMatchObject({ mode: 'production', logFormat: 'json' });
  });

  it.each([
    ['REDIS_URL', 'REDIS_URL must be set'],
    ['MILLRACE_JWT_SECRET_FILE', 'MILLRACE_JWT_PUBLIC_KEY_FILE'],
    ['MILLRACE_API_KEYS_FILE', 'MILLRACE_API_KEYS or MILLRACE_API_KEYS_FILE must be set'],
  ])('refuses to start without %s', (name, why) => {
    expect(problemsOf({ ...production, [name]: '' })).toContain(why);
  });

  it('refuses every origin, and logs for people', () => {
    expect(problemsOf({ ...production, MILLRACE_ORIGINS: '*' })).toContain('MILLRACE_ORIGINS');
    expect(problemsOf({ ...production, MILLRACE_LOG_FORMAT: 'text' })).toContain('MILLRACE_LOG_FORMAT');
  });
});
