import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { isAlive } from '@millrace/local-redis';
import { testRedis } from '@millrace/local-redis/testing';
import { endLeftServers, ensureServerBuilt, startServer, type ServerProcess } from '../testing/server-process.ts';

let dir = '';
beforeAll(ensureServerBuilt);
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'millrace-processes-'));
});
afterEach(() => {
  endLeftServers();
  for (const pid of redisPids().filter(isAlive)) process.kill(pid, 'SIGKILL');
  rmSync(dir, { recursive: true, force: true });
});

/** Of every private Redis that was started here, by what they say of themselves in their log. */
function redisPids(): readonly number[] {
  try {
    const log = readFileSync(join(dir, '.millrace/redis/redis.log'), 'utf8');
    return [...new Set([...log.matchAll(/^(\d+):M /gm)].map(([, pid]) => Number(pid)))];
  } catch {
    return [];
  }
}

const pidsBelow = (server: ServerProcess): readonly number[] =>
  [...server.output().matchAll(/started a process process=\S+ pid=(\d+)/g)].map(([, pid]) => Number(pid));

const times = (server: ServerProcess, text: string): number => server.output().split(text).length - 1;

/** Ended with a refusal: its one message. */
async function refusalOf(server: ServerProcess): Promise<string> {
  expect(await server.exited()).toBe(1);
  expect(times(server, 'Millrace cannot start')).toBe(1);
  expect(pidsBelow(server).filter(isAlive)).toEqual([]);
  return server.output().slice(server.output().indexOf('Millrace cannot start'));
}

/** Each of these starts several programs, one after the other. */
vi.setConfig({ testTimeout: 120_000 });

describe('several processes in development mode', () => {
  it('have one Redis and one notice, and leave nothing when they are told to end', async () => {
    const server = startServer(dir, { MILLRACE_NODE_NAME: 'mill' }, ['--processes', '2']);
    await server.told(/(Stop it with Ctrl-C)/);
    await server.untilReady();
    expect(redisPids()).toHaveLength(1);
    expect(times(server, 'started a private Redis')).toBe(1);
    expect(times(server, 'in development mode, in 2 processes')).toBe(1);
    const lines = server
      .output()
      .split('\n')
      .filter((line) => /^\d\d:\d\d:\d\d/.test(line));
    expect([...new Set(lines.map((line) => line.split(/ {2}/)[1]?.trim()))].sort()).toEqual([
      'mill',
      'mill-1',
      'mill-2',
    ]);
    server.kill('SIGINT');
    expect(await server.exited()).toBe(0);
    expect([...pidsBelow(server), ...redisPids()].filter(isAlive)).toEqual([]);
    expect(pidsBelow(server)).toHaveLength(2);
  });

  it('end when their parent is killed, and leave the Redis to the next one', async () => {
    const killed = startServer(dir, {}, ['--processes', '2']);
    await killed.told(/(Stop it with Ctrl-C)/);
    killed.kill('SIGKILL');
    await killed.exited();
    await expect.poll(() => pidsBelow(killed).filter(isAlive)).toEqual([]);
    const next = startServer(dir, { MILLRACE_PROCESSES: '2' });
    await next.told(/(Stop it with Ctrl-C)/);
    expect(next.output()).toContain('took over the private Redis');
    next.kill('SIGTERM');
    expect(await next.exited()).toBe(0);
    expect(redisPids().filter(isAlive)).toEqual([]);
  });

  it('end while they start, when they are told to', async () => {
    const server = startServer(dir, {}, ['--processes', '2']);
    await server.told(/(started a process)/);
    server.kill('SIGTERM');
    expect(await server.exited()).toBe(0);
    expect([...pidsBelow(server), ...redisPids()].filter(isAlive)).toEqual([]);
  });
});

describe('several processes that cannot start', () => {
  const redis = testRedis();

  it('say once what is wrong with the configuration', async () => {
    const wrong = startServer(dir, { MILLRACE_PROCESSES: '2', MILLRACE_ACK: 'ram' });
    expect(await refusalOf(wrong)).toContain('MILLRACE_ACK is "ram"');
    const many = startServer(dir, {}, ['--processes', 'many']);
    expect(await refusalOf(many)).toContain('MILLRACE_PROCESSES is "many"; allowed is a whole number from 1 to 64');
    const misspelt = startServer(dir, {}, ['--proceses', '2']);
    expect(await refusalOf(misspelt)).toContain('--processes N');
  });

  it('say once that a port is taken, before anything is started', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const port = String((taken.address() as AddressInfo).port);
    for (const variable of ['MILLRACE_PORT', 'MILLRACE_SOCKET_PORT']) {
      const server = startServer(dir, { MILLRACE_PROCESSES: '2', [variable]: port });
      expect(await refusalOf(server)).toContain(`${variable} is ${port}, but 127.0.0.1:${port} is taken`);
      expect(pidsBelow(server)).toEqual([]);
    }
    taken.close();
  });

  it('say once what only a process found out, and end together', async () => {
    const env = { MILLRACE_PROCESSES: '2', REDIS_URL: redis.url, MILLRACE_NODE_NAME: 'mill' };
    const born = startServer(dir, env);
    await born.told(/(Stop it with Ctrl-C)/);
    born.kill('SIGTERM');
    expect(await born.exited()).toBe(0);
    const other = startServer(dir, { ...env, MILLRACE_PARTITIONS: '8' });
    expect(await refusalOf(other)).toContain('MILLRACE_PARTITIONS does not fit');
    expect(pidsBelow(other)).toHaveLength(1);
  });

  it('end when a server of the same name takes over, instead of fighting it', async () => {
    const env = { MILLRACE_PROCESSES: '2', REDIS_URL: redis.url, MILLRACE_NODE_NAME: 'twin', MILLRACE_PARTITIONS: '8' };
    await redis.flush();
    const first = startServer(dir, env);
    await first.told(/(Stop it with Ctrl-C)/);
    const second = startServer(dir, env);
    expect(await first.exited()).toBe(1);
    expect(first.output()).toContain('another run of these nodes has taken over');
    await second.told(/(Stop it with Ctrl-C)/);
    second.kill('SIGTERM');
    expect(await second.exited()).toBe(0);
  });
});
