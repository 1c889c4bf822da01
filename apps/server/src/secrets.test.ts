import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemRandom } from '@millrace/kernel';
import { readSecrets } from './secrets.ts';
import { readServerConfig, type Environment } from './server-config.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'millrace-secrets-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

function secretsOf(env: Environment) {
  const read = readServerConfig({ MILLRACE_DATA_DIR: dir, ...env });
  if (!read.ok) throw new Error(read.error.join('\n'));
  return readSecrets(read.value.config, systemRandom);
}

function file(name: string, text: string): string {
  writeFileSync(join(dir, name), text);
  return join(dir, name);
}

const production = (): Environment => ({
  MILLRACE_MODE: 'production',
  REDIS_URL: 'redis://redis:6379',
  MILLRACE_JWT_SECRET_FILE: file('jwt', ` ${'s'.repeat(32)}\n`),
  MILLRACE_API_KEYS_FILE: file('keys', '# ours\nbackend:read+write:0123456789abcdef01234567\n'),
});

describe('secrets of development mode', () => {
  it('are made once, for this user only, and kept over restarts', () => {
    const first = secretsOf({});
    const second = secretsOf({});
    expect(first.ok && second.ok).toBe(true);
    expect(second).toEqual(first);
    for (const name of ['dev-jwt-secret', 'dev-api-key']) {
      expect(statSync(join(dir, name)).mode & 0o777).toBe(0o600);
      expect(readFileSync(join(dir, name), 'utf8')).toMatch(/^millrace-dev-[0-9a-f]{64}\n$/);
    }
  });

  it('are closed to others again when somebody opened them', () => {
    secretsOf({});
    chmodSync(join(dir, 'dev-jwt-secret'), 0o644);
    secretsOf({});
    expect(statSync(join(dir, 'dev-jwt-secret')).mode & 0o777).toBe(0o600);
  });

  it('give way to configured ones', () => {
    const secrets = secretsOf({ MILLRACE_JWT_SECRET: 'x'.repeat(32), MILLRACE_API_KEYS: `a:read:${'y'.repeat(24)}` });
    expect(secrets).toMatchObject({ ok: true, value: { tokenKey: { secret: 'x'.repeat(32) } } });
    expect(secrets.ok && [secrets.value.developmentApiKeyFile, secrets.value.apiKeys.length]).toEqual([null, 1]);
  });
});

describe('secrets of production mode', () => {
  it('are read from their files', () => {
    const secrets = secretsOf(production());
    expect(secrets).toMatchObject({ ok: true, value: { tokenKey: { kind: 'secret', secret: 's'.repeat(32) } } });
    expect(secrets.ok && secrets.value.apiKeys.map(({ name }) => name)).toEqual(['backend']);
  });

  it('are never those that development mode made', () => {
    secretsOf({});
    const made = (name: string): string => readFileSync(join(dir, name), 'utf8').trim();
    const refused = [
      { MILLRACE_JWT_SECRET_FILE: join(dir, 'dev-jwt-secret') },
      { MILLRACE_JWT_SECRET_FILE: '', MILLRACE_JWT_SECRET: made('dev-jwt-secret') },
      { MILLRACE_API_KEYS_FILE: '', MILLRACE_API_KEYS: `backend:admin:${made('dev-api-key')}` },
    ];
    for (const env of refused) {
      const secrets = secretsOf({ ...production(), ...env });
      expect(secrets).toMatchObject({ ok: false });
      expect(secrets.ok ? '' : secrets.error).toContain('that development mode made');
    }
  });

  it.each([
    ['a secret that is too short', 'MILLRACE_JWT_SECRET_FILE', 'too-short', 'holds 9 bytes'],
    ['a malformed key', 'MILLRACE_API_KEYS_FILE', 'backend', 'name:scope+scope:key'],
    ['no key at all', 'MILLRACE_API_KEYS_FILE', '# none', 'holds no key'],
  ])('refuse %s, by the name of the variable', (_what, variable, text, why) => {
    const secrets = secretsOf({ ...production(), [variable]: file('other', text) });
    const error = secrets.ok ? '' : secrets.error;
    expect(error).toContain(variable);
    expect(error).toContain(why);
    expect(error).not.toContain('too-short');
  });

  it('say which file is missing', () => {
    const secrets = secretsOf({ ...production(), MILLRACE_JWT_SECRET_FILE: join(dir, 'none') });
    expect(secrets).toEqual({
      ok: false,
      error: `MILLRACE_JWT_SECRET_FILE names ${join(dir, 'none')}, which cannot be read (ENOENT)`,
    });
  });
});
