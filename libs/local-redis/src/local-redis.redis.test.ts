import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startRedis, type LocalRedis, type StartRedisOptions } from './local-redis.ts';
import { isAlive } from './process-life.ts';
import { callRedis, type RedisReply } from './resp.ts';

let root: string;
let running: LocalRedis[];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'millrace-local-redis-'));
  running = [];
});

afterEach(async () => {
  for (const redis of running) await redis.kill('SIGKILL');
  rmSync(root, { recursive: true, force: true });
});

async function start(options: Partial<StartRedisOptions> = {}): Promise<LocalRedis> {
  const started = await startRedis({ dir: join(root, 'data'), processGroup: 'shared', ...options });
  if (!started.ok) throw new Error(started.error.message);
  running.push(started.value);
  return started.value;
}

async function call(redis: LocalRedis, ...args: string[]): Promise<RedisReply> {
  const reply = await callRedis(redis.endpoint, args);
  if (!reply.ok) throw new Error(reply.error.message);
  return reply.value;
}

const setting = async (redis: LocalRedis, name: string): Promise<RedisReply | undefined> =>
  ((await call(redis, 'CONFIG', 'GET', name)) as readonly RedisReply[])[1];

/** Ends a Redis as a crash of its owner leaves it: running, with a record of an owner that is gone. */
function orphan(redis: LocalRedis): void {
  const file = join(redis.dir, 'owner.json');
  const record = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  writeFileSync(file, JSON.stringify({ ...record, ownerStart: 'another process' }));
}

describe('a Redis of our own', () => {
  it('is durable, never evicts, keeps stream nodes and records small, takes no snapshots, and listens on loopback alone', async () => {
    const redis = await start();
    expect(redis.url).toBe(`redis://127.0.0.1:${String(redis.port)}`);
    expect(await setting(redis, 'appendonly')).toBe('yes');
    expect(await setting(redis, 'appendfsync')).toBe('everysec');
    expect(await setting(redis, 'maxmemory-policy')).toBe('noeviction');
    expect(await setting(redis, 'stream-node-max-bytes')).toBe('512');
    expect(await setting(redis, 'hash-max-listpack-value')).toBe('256');
    expect(await setting(redis, 'hash-max-listpack-entries')).toBe('128');
    expect(await setting(redis, 'save')).toBe('');
    expect(await setting(redis, 'bind')).toBe('127.0.0.1');
  });

  it('takes further settings, and the stricter sync', async () => {
    const redis = await start({ appendfsync: 'always', config: { maxmemory: '64mb' } });
    expect(await setting(redis, 'appendfsync')).toBe('always');
    expect(await setting(redis, 'maxmemory')).toBe(String(64 * 1024 * 1024));
  });

  it('serves on a unix socket, from a directory with a space in its name', async () => {
    const redis = await start({ dir: join(root, 'my data'), unixSocket: true });
    expect(redis.url).toBe(`unix://${join(root, 'my data', 'redis.sock')}`);
    expect(redis.port).toBeUndefined();
    expect(await call(redis, 'PING')).toBe('PONG');
    expect(await setting(redis, 'port')).toBe('0');
  });

  it('refuses a socket path that the system would cut short', async () => {
    const dir = join(root, 'd'.repeat(120));
    const started = await startRedis({ dir, unixSocket: true });
    expect(started).toMatchObject({ ok: false, error: { code: 'path_too_long' } });
  });

  it('says what its log says when it cannot start', async () => {
    const started = await startRedis({ dir: join(root, 'data'), config: { 'no-such-setting': 1 } });
    expect(started).toMatchObject({ ok: false, error: { code: 'redis_did_not_start' } });
    expect(started.ok ? '' : started.error.message).toContain('no-such-setting');
    expect((await start()).adopted).toBe(false);
  });
});

