import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@millrace/local-redis';
import { testRedis } from '@millrace/local-redis/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isReady, kill, start, until, type Program } from './programs.ts';

const NAMES = ['left', 'right'] as const;

describe('millrace cluster, before two nodes', () => {
  const redis = testRedis();
  const servers: Program[] = [];
  let cwd = '';
  let env: Record<string, string> = {};

  const cli = (...args: string[]): Program => start('cli.mjs', ['cluster', ...args], { cwd, env });
  const look = async (...args: string[]): Promise<{ code: number; out: string }> => {
    const program = cli(...args);
    return { code: await program.ended, out: program.out() + program.notes() };
  };

  beforeAll(async () => {
    cwd = mkdtempSync(join(tmpdir(), 'millrace-cli-e2e-'));
    for (const name of NAMES) {
      const port = await freePort();
      const server = start('server.mjs', [], {
        cwd,
        env: {
          REDIS_URL: redis.url,
          MILLRACE_NODE_NAME: name,
          MILLRACE_PORT: String(port),
          MILLRACE_SOCKET_PORT: String(await freePort()),
          MILLRACE_PARTITIONS: '8',
          MILLRACE_LEASE_MS: '10000',
          MILLRACE_DRAIN_MS: '100',
        },
      });
      servers.push(server);
      env = { MILLRACE_URL: `http://127.0.0.1:${String(port)}` };
      await until(server.notes, () => isReady(env['MILLRACE_URL'] ?? ''));
    }
  });
  afterAll(async () => {
    await Promise.all(servers.map((server) => kill(server, 'SIGTERM')));
    rmSync(cwd, { recursive: true, force: true });
  });

  it('shows both, with the key of the development server, and ends with 0 once all is served', async () => {
    let last = { code: -1, out: '' };
    await until(
      () => last.out,
      async () => {
        last = await look('--partitions');
        return last.code === 0 && / {2}right .* serving +4 /.test(last.out);
      },
    );
    expect(last.out).toMatch(/^view \d+: 2 nodes, 8 partitions\n/);
    expect(last.out).toMatch(/\n\* left .* serving +4 /);
    expect(last.out).toContain('\nmoving: none\nunserved: none\n');
    expect(last.out.match(/^ +\d {2}(left|right) +served /gm)).toHaveLength(8);
    expect(JSON.parse((await look('--json')).out)).toMatchObject({ asked: 'right', unserved: [] });
  });

  it('shows one that stands still as silent and what it had as unserved, and ends with 1', async () => {
    const [left] = servers;
    left?.child.kill('SIGSTOP');
    try {
      const { code, out } = await look();
      expect(code).toBe(1);
      expect(out).toMatch(/left .* silent +4 +- +- +-\n/);
      expect(out).toMatch(/unserved: [\d, -]+ \(4 of 8 partitions\)\n/);
    } finally {
      left?.child.kill('SIGCONT');
    }
  });

  it('watches until it is interrupted, and refuses a key that is not known', async () => {
    const watch = cli('--watch');
    await until(watch.out, () => watch.out().split('view ').length > 2);
    expect(await kill(watch, 'SIGINT')).toBe(0);
    const refused = await look('--key', 'nobody-knows-this-key-0123456789');
    expect(refused.code).toBe(2);
    expect(refused.out).toMatch(/refuses the API key: this API key is not known/);
  });
});
