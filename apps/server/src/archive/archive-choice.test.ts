import { describe, expect, it } from 'vitest';
import { readServerConfig } from '../server-config.ts';
import { archiveChoiceOf } from './archive-choice.ts';

const production = {
  MILLRACE_MODE: 'production',
  REDIS_URL: 'redis://redis',
  MILLRACE_JWT_SECRET_FILE: '/jwt',
  MILLRACE_API_KEYS_FILE: '/keys',
};

function choiceOf(env: Readonly<Record<string, string>>) {
  const read = readServerConfig(env);
  if (!read.ok) throw new Error(read.error.join('\n'));
  return archiveChoiceOf(read.value.config);
}

describe('the archive that is configured', () => {
  it('is a file beside the private Redis where one process is all there is, and none elsewhere', () => {
    expect(choiceOf({})).toEqual({ kind: 'sqlite', path: '.millrace/archive.sqlite' });
    expect(choiceOf({ MILLRACE_DATA_DIR: '/data' })).toEqual({ kind: 'sqlite', path: '/data/archive.sqlite' });
    expect(choiceOf({ MILLRACE_PROCESSES: '2' })).toEqual({ kind: 'none' });
    expect(choiceOf({ REDIS_URL: 'redis://other' })).toEqual({ kind: 'none' });
    expect(choiceOf(production)).toEqual({ kind: 'none' });
  });

  it('is what is said', () => {
    expect(choiceOf({ MILLRACE_ARCHIVE: 'none' })).toEqual({ kind: 'none' });
    expect(choiceOf({ ...production, MILLRACE_ARCHIVE: 'sqlite' })).toEqual({
      kind: 'sqlite',
      path: '.millrace/archive.sqlite',
    });
    expect(choiceOf({ MILLRACE_ARCHIVE: 'sqlite:/var/lib/a b.sqlite' })).toEqual({
      kind: 'sqlite',
      path: '/var/lib/a b.sqlite',
    });
    const url = 'postgres://u:p@db/chat';
    expect(choiceOf({ ...production, MILLRACE_ARCHIVE: url })).toEqual({ kind: 'postgres', url });
  });

  it.each(['mysql://db', 'sqlite:', 'postgres://', 'nothing'])('is not %j', (text) => {
    const read = readServerConfig({ MILLRACE_ARCHIVE: text });
    expect(read.ok ? '' : read.error.join()).toContain('allowed is `none`, `sqlite` or `sqlite:` and a path');
  });

  it('never has its password told', () => {
    const read = readServerConfig({ MILLRACE_ARCHIVE: 'mysql://me:hunter2@db' });
    expect(read.ok ? '' : read.error.join()).not.toContain('hunter2');
  });

  it('is not a file where several processes are to use it', () => {
    const read = readServerConfig({ MILLRACE_ARCHIVE: 'sqlite', MILLRACE_PROCESSES: '2' });
    expect(read.ok ? '' : read.error.join()).toContain('name a PostgreSQL');
  });
});
