import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@millrace/local-redis';
import { testRedis } from '@millrace/local-redis/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isReady, kill, start, until, type Program } from './programs.ts';

describe('millrace reindex, before a node', () => {
  const redis = testRedis();
  const servers: Program[] = [];
  let cwd = '';

  const serve = async (name: string, more: Readonly<Record<string, string>>): Promise<string> => {
    const port = await freePort();
    const socketPort = String(await freePort());
    const server = start('server.mjs', [], {
      cwd,
      env: {
        ...{ REDIS_URL: redis.url, MILLRACE_NODE_NAME: name, MILLRACE_PORT: String(port) },
        ...{ MILLRACE_SOCKET_PORT: socketPort, MILLRACE_PARTITIONS: '4', MILLRACE_DRAIN_MS: '100', ...more },
      },
    });
    servers.push(server);
    const url = `http://127.0.0.1:${String(port)}`;
    await until(server.notes, () => isReady(url), 90_000);
    return url;
  };
  const reindex = async (url: string, ...args: string[]): Promise<{ code: number; out: string; notes: string }> => {
    const program = start('cli.mjs', ['reindex', ...args], { cwd, env: { MILLRACE_URL: url } });
    return { code: await program.ended, out: program.out(), notes: program.notes() };
  };

  beforeAll(() => {
    cwd = mkdtempSync(join(tmpdir(), 'millrace-cli-e2e-'));
  });
  afterAll(async () => {
    await Promise.all(servers.map((server) => kill(server, 'SIGTERM')));
    rmSync(cwd, { recursive: true, force: true });
  });

  it('has the index made anew, tells how far it is, and ends when it is whole', async () => {
    const url = await serve('one', { MILLRACE_SEARCH: 'sqlite' });
    const whole = 'the search index is whole: none is being made\n';
    expect(await reindex(url, '--status')).toMatchObject({ code: 0, out: whole });
    const made = await reindex(url);
    expect(made).toMatchObject({ code: 0, notes: '' });
    expect(made.out).toMatch(/^the search index is made anew: \d of 4 partitions\n/);
    expect(made.out.endsWith(whole)).toBe(true);
    expect(await reindex(url, '--abandon')).toMatchObject({ code: 0, out: whole });
    expect(await reindex(url, '--status', '--abandon')).toMatchObject({ code: 2 });
    await kill(servers[0] as Program, 'SIGTERM');
    const without = await serve('two', { MILLRACE_SEARCH: 'none' });
    const refused = await reindex(without);
    expect(refused.code).toBe(2);
    expect(refused.notes).toContain('see MILLRACE_SEARCH');
  }, 240_000);
});
