import { describe, expect, it } from 'vitest';
import { testApi } from './testing/test-api.ts';

const data = '/api/v1/users/bob/data';

describe('what is erased for good', () => {
  it('of a user is begun, and told of until it is done', async () => {
    const { ask } = testApi();
    expect(await ask({ method: 'GET', url: '/api/v1/users/bob/erasure' })).toMatchObject({ status: 404 });
    expect(await ask({ method: 'DELETE', url: data })).toMatchObject({ status: 202, json: { state: 'running' } });
    const told = await ask({ method: 'GET', url: '/api/v1/users/bob/erasure' });
    expect(told).toMatchObject({ status: 200, json: { user: 'bob', state: 'done', entries: 7, left: [{}] } });
  });

  it('of a conversation is done with the answer', async () => {
    const { ask } = testApi();
    const done = await ask({ method: 'DELETE', url: '/api/v1/conversations/team/data' });
    expect(done).toMatchObject({ status: 200, json: { conversation: 'team', left: [] } });
    expect(await ask({ method: 'DELETE', url: '/api/v1/conversations/none/data' })).toMatchObject({ status: 404 });
  });

  it('cannot be undone, so it is for administrators alone (I11)', async () => {
    const { ask } = testApi();
    for (const key of ['reader', 'writer', 'scraper'] as const) {
      expect(await ask({ method: 'DELETE', url: data, key })).toMatchObject({ status: 403, code: 'forbidden' });
      expect(await ask({ method: 'DELETE', url: '/api/v1/conversations/team/data', key })).toMatchObject({
        status: 403,
      });
      expect(await ask({ method: 'GET', url: '/api/v1/users/bob/erasure', key })).toMatchObject({ status: 403 });
    }
  });
});
