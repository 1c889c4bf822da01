import { frameError } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { aStory } from './testing/memory-stories.ts';
import { testApi } from './testing/test-api.ts';

const url = '/api/v1/conversations/team/messages/3/story';

describe('the story of a message', () => {
  it('is told as it was put together', async () => {
    const { ask, stories } = testApi();
    expect((await ask({ method: 'GET', url })).json).toEqual(JSON.parse(JSON.stringify(aStory)));
    expect(stories.asked).toEqual([{ conversation: 'team', seq: 3, limit: 20 }]);
  });

  it('is asked for by generation, of one user or of so many recipients', async () => {
    const { ask, stories } = testApi();
    await ask({ method: 'GET', url: `${url}?gen=2&user=bob` });
    await ask({ method: 'GET', url: `${url}?limit=100` });
    expect(stories.asked).toEqual([
      { conversation: 'team', seq: 3, gen: 2, user: 'bob', limit: 20 },
      { conversation: 'team', seq: 3, limit: 100 },
    ]);
  });

  it('shows who has read what, so it is for administrators alone (I11)', async () => {
    const { ask, stories } = testApi();
    for (const key of ['reader', 'writer', 'scraper'] as const)
      expect(await ask({ method: 'GET', url, key })).toMatchObject({ status: 403, code: 'forbidden' });
    expect(await ask({ method: 'GET', url, key: null })).toMatchObject({ status: 401 });
    expect(stories.asked).toEqual([]);
  });

  it.each([
    ['/api/v1/conversations/team/messages/third/story', /seq: .*whole number/],
    [`${url}?limit=101`, /limit/],
    [`${url}?limit=0`, /limit/],
    [`${url}?user=two%20words`, /user/],
    [`${url}?gen=-1`, /gen/],
    [`${url}?device=phone`, /device/],
  ])('of %s is refused with what is wrong', async (asked, why) => {
    const { ask, stories } = testApi();
    const { status, code, text } = await ask({ method: 'GET', url: asked });
    expect([status, code]).toEqual([400, 'bad_request']);
    expect(text).toMatch(why);
    expect(stories.asked).toEqual([]);
  });

  it('that cannot be told is refused for the reason that there is', async () => {
    const { ask, stories } = testApi();
    expect(await ask({ method: 'GET', url: url.replace('/3/', '/4/') })).toMatchObject({ status: 404 });
    stories.refusal = frameError('regressed', 'it was lost', { from: 2 });
    const { status, json } = await ask({ method: 'GET', url });
    expect([status, json]).toMatchObject([409, { error: { code: 'regressed', from: 2 } }]);
  });
});
