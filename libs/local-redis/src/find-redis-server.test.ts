import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findRedisServer } from './find-redis-server.ts';
import { installRedisServer } from './install-redis-server.ts';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'millrace-find-redis-'));
});

afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

function program(name: string, script: string): void {
  writeFileSync(join(dir, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(dir, name), 0o755);
}

const server = (name: string, banner: string): void => {
  program(name, `echo "${banner}"`);
};

describe('finding a server', () => {
  it('reads the version of Redis', async () => {
    server('redis-server', 'Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64');
    const found = await findRedisServer([dir]);
    expect(found).toEqual({
      ok: true,
      value: { path: join(dir, 'redis-server'), product: 'redis', version: '7.0.15' },
    });
  });

  it('takes Valkey, and prefers a new Valkey to an old Redis', async () => {
    server('redis-server', 'Redis server v=6.0.16 sha=00000000:0');
    server('valkey-server', 'Valkey server v=8.1.1 sha=00000000:0');
    expect(await findRedisServer([dir])).toMatchObject({ ok: true, value: { product: 'valkey', version: '8.1.1' } });
  });

  it('refuses a Redis without functions and names it', async () => {
    server('redis-server', 'Redis server v=6.2.7 sha=00000000:0');
    const found = await findRedisServer([dir]);
    expect(found).toMatchObject({ ok: false, error: { code: 'redis_too_old' } });
    expect(found.ok ? '' : found.error.message).toContain('6.2.7');
  });

  it('passes over what is not executable, broken or absent, and says that nothing was found', async () => {
    writeFileSync(join(dir, 'redis-server'), 'text');
    program('valkey-server', 'exit 3');
    const found = await findRedisServer([join(dir, 'absent'), dir]);
    expect(found).toMatchObject({ ok: false, error: { code: 'redis_missing' } });
  });
});

describe('installing a server', () => {
  it('says what to type when no package manager is there', async () => {
    const outcome = await installRedisServer(() => undefined, [dir]);
    expect(outcome).toMatchObject({ ok: false, error: { code: 'install_not_permitted' } });
    expect(outcome.ok ? '' : outcome.error.whatToDo).toContain('REDIS_URL');
  });
});