describe('its life', () => {
  it('ends without a trace when stopped, and has its data at the next start', async () => {
    const first = await start();
    await call(first, 'SET', 'key', 'value');
    expect(await first.stop()).toMatchObject({ ok: true });
    expect(await first.stop()).toMatchObject({ ok: true });
    expect(isAlive(first.pid)).toBe(false);
    const second = await start();
    expect(second.adopted).toBe(false);
    expect(await call(second, 'GET', 'key')).toBe('value');
  });

  it('keeps every answered write over kill -9, on the same port', async () => {
    const redis = await start({ appendfsync: 'always' });
    const { pid, port } = redis;
    await call(redis, 'SET', 'key', 'value');
    await redis.kill('SIGKILL');
    expect(isAlive(pid)).toBe(false);
    expect(redis.running).toBe(false);
    expect(await callRedis(redis.endpoint, ['PING'])).toMatchObject({ ok: false, error: { code: 'unreachable' } });
    expect(await redis.restart()).toMatchObject({ ok: true });
    expect(redis.running).toBe(true);
    expect(redis.pid).not.toBe(pid);
    expect(redis.port).toBe(port);
    expect(await call(redis, 'GET', 'key')).toBe('value');
  });

  it('can be paused and resumed, and be restarted while it runs or after it was stopped', async () => {
    const redis = await start();
    await redis.kill('SIGSTOP');
    expect(await callRedis(redis.endpoint, ['PING'], 100)).toMatchObject({ ok: false, error: { code: 'unreachable' } });
    await redis.kill('SIGCONT');
    expect(await call(redis, 'PING')).toBe('PONG');
    expect(await redis.restart()).toMatchObject({ ok: true });
    await redis.stop();
    expect(await redis.restart()).toMatchObject({ ok: true });
    expect(await call(redis, 'PING')).toBe('PONG');
  });

  it('names the files of its log in load order, with sizes that grow by what is written', async () => {
    const redis = await start({ appendfsync: 'always' });
    const before = redis.aofFiles();
    expect(before.map(({ kind }) => kind)).toEqual(['base', 'increment']);
    await call(redis, 'SET', 'key', 'x'.repeat(1000));
    const after = redis.aofFiles();
    expect(after[1]?.sizeBytes).toBeGreaterThan((before[1]?.sizeBytes ?? 0) + 1000);
    expect(after[1]?.sizeBytes).toBe(statSync(after[1]?.path ?? '').size);
  });
});

describe('its data directory', () => {
  it('is refused to a second owner while the first one lives', async () => {
    const redis = await start();
    const second = await startRedis({ dir: redis.dir });
    expect(second).toMatchObject({ ok: false, error: { code: 'directory_in_use' } });
    expect(await call(redis, 'PING')).toBe('PONG');
  });

  it('hands the Redis of a dead owner on, still running, when it is asked for in the same way', async () => {
    const first = await start();
    orphan(first);
    const second = await start();
    expect(second).toMatchObject({ adopted: true, pid: first.pid, url: first.url });
    expect(await second.stop()).toMatchObject({ ok: true });
    expect(isAlive(first.pid)).toBe(false);
  });

  it('ends the Redis of a dead owner before one with other settings starts', async () => {
    const first = await start();
    await call(first, 'SET', 'key', 'value');
    orphan(first);
    const second = await start({ appendfsync: 'always' });
    expect(second.adopted).toBe(false);
    expect(isAlive(first.pid)).toBe(false);
    expect(await call(second, 'GET', 'key')).toBe('value');
  });

  it('ends an orphan that does not answer any more', { timeout: 60_000 }, async () => {
    const first = await start();
    orphan(first);
    await first.kill('SIGSTOP');
    const second = await start({ appendfsync: 'always' });
    expect(second.adopted).toBe(false);
    expect(isAlive(first.pid)).toBe(false);
  });

  it('does not touch a stranger that has the pid of a Redis long gone', async () => {
    const first = await start();
    await first.kill('SIGKILL');
    const stranger = spawn('sleep', ['60'], { stdio: 'ignore' });
    try {
      orphan(first);
      const file = join(first.dir, 'owner.json');
      const record = JSON.parse(readFileSync(file, 'utf8')) as { redis: { pid: number } };
      record.redis.pid = stranger.pid ?? 0;
      writeFileSync(file, JSON.stringify(record));
      expect((await start()).adopted).toBe(false);
      expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
    } finally {
      stranger.kill('SIGKILL');
    }
  });

  it('starts after a crash that cut the owner record short', async () => {
    const first = await start();
    await first.kill('SIGKILL');
    writeFileSync(join(first.dir, 'owner.json'), '{"ownerPid":');
    expect(await call(await start(), 'PING')).toBe('PONG');
  });
});
