import type { NodeId } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import { aCluster, testApi } from './testing/test-api.ts';

describe('the cluster', () => {
  const url = '/api/v1/cluster';

  it('is told as this node sees it, with null for a member that does not answer', async () => {
    const { ask } = testApi();
    expect((await ask({ method: 'GET', url })).json).toEqual({
      version: 7,
      asked: 'one',
      owners: ['one', 'two', null],
      members: [
        {
          name: 'one',
          run: 'one.1',
          roles: ['gateway', 'actors'],
          draining: false,
          url: 'http://127.0.0.1:7400',
          socketUrl: 'ws://127.0.0.1:7401',
          owned: 1,
          status: {
            viewVersion: 7,
            coordinator: 'one',
            usersAttached: 5,
            moving: 0,
            partitions: [{ partition: 0, epoch: 3, gen: 1, commitNo: 40, serving: true, queued: 2, undiffused: 1 }],
          },
        },
        {
          name: 'two',
          run: 'two.1',
          roles: ['actors'],
          draining: true,
          url: '',
          socketUrl: '',
          owned: 1,
          status: null,
        },
      ],
      unserved: [1, 2],
    });
  });

  it('is asked for again by whoever asks before this node has a part in it', async () => {
    const { ask, state } = testApi();
    state.cluster = null;
    expect(await ask({ method: 'GET', url })).toMatchObject({ status: 503, code: 'unavailable' });
  });

  it('is told by a member that is not in the view yet, and shows nothing more that another version tells', async () => {
    const { ask, state } = testApi();
    const members = aCluster.members.map((member) => ({
      ...member,
      status: member.status === null ? null : { ...member.status, mood: 'sunny' },
    }));
    state.cluster = { ...aCluster, members, self: 'three.1' as NodeId };
    const { json, text } = await ask({ method: 'GET', url });
    expect(json['asked']).toBe(null);
    expect(text).not.toContain('sunny');
  });
});

describe('sessions of a user', () => {
  it('are listed and closed one by one or all at once', async () => {
    const { ask } = testApi();
    const url = '/api/v1/users/alice/sessions';
    expect((await ask({ method: 'GET', url })).json['sessions']).toHaveLength(2);
    expect((await ask({ method: 'DELETE', url: `${url}/s1` })).json).toEqual({ closed: 1 });
    expect((await ask({ method: 'DELETE', url: `${url}/s1` })).status).toBe(404);
    expect((await ask({ method: 'DELETE', url })).json).toEqual({ closed: 1 });
    expect((await ask({ method: 'GET', url })).json).toEqual({ user: 'alice', sessions: [], missing: [] });
  });

  const url = '/api/v1/users/alice/sessions';

  it('are listed with the node of each, and with the nodes that did not answer', async () => {
    const { ask, sessions } = testApi();
    sessions.missing = ['three'];
    expect((await ask({ method: 'GET', url })).json).toMatchObject({
      sessions: [
        { session: 's1', node: 'one' },
        { session: 's2', node: 'two' },
      ],
      missing: ['three'],
    });
  });

  it('are never said to be closed when a node may have more of them: it says which, and to try again', async () => {
    const { ask, sessions } = testApi();
    sessions.missing = ['three'];
    const all = await ask({ method: 'DELETE', url });
    expect([all.status, all.code, all.headers['retry-after']]).toEqual([503, 'unavailable', '1']);
    expect((all.json['error'] as { message: string }).message).toContain(
      '2 sessions were closed, but nothing was heard',
    );
    expect(await ask({ method: 'DELETE', url: `${url}/s1` })).toMatchObject({ status: 503, code: 'unavailable' });
    sessions.missing = [];
    expect((await ask({ method: 'DELETE', url })).json).toEqual({ closed: 0 });
    expect((await ask({ method: 'DELETE', url: `${url}/s1` })).status).toBe(404);
  });

  it('are closed one by one though another node is silent, for a session is on one node only', async () => {
    const { ask, sessions } = testApi();
    sessions.missing = ['three'];
    expect(await ask({ method: 'DELETE', url: `${url}/s1` })).toMatchObject({ status: 200, json: { closed: 1 } });
  });

  it('cannot be told by a node that does not know its cluster', async () => {
    const { ask, sessions } = testApi();
    sessions.outage = { code: 'unavailable', message: 'a test', retry: 'later' };
    for (const request of [
      { method: 'GET', url },
      { method: 'DELETE', url },
      { method: 'DELETE', url: `${url}/s1` },
    ] as const) {
      expect(await ask(request)).toMatchObject({ status: 503, code: 'unavailable' });
    }
  });
});
