import { testRedis } from '@millrace/local-redis/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { documentedOperations, httpCaller, observedStatuses, scopedKeysVariable } from './support/http-caller.ts';
import { startMillrace, type MillraceProcess } from './support/millrace-process.ts';

describe('conversations that go out and come in', () => {
  const redis = testRedis();
  let millrace: MillraceProcess;
  const ask = httpCaller(() => millrace.httpUrl);

  beforeAll(async () => {
    const settings = { MILLRACE_MODE: 'production', MILLRACE_PARTITIONS: '4', MILLRACE_API_KEYS: scopedKeysVariable };
    millrace = await startMillrace(redis.url, settings);
  });
  afterAll(async () => {
    await millrace.stop();
  });

  it('tells of all that a conversation is, and takes it under another id', async () => {
    const body = { creator: 'alice', kind: 'group', conversation: 'old', members: ['bob'], title: 'as it was' };
    expect((await ask('POST', '/api/v1/conversations', { body })).status).toBe(201);
    expect((await ask('GET', '/api/v1/export')).json['conversations']).toContain('old');
    const text: string[] = [];
    for (let query = ''; text.at(-1)?.endsWith('null}') !== true;) {
      const { text: page, json } = await ask('GET', `/api/v1/export/old${query}`);
      text.push(page.replaceAll('"old"', '"new"'));
      query = `?cursor=${encodeURIComponent(String(json['next']))}`;
    }
    const lines = text.flatMap((page) => (JSON.parse(page) as { readonly lines: readonly object[] }).lines);
    const { json } = await ask('POST', '/api/v1/import', { body: { slices: [{ lines }] } });
    expect(json).toEqual({ results: [{ ok: true, conversation: 'new', seq: 1, done: true, announced: null }] });
    expect((await ask('GET', '/api/v1/conversations/new')).json).toMatchObject({ title: 'as it was', memberCount: 2 });
    const asked = documentedOperations.filter(({ path }) => /\/(ex|im)port\b/.test(path));
    expect(asked).toHaveLength(3);
    for (const { method, path } of asked)
      expect([path, [...(observedStatuses().get(`${method} ${path}`) ?? [])]]).toEqual([path, [200]]);
  });
});
