import { describe, expect, it } from 'vitest';
import { testApi, type Asked } from './testing/test-api.ts';

const scheduled = '/api/v1/users/bob/scheduled';
const dueAt = 1_900_000_000_000;
const hello = { conversation: 'team', dueAt, body: 'hello' };

describe('messages that are to be sent later', () => {
  it('are stored under a key, told, put in the place of one another, and taken back', async () => {
    const { ask } = testApi();
    const put = await ask({ method: 'PUT', url: `${scheduled}/tea%20time`, body: { ...hello, mentions: ['ann'] } });
    expect(put).toMatchObject({
      status: 200,
      json: { key: 'tea time', state: 'open', type: 'text', mentions: ['ann'] },
    });
    const bytes = { conversation: 'team', dueAt, type: 'custom', bodyBase64: 'AP8K' };
    const again = await ask({ method: 'PUT', url: `${scheduled}/tea%20time`, body: bytes });
    expect(again).toMatchObject({ status: 200, json: { key: 'tea time', bodyBase64: 'AP8K' } });
    const list = await ask({ method: 'GET', url: `${scheduled}?limit=5` });
    expect(list).toMatchObject({
      status: 200,
      json: { messages: [{ type: 'custom', bodyBase64: 'AP8K' }], next: null },
    });
    expect(await ask({ method: 'DELETE', url: `${scheduled}/tea%20time` })).toMatchObject({ status: 200 });
    expect(await ask({ method: 'GET', url: scheduled })).toMatchObject({ json: { messages: [] } });
  });

  it.each<[string, object]>([
    ['no time', { conversation: 'team', body: 'hello' }],
    ['a time that is no whole number', { ...hello, dueAt: 1.5 }],
    ['neither a text nor bytes', { conversation: 'team', dueAt }],
    ['a text of bytes', { conversation: 'team', dueAt, bodyBase64: 'AP8K' }],
    ['a field that nobody knows', { ...hello, sendAt: 1 }],
  ])('are refused with %s', async (_what, body) => {
    const { ask } = testApi();
    expect(await ask({ method: 'PUT', url: `${scheduled}/k`, body })).toMatchObject({
      status: 400,
      code: 'bad_request',
    });
  });

  it('have bodies and keys of the size of every message, and a conversation that is there', async () => {
    const { ask } = testApi();
    const body = { ...hello, body: 'x'.repeat(32_769) };
    expect(await ask({ method: 'PUT', url: `${scheduled}/k`, body })).toMatchObject({ status: 413, code: 'too_large' });
    const key = await ask({ method: 'PUT', url: `${scheduled}/${'k'.repeat(65)}`, body: hello });
    expect(key).toMatchObject({ status: 400, code: 'bad_request' });
    const none = await ask({ method: 'PUT', url: `${scheduled}/k`, body: { ...hello, conversation: 'none' } });
    expect(none).toMatchObject({ status: 404, code: 'not_found' });
  });

  it('need the scopes of what is sent and read at once (I11)', async () => {
    const { ask } = testApi();
    const refused = async (asked: Asked): Promise<void> => {
      expect(await ask(asked)).toMatchObject({ status: 403, code: 'forbidden' });
    };
    await refused({ method: 'PUT', url: `${scheduled}/k`, body: hello, key: 'reader' });
    await refused({ method: 'DELETE', url: `${scheduled}/k`, key: 'reader' });
    await refused({ method: 'GET', url: scheduled, key: 'writer' });
    await refused({ method: 'GET', url: scheduled, key: 'scraper' });
    expect(await ask({ method: 'GET', url: scheduled, key: null })).toMatchObject({ status: 401 });
  });
});
