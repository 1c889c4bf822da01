import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { OpenApiDocument } from '@millrace/http-api/schema';
import { isAlive } from '@millrace/local-redis';
import { testRedis } from '@millrace/local-redis/testing';
import { endLeftServers, ensureServerBuilt, startServer, type ServerProcess } from './testing/server-process.ts';

/** Every answer is held to docs/openapi.yaml. */
const document = new OpenApiDocument();
const apiKey = 'a-key-for-tests-only-0123456789';
const jwtSecret = 'a-secret-for-tests-only-0123456789abcdef';

let dir = '';
beforeAll(ensureServerBuilt);
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'millrace-main-'));
});
afterEach(() => {
  endLeftServers();
  const left = redisPid();
  if (left !== null) process.kill(left, 'SIGKILL');
  rmSync(dir, { recursive: true, force: true });
});

/** The private Redis that runs for this test, by what it says of itself in its log. */
function redisPid(): number | null {
  try {
    const log = readFileSync(join(dir, '.millrace/redis/redis.log'), 'utf8');
    const pid = Number([...log.matchAll(/^(\d+):M /gm)].at(-1)?.[1]);
    return isAlive(pid) ? pid : null;
  } catch {
    return null;
  }
}

async function call(server: ServerProcess, method: string, path: string, key: string, body?: object) {
  const response = await fetch(`${await server.httpUrl()}${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const { status, headers } = response;
  const text = await response.text();
  const contentType = headers.get('content-type') ?? '';
  expect(document.problems({ method, url: path, status, contentType, body: text })).toEqual([]);
  return { status, json: JSON.parse(text) as Readonly<Record<string, unknown>> };
}

describe('the server in development mode', () => {
  it('needs nothing, tells how to try it, and leaves no process when it is told to end', async () => {
    const server = startServer(dir);
    await server.untilReady();
    expect(await server.told(/(npx millrace send --as alice --to bob --url \S+)/)).not.toBe('');
    expect(redisPid()).not.toBeNull();
    server.kill('SIGTERM');
    expect(await server.exited()).toBe(0);
    expect(redisPid()).toBeNull();
  });

  it('keeps what was acknowledged over a stop and a start, and takes the same key', async () => {
    const first = startServer(dir);
    await first.untilReady();
    const key = readFileSync(join(dir, '.millrace/dev-api-key'), 'utf8').trim();
    await call(first, 'POST', '/api/v1/conversations', key, { creator: 'alice', kind: 'group', conversation: 'team' });
    const { keyWindow } = (await call(first, 'GET', '/api/v1/conversations/team', key)).json;
    const message = { from: 'alice', key: 'k1', window: keyWindow, body: 'hello' };
    const sent = await call(first, 'POST', '/api/v1/conversations/team/messages', key, message);
    expect(sent.status).toBe(201);
    first.kill('SIGINT');
    expect(await first.exited()).toBe(0);

    const second = startServer(dir);
    await second.untilReady();
    const retry = await call(second, 'POST', '/api/v1/conversations/team/messages', key, message);
    expect([retry.status, retry.json['seq'], retry.json['duplicate']]).toEqual([200, sent.json['seq'], true]);
    second.kill('SIGTERM');
    expect(await second.exited()).toBe(0);
  });

  it('takes over the Redis that a killed server left, and ends it in the end', async () => {
    const killed = startServer(dir);
    await killed.untilReady();
    const pid = redisPid();
    killed.kill('SIGKILL');
    await killed.exited();
    expect(redisPid()).toBe(pid);
    const next = startServer(dir);
    await next.untilReady();
    expect(next.output()).toContain('took over the private Redis');
    expect(redisPid()).toBe(pid);
    next.kill('SIGTERM');
    expect(await next.exited()).toBe(0);
    expect(redisPid()).toBeNull();
  });

  it('starts its Redis again when that dies, and serves again', async () => {
    const server = startServer(dir);
    await server.untilReady();
    const pid = redisPid();
    if (pid === null) throw new Error('there is no Redis to kill');
    process.kill(pid, 'SIGKILL');
    await server.told(/(the private Redis has died)/);
    await expect.poll(redisPid, { timeout: 20_000 }).not.toBeNull();
    expect(redisPid()).not.toBe(pid);
    await server.untilReady();
    server.kill('SIGTERM');
    expect(await server.exited()).toBe(0);
    expect(redisPid()).toBeNull();
  });

  it('has its Redis sync every commit at ack level disk', async () => {
    const server = startServer(dir, { MILLRACE_ACK: 'disk' });
    await server.untilReady();
    expect(readFileSync(join(dir, '.millrace/redis/redis.conf'), 'utf8')).toMatch(/^appendfsync "?always"?$/m);
    server.kill('SIGTERM');
    expect(await server.exited()).toBe(0);
  });

  it('says in words why it cannot start, and leaves nothing behind', async () => {
    const first = startServer(dir);
    const port = new URL(await first.httpUrl()).port;
    const otherDir = mkdtempSync(join(dir, 'other-'));
    const second = startServer(otherDir, { MILLRACE_PORT: port });
    expect(await second.exited()).toBe(1);
    expect(second.output()).toContain(`MILLRACE_PORT is ${port}`);
    expect(second.output()).toContain('taken by another program');
    const third = startServer(dir, { MILLRACE_ACK: 'ram', MILLRACE_HOST: '0.0.0.0' });
    expect(await third.exited()).toBe(1);
    expect(third.output()).toContain('MILLRACE_ACK is "ram"; allowed is `memory`, `disk`, `replicated`');
    first.kill('SIGTERM');
    expect(await first.exited()).toBe(0);
  });
});

/** A token as `npx millrace token` makes one. */
function tokenOf(user: string, secret: string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { sub: user, aud: 'millrace', exp: Math.floor(Date.now() / 1000) + 60 };
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

async function openSocket(server: ServerProcess) {
  const endpoints = (await (await fetch(`${await server.httpUrl()}/api/v1/endpoints`)).json()) as { websocket: string };
  const socket = new WebSocket(endpoints.websocket, 'millrace.v1.json');
  const frames: string[] = [];
  socket.on('message', (data: Buffer) => frames.push(data.toString()));
  const closed = once(socket, 'close').then(([code]) => code as number);
  await once(socket, 'open');
  return { socket, frames, closed };
}

describe('the sockets of the server', () => {
  it('take the token of development, see what HTTP sends, and are drained when the server ends', async () => {
    const server = startServer(dir, { MILLRACE_DRAIN_MS: '100' });
    await server.untilReady();
    const secret = readFileSync(join(dir, '.millrace/dev-jwt-secret'), 'utf8').trim();
    const key = readFileSync(join(dir, '.millrace/dev-api-key'), 'utf8').trim();
    const { socket, frames, closed } = await openSocket(server);
    socket.send(JSON.stringify({ t: 'connect', id: 1, token: tokenOf('bob', secret), device: 'phone' }));
    await expect.poll(() => frames.join()).toContain('"connected"');
    const sessions = await call(server, 'GET', '/api/v1/users/bob/sessions', key);
    expect(sessions.json['sessions']).toMatchObject([{ device: 'phone' }]);
    const team = { creator: 'alice', kind: 'group', conversation: 'team', members: ['bob'] };
    await call(server, 'POST', '/api/v1/conversations', key, team);
    const { keyWindow } = (await call(server, 'GET', '/api/v1/conversations/team', key)).json;
    const message = { from: 'alice', key: 'k1', window: keyWindow, body: 'over HTTP' };
    await call(server, 'POST', '/api/v1/conversations/team/messages', key, message);
    await expect.poll(() => frames.join()).toContain('over HTTP');
    server.kill('SIGTERM');
    expect(await closed).toBe(4000);
    expect(frames.join()).toContain('"drain"');
    expect(await server.exited()).toBe(0);
  });

  it('do not hold up the end of the server when a second signal comes', async () => {
    const server = startServer(dir, { MILLRACE_DRAIN_MS: '600000' });
    await server.untilReady();
    const { closed } = await openSocket(server);
    server.kill('SIGTERM');
    await server.told(/(stopping)/);
    expect((await server.untilReady(503))['reasons']).toEqual(['the node is draining']);
    const insist = (): string => {
      server.kill('SIGTERM');
      return server.output();
    };
    await expect.poll(insist, { timeout: 20_000 }).toContain('a second signal');
    expect(await server.exited()).toBe(1);
    expect(await closed).toBe(1006);
    await expect.poll(redisPid).toBeNull();
  });

  it('are not opened with a key that is none, and the start says so', async () => {
    writeFileSync(join(dir, 'key.pem'), 'this is no key');
    const server = startServer(dir, { MILLRACE_JWT_PUBLIC_KEY_FILE: join(dir, 'key.pem') });
    expect(await server.exited()).toBe(1);
    expect(server.output()).toContain('MILLRACE_JWT_PUBLIC_KEY_FILE');
    expect(redisPid()).toBeNull();
  });
});

describe('the server with a Redis of others', () => {
  const redis = testRedis();
  beforeEach(() => redis.flush());

  const production = (): Readonly<Record<string, string>> => {
    writeFileSync(join(dir, 'keys'), `test:admin:${apiKey}\n`);
    return {
      MILLRACE_MODE: 'production',
      MILLRACE_NODE_NAME: 'one',
      MILLRACE_LEASE_MS: '2000',
      REDIS_URL: redis.url,
      MILLRACE_JWT_SECRET: jwtSecret,
      MILLRACE_API_KEYS_FILE: join(dir, 'keys'),
    };
  };

  it('in production mode answers nothing without a key but the three open addresses, and logs no secret (I11)', async () => {
    const server = startServer(dir, production());
    await server.untilReady();
    const url = await server.httpUrl();
    const status = async (path: string, headers = {}) => (await fetch(`${url}${path}`, { headers })).status;
    expect(await Promise.all(['/healthz', '/readyz'].map((path) => status(path)))).toEqual([200, 200]);
    for (const path of ['/metrics', '/api/v1/conversations/team', '/api/v1/users/alice/sessions']) {
      expect(await status(path), path).toBe(401);
    }
    const metrics = await (await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${apiKey}` } })).text();
    for (const name of [
      'commit_seconds_count{answer="ok"}',
      'partitions_serving 16',
      'sockets_open 0',
      'redis_reachable 1',
    ]) {
      expect(metrics).toContain(`millrace_${name}`);
    }
    for (const name of ['nodejs_eventloop_lag_p99_seconds', 'process_resident_memory_bytes'])
      expect(metrics).toContain(name);
    server.kill('SIGTERM');
    expect(await server.exited()).toBe(0);
    for (const line of server.output().trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('msg');
    for (const secret of [apiKey, jwtSecret]) expect(server.output()).not.toContain(secret);
    expect(await redis.call('PING')).toBe('PONG');
  });

  it('in production mode refuses to start without explicit keys', async () => {
    const server = startServer(dir, { MILLRACE_MODE: 'production' });
    expect(await server.exited()).toBe(1);
    for (const name of ['REDIS_URL', 'MILLRACE_JWT_SECRET_FILE', 'MILLRACE_API_KEYS_FILE']) {
      expect(server.output()).toContain(name);
    }
  });

  it('shares the partitions with another node, takes them all over when that one ends, and ends alone', async () => {
    // Longer than this test: everything is handed over, nothing waited out.
    const lease = { MILLRACE_LEASE_MS: '600000' };
    const owned = async (server: ServerProcess): Promise<number> => {
      const response = await fetch(`${await server.httpUrl()}/metrics`, {
        headers: { authorization: `Bearer ${apiKey}` },
      });
      return Number(/^millrace_partitions_serving (\d+)$/m.exec(await response.text())?.[1]);
    };
    const first = startServer(dir, { ...production(), ...lease });
    await first.untilReady();
    const second = startServer(dir, { ...production(), ...lease, MILLRACE_NODE_NAME: 'two' });
    await second.untilReady();
    await expect.poll(() => Promise.all([owned(first), owned(second)]), { timeout: 20_000 }).toEqual([8, 8]);
    first.kill('SIGTERM');
    expect(await first.exited()).toBe(0);
    await expect.poll(() => owned(second), { timeout: 20_000 }).toBe(16);
    second.kill('SIGTERM');
    expect(await second.exited()).toBe(0);
  });

  it('waits with the sockets alone until there is a node with actors, and ends while it waits when it is told to', async () => {
    const gateway = { MILLRACE_NODE_NAME: 'door', MILLRACE_ROLES: 'gateway' };
    const impatient = startServer(dir, { ...production(), ...gateway });
    await impatient.told(/(joining the cluster)/);
    impatient.kill('SIGTERM');
    expect(await impatient.exited()).toBe(0);
    const waiting = startServer(dir, { ...production(), ...gateway });
    const actors = startServer(dir, { ...production(), MILLRACE_NODE_NAME: 'mill', MILLRACE_ROLES: 'actors' });
    await Promise.all([waiting.untilReady(), actors.untilReady()]);
    // The other one's sockets are on a port of the system's choice, which its registration could not tell.
    expect((await fetch(`${await actors.httpUrl()}/api/v1/endpoints`)).status).toBe(503);
    const team = { creator: 'alice', kind: 'group', conversation: 'team' };
    expect((await call(waiting, 'POST', '/api/v1/conversations', apiKey, team)).status).toBe(201);
    for (const server of [waiting, actors]) {
      server.kill('SIGTERM');
      expect(await server.exited()).toBe(0);
    }
  });

  it('ends while it waits for a Redis, when it is told to', async () => {
    const lost = startServer(dir, { ...production(), REDIS_URL: 'redis://127.0.0.1:1' });
    await lost.told(/(waiting for Redis)/);
    lost.kill('SIGTERM');
    expect(await lost.exited()).toBe(0);
  });

  it('is not ready while Redis is away, and claims every partition again when it is back (I5)', async () => {
    const server = startServer(dir, production());
    await server.untilReady();
    const epoch = async (): Promise<number> => Number(await redis.call('HGET', '{p3}:owner', 'epoch'));
    const before = await epoch();
    await redis.server.kill('SIGKILL');
    const { reasons } = await server.untilReady(503);
    expect(reasons).toContain('Redis cannot be reached');
    await redis.server.restart();
    await server.untilReady();
    await expect.poll(epoch).toBeGreaterThan(before);
    server.kill('SIGTERM');
    expect(await server.exited()).toBe(0);
  });
});
