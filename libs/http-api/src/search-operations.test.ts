import { describe, expect, it } from 'vitest';
import { testApi, tokenOf, type Asked } from './testing/test-api.ts';

const url = '/api/v1/search';
const asUser = (user: string): Pick<Asked, 'key' | 'headers'> => ({
  key: null,
  headers: { authorization: `Bearer ${tokenOf(user)}` },
});

/** Two rooms with a message each; bob is in the first one alone. */
async function withRooms(config?: Parameters<typeof testApi>[0]) {
  const api = testApi(config);
  for (const [conversation, members] of [
    ['tea', ['bob']],
    ['talk', ['cat']],
  ] as const) {
    const body = { creator: 'alice', kind: 'group', conversation, members };
    await api.ask({ method: 'POST', url: '/api/v1/conversations', body });
    const message = { from: 'alice', key: 'k', window: 7, body: `the kettle of ${conversation}` };
    await api.ask({ method: 'POST', url: `/api/v1/conversations/${conversation}/messages`, body: message });
  }
  const rooms = async (asked: Asked): Promise<unknown> => {
    const { status, json, code } = await api.ask(asked);
    if (status !== 200) return [status, code];
    return (json['hits'] as { readonly conversation: string }[]).map(({ conversation }) => conversation);
  };
  return { ...api, rooms };
}

describe('a search over HTTP', () => {
  it('with a token is of what its user may read, whoever is named (I11)', async () => {
    const { rooms } = await withRooms();
    expect(await rooms({ method: 'GET', url: `${url}?text=kettle`, ...asUser('bob') })).toEqual(['tea']);
    expect(await rooms({ method: 'POST', url, body: { text: 'kettle' }, ...asUser('alice') })).toEqual(['tea', 'talk']);
    expect(await rooms({ method: 'GET', url: `${url}?text=kettle&as=bob`, ...asUser('bob') })).toEqual(['tea']);
    expect(await rooms({ method: 'GET', url: `${url}?text=kettle&as=alice`, ...asUser('bob') })).toEqual([
      403,
      'forbidden',
    ]);
    expect(await rooms({ method: 'GET', url: `${url}?text=kettle`, ...asUser('nobody') })).toEqual([
      401,
      'unauthenticated',
    ]);
  });

  it('with a token is that alone: nothing else takes one', async () => {
    const { ask } = await withRooms();
    const refused = await ask({ method: 'GET', url: '/api/v1/users/bob/conversations', ...asUser('bob') });
    expect([refused.status, refused.code]).toEqual([401, 'unauthenticated']);
  });

  it('with a key is of a user, or with the scope admin of everything', async () => {
    const { rooms } = await withRooms();
    const asked = { method: 'GET', url: `${url}?text=kettle` } as const;
    expect(await rooms({ ...asked, key: 'admin' })).toEqual(['tea', 'talk']);
    expect(await rooms({ ...asked, url: `${asked.url}&conversations=talk`, key: 'admin' })).toEqual(['talk']);
    expect(await rooms({ ...asked, key: 'reader' })).toEqual([403, 'forbidden']);
    expect(await rooms({ ...asked, url: `${asked.url}&as=bob`, key: 'reader' })).toEqual(['tea']);
    expect(await rooms({ ...asked, url: `${asked.url}&as=bob`, key: 'writer' })).toEqual([403, 'forbidden']);
  });

  it('answers messages, with what to mark', async () => {
    const { ask } = await withRooms();
    const found = await ask({ method: 'GET', url: `${url}?text=kettle`, ...asUser('bob') });
    expect(found.json).toMatchObject({
      hits: [{ message: { seq: 2, body: 'the kettle of tea', from: 'alice' }, places: [{ start: 4, end: 10 }] }],
      ...{ next: null, complete: true, unsearched: [] },
    });
  });

  it.each([
    ['limit=101', 'limit'],
    ['limit=0', 'limit'],
    ['types=song', 'types.0'],
    ['since=yesterday', 'since'],
    ['sort=best', 'sort'],
    ['colour=red', 'colour'],
    ['text=', 'text'],
    ['conversations=a%20b', 'conversations.0'],
  ])('for %s is a bad request, which says why', async (query, field) => {
    const { ask } = await withRooms();
    const refused = await ask({ method: 'GET', url: `${url}?${query}`, ...asUser('bob') });
    expect([refused.status, refused.code]).toEqual([400, 'bad_request']);
    expect((refused.json['error'] as { message: string }).message).toContain(field);
  });

  it.each([
    [[{ name: 'a b', is: 1 }]],
    [[{ name: 'price' }]],
    [[{ name: 'price', is: 0.5 }]],
    [[{ name: 'price', is: 1, min: 1 }]],
    [[]],
  ])('with the fields %j is a bad request', async (fields) => {
    const { ask } = await withRooms();
    const refused = await ask({ method: 'POST', url, body: { fields }, ...asUser('bob') });
    expect([refused.status, refused.code]).toEqual([400, 'bad_request']);
  });

  it('is refused to a user who asks too much, and to nobody else', async () => {
    const { ask, clock } = await withRooms({ userRateLimit: { perSecond: 1, burst: 2 } });
    const status = async (user: string) => (await ask({ method: 'GET', url, ...asUser(user) })).status;
    expect([await status('bob'), await status('bob'), await status('bob'), await status('cat')]).toEqual([
      ...[200, 200, 429, 200],
    ]);
    clock.ms += 1_000;
    expect(await status('bob')).toBe(200);
  });
});
