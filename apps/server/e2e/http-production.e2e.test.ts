import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { testRedis } from '@millrace/local-redis/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { documentedOperations, httpCaller, scopedKeysVariable } from './support/http-caller.ts';
import { startMillrace, type MillraceProcess } from './support/millrace-process.ts';
import { testSecret } from './support/test-tokens.ts';

const SERVER = fileURLToPath(new URL('../../../dist/server.mjs', import.meta.url));

describe('the HTTP API of a closed and narrow production server', () => {
  const redis = testRedis();
  let millrace: MillraceProcess;
  const ask = httpCaller(() => millrace.httpUrl);

  beforeAll(async () => {
    millrace = await startMillrace(redis.url, {
      MILLRACE_MODE: 'production',
      MILLRACE_PARTITIONS: '4',
      MILLRACE_API_KEYS: scopedKeysVariable,
      MILLRACE_ENDPOINTS_NEED_KEY: 'yes',
      MILLRACE_HTTP_PER_SECOND: '2',
      MILLRACE_HTTP_BURST: '80',
    });
  });
  afterAll(async () => {
    await millrace.stop();
  });

  it('answers without a key whether it lives and is ready, and nothing else', async () => {
    const answers: (readonly [string, number])[] = [];
    for (const { id, method, path } of documentedOperations) {
      const at = path.replaceAll(/\{[^}]+\}/g, 'x');
      answers.push([id, (await ask(method, at, { key: null })).status]);
    }
    expect(answers.filter(([, status]) => status !== 401).sort()).toEqual([
      ['getHealth', 200],
      ['getReadiness', 200],
    ]);
    expect((await ask('GET', '/api/v1/endpoints', { key: 'reader' })).status).toBe(200);
  });

  it('(I9) refuses an address that asks too fast, and says when to come back', async () => {
    const answers = await Promise.all(Array.from({ length: 120 }, () => ask('GET', '/api/v1/conversations/none')));
    const refused = answers.filter(({ status }) => status === 429);
    expect(answers.every(({ status }) => status === 429 || status === 404)).toBe(true);
    expect(refused.length).toBeGreaterThanOrEqual(20);
    for (const { code, headers, json } of refused) {
      expect(code).toBe('rate_limited');
      expect(json).toMatchObject({ error: { retry: 'later' } });
      expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    }
  });
});

describe('a production server', () => {
  const start = async (env: Readonly<Record<string, string>>): Promise<readonly [number | null, string]> => {
    const dir = mkdtempSync(join(tmpdir(), 'millrace-e2e-'));
    const child = spawn(process.execPath, [SERVER], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], MILLRACE_MODE: 'production', MILLRACE_DATA_DIR: dir, ...env },
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await once(child, 'close');
    rmSync(dir, { recursive: true, force: true });
    return [child.exitCode, output];
  };
  const given = {
    REDIS_URL: 'redis://127.0.0.1:1',
    MILLRACE_JWT_SECRET: testSecret,
    MILLRACE_API_KEYS: scopedKeysVariable,
  };

  it.each([
    ['REDIS_URL', { REDIS_URL: '' }],
    ['MILLRACE_JWT_SECRET', { MILLRACE_JWT_SECRET: '' }],
    ['MILLRACE_JWT_SECRET', { MILLRACE_JWT_SECRET: 'too-short' }],
    ['MILLRACE_API_KEYS', { MILLRACE_API_KEYS: '' }],
    ['MILLRACE_API_KEYS', { MILLRACE_API_KEYS: 'ops:admin:short' }],
    ['MILLRACE_ORIGINS', { MILLRACE_ORIGINS: '*' }],
  ])('does not start without a safe %s, says so, and shows no secret', async (name, without) => {
    const [code, output] = await start({ ...given, ...without });
    expect(code).toBe(1);
    expect(output).toContain(name);
    expect(output).not.toContain(testSecret);
    expect(output).not.toContain('too-short');
  });
});
