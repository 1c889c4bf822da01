import { describe, expect, it } from 'vitest';
import { readServerConfig } from '../server-config.ts';
import { searchChoiceOf } from './search-choice.ts';

const production = {
  MILLRACE_MODE: 'production',
  REDIS_URL: 'redis://redis',
  MILLRACE_JWT_SECRET_FILE: '/jwt',
  MILLRACE_API_KEYS_FILE: '/keys',
};

function choiceOf(env: Readonly<Record<string, string>>) {
  const read = readServerConfig(env);
  if (!read.ok) throw new Error(read.error.join('\n'));
  return searchChoiceOf(read.value.config);
}

function problemOf(env: Readonly<Record<string, string>>): string {
  const read = readServerConfig(env);
  return read.ok ? '' : read.error.join('\n');
}

describe('the search index that is configured', () => {
  it('is a directory beside the private Redis where one process is all there is, and none elsewhere', () => {
    expect(choiceOf({})).toEqual({ kind: 'sqlite', directory: '.millrace/search' });
    expect(choiceOf({ MILLRACE_DATA_DIR: '/data' })).toEqual({ kind: 'sqlite', directory: '/data/search' });
    expect(choiceOf({ MILLRACE_PROCESSES: '2' })).toEqual({ kind: 'none' });
    expect(choiceOf({ REDIS_URL: 'redis://other' })).toEqual({ kind: 'none' });
    expect(choiceOf(production)).toEqual({ kind: 'none' });
  });

  it('is what is said', () => {
    expect(choiceOf({ MILLRACE_SEARCH: 'none' })).toEqual({ kind: 'none' });
    expect(choiceOf({ ...production, MILLRACE_SEARCH: 'sqlite:/var/lib/a b' })).toEqual({
      ...{ kind: 'sqlite', directory: '/var/lib/a b' },
    });
    const keyFile = '/run/secrets/typesense';
    const typesense = { ...production, MILLRACE_SEARCH_KEY_FILE: keyFile };
    expect(choiceOf({ ...typesense, MILLRACE_SEARCH: 'typesense:https://search:8108' })).toEqual({
      ...{ kind: 'typesense', nodes: ['https://search:8108'], nearest: null, name: 'millrace', keyFile },
    });
    const text = 'typesense:http://one:8108,http://two:8108?nearest=http://near:8108&name=chat_2';
    expect(choiceOf({ ...typesense, MILLRACE_SEARCH: text })).toEqual({
      ...{ kind: 'typesense', nodes: ['http://one:8108', 'http://two:8108'] },
      ...{ nearest: 'http://near:8108', name: 'chat_2', keyFile },
    });
  });

  it.each([
    'elastic://host',
    'sqlite:',
    'typesense:host:8108',
    'typesense:https://user:hunter2@host',
    'typesense:https://host?key=1',
    'typesense:https://host?name=a/b',
  ])('is not %j', (text) => {
    expect(problemOf({ MILLRACE_SEARCH: text, MILLRACE_SEARCH_KEY_FILE: '/key' })).toContain(
      'allowed is `none`, `sqlite` or `sqlite:` and a directory, or `typesense:`',
    );
  });

  it('is not a directory where several processes are to use it', () => {
    expect(problemOf({ MILLRACE_SEARCH: 'sqlite', MILLRACE_PROCESSES: '2' })).toContain('name a Typesense');
  });

  it('has a key in a file with a Typesense, and none else', () => {
    expect(problemOf({ MILLRACE_SEARCH: 'typesense:https://host' })).toContain('MILLRACE_SEARCH_KEY_FILE must be set');
    expect(problemOf({ MILLRACE_SEARCH_KEY_FILE: '/key' })).toContain('names no Typesense that it would be for');
  });

  it('has fields by a file, or as they are', () => {
    expect(problemOf({ MILLRACE_SEARCH_FIELDS: '/etc/fields.json' })).toBe('');
    expect(problemOf({ MILLRACE_SEARCH_FIELDS: '{"custom": {"text": ["/title"]}}' })).toBe('');
    expect(problemOf({ MILLRACE_SEARCH_FIELDS: '{"custom": {"text": "title"}}' })).toContain(
      'allowed is a path, or an object of JSON with rules by type of message',
    );
  });
});
