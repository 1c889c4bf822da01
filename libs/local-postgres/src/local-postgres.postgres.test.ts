import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive } from '@millrace/local-redis';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findPostgres } from './find-postgres.ts';
import { installPostgres } from './install-postgres.ts';
import { startPostgres } from './local-postgres.ts';
import { childrenOf } from './process-tree.ts';
import { testPostgres } from './testing.ts';

const takesConnections = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => {
      resolve(false);
    });
  });

let former: { pid: number; dir: string } | undefined;

describe('the PostgreSQL of a test', () => {
  afterAll(() => {
    // Registered before testPostgres, so it runs after that has cleaned up.
    expect(former).toBeDefined();
    expect(isAlive(former?.pid ?? 0)).toBe(false);
    expect(existsSync(former?.dir ?? '/')).toBe(false);
  });

  const postgres = testPostgres();

  it('listens on loopback alone, under a password that nobody else knows, and not as root', async () => {
    const { server, url } = postgres;
    former = { pid: server.pid, dir: server.dir };
    expect(url).toMatch(/^postgres:\/\/millrace:[0-9a-f]{32}@127\.0\.0\.1:\d+\/postgres$/);
    expect(await takesConnections(server.port)).toBe(true);
    const status = readFileSync(`/proc/${String(server.pid)}/status`, 'utf8');
    expect(/^Uid:\t(\d+)/m.exec(status)?.[1]).not.toBe('0');
    const access = readFileSync(join(server.dir, 'data', 'pg_hba.conf'), 'utf8');
    expect(access).not.toMatch(/^[^#\n]*\btrust$/m);
    expect(existsSync(join(server.dir, 'password'))).toBe(false);
  });

  it('comes back with its data after a kill of all its processes, and after a clean stop', async () => {
    const { server } = postgres;
    for (const end of [() => server.kill(), () => server.stop()]) {
      const processes = [server.pid, ...(await childrenOf(server.pid))];
      expect(processes.length).toBeGreaterThan(3);
      await end();
      expect(processes.filter(isAlive)).toEqual([]);
      expect(server.running).toBe(false);
      expect(await takesConnections(server.port)).toBe(false);
      expect(await server.restart()).toEqual({ ok: true, value: undefined });
      expect(await takesConnections(server.port)).toBe(true);
      former = { pid: server.pid, dir: server.dir };
    }
  });

  it('waits with its start until what was killed has left its memory', async () => {
    const { server } = postgres;
    const killed = server.pid;
    const [held] = await childrenOf(killed);
    if (held === undefined) throw new Error('it has no processes');
    // It does not see that its parent is gone.
    process.kill(held, 'SIGSTOP');
    process.kill(killed, 'SIGKILL');
    await expect.poll(() => isAlive(killed)).toBe(false);
    const restarting = server.restart();
    try {
      await expect
        .poll(() => readFileSync(server.logFile, 'utf8'), { timeout: 30_000 })
        .toContain('pre-existing shared memory');
    } finally {
      process.kill(held, 'SIGKILL');
    }
    expect(await restarting).toEqual({ ok: true, value: undefined });
    expect(await takesConnections(server.port)).toBe(true);
    former = { pid: server.pid, dir: server.dir };
  });
});

describe('a PostgreSQL that cannot be had', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'millrace-find-postgres-'));
  });
  afterEach(() => {
    rmSync(dir, { recursive: true, force: true });
  });
  const program = (name: string, script: string): void => {
    writeFileSync(join(dir, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(dir, name), 0o755);
  };

  it('is told to be missing, or too old, with what to do', async () => {
    expect(await findPostgres([dir])).toMatchObject({ ok: false, error: { code: 'postgres_missing' } });
    program('postgres', 'echo "postgres (PostgreSQL) 9.6.24"');
    expect(await findPostgres([dir])).toMatchObject({ ok: false, error: { code: 'postgres_missing' } });
    program('initdb', 'exit 0');
    const old = await findPostgres([dir]);
    expect(old).toMatchObject({ ok: false, error: { code: 'postgres_too_old' } });
    expect(old.ok ? '' : old.error.message).toContain('9.6');
    program('postgres', 'echo "postgres (PostgreSQL) 17.2"');
    expect(await findPostgres([dir])).toMatchObject({ ok: true, value: { version: '17.2' } });
  });

  it('is not installed where there is no package manager, and that is said', async () => {
    const outcome = await installPostgres(() => undefined, [dir]);
    expect(outcome).toMatchObject({ ok: false, error: { code: 'install_not_permitted' } });
    expect(outcome.ok ? '' : outcome.error.whatToDo).toContain('PostgreSQL 13');
  });

  it('shows why it did not start', async () => {
    program('initdb', 'echo "initdb: no room on this disk"; exit 1');
    program('postgres', 'exit 1');
    chmodSync(dir, 0o755);
    const binaries = { postgres: join(dir, 'postgres'), initdb: join(dir, 'initdb'), version: '17.2' };
    const outcome = await startPostgres({ dir: join(dir, 'server'), binaries });
    expect(outcome).toMatchObject({ ok: false, error: { code: 'postgres_did_not_start' } });
    expect(outcome.ok ? '' : outcome.error.message).toContain('no room on this disk');
  });
});
