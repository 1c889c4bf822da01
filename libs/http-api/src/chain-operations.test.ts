import { describe, expect, it } from 'vitest';
import { testApi } from './testing/test-api.ts';

const url = '/api/v1/conversations/team/chain';

describe('the chain of a conversation', () => {
  it('is told page by page, with where it is broken', async () => {
    const { ask } = testApi();
    expect(await ask({ method: 'GET', url })).toMatchObject({
      status: 200,
      json: { conversation: 'team', entries: 50, broken: [], hot: null, next: '1-50', marks: [{ seq: 50 }] },
    });
    expect(await ask({ method: 'GET', url: `${url}?cursor=1-50` })).toMatchObject({
      status: 200,
      json: { hot: 7, next: null, broken: [{ gen: 1, first: 51, last: 100 }] },
    });
    expect(await ask({ method: 'GET', url: '/api/v1/conversations/none/chain' })).toMatchObject({ status: 404 });
    expect(await ask({ method: 'GET', url: `${url}?limit=1` })).toMatchObject({ status: 400 });
  });

  it('is for administrators alone (I11)', async () => {
    const { ask } = testApi();
    for (const key of ['reader', 'writer', 'scraper'] as const)
      expect(await ask({ method: 'GET', url, key })).toMatchObject({ status: 403, code: 'forbidden' });
  });
});
