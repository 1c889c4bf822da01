import { describe, expect, it } from 'vitest';
import { testApi } from './testing/test-api.ts';

describe('the search index', () => {
  const url = '/api/v1/search/rebuild';

  it('is made anew when it is asked for, told of, and given up', async () => {
    const { ask } = testApi();
    const whole = { rebuilding: false, partitions: 4, done: 4 };
    const begun = { rebuilding: true, partitions: 4, done: 1 };
    expect((await ask({ method: 'GET', url })).json).toEqual(whole);
    expect((await ask({ method: 'POST', url, body: {} })).json).toEqual(begun);
    expect((await ask({ method: 'GET', url })).json).toEqual(begun);
    expect((await ask({ method: 'POST', url, body: { abandon: true } })).json).toEqual(whole);
  });

  it('is of an operator alone, and of a node that has one', async () => {
    const { ask, state, rebuild } = testApi();
    expect(await ask({ method: 'POST', url, key: 'writer', body: {} })).toMatchObject({ status: 403 });
    expect(await ask({ method: 'POST', url, body: { anew: true } })).toMatchObject({ status: 400 });
    expect(rebuild.isRebuilding).toBe(false);
    rebuild.isDown = true;
    const away = await ask({ method: 'POST', url, body: {} });
    expect(away).toMatchObject({ status: 503, code: 'unavailable' });
    expect(away.text).toContain('It is away. Wait for it.');
    state.isSearched = false;
    expect(await ask({ method: 'GET', url })).toMatchObject({ status: 404, code: 'not_found' });
  });
});
