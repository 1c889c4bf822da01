import { describe, expect, it } from 'vitest';
import { testApi, type Asked, type KeyName } from './testing/test-api.ts';

const group = { creator: 'alice', kind: 'group', conversation: 'team', title: 'The team', members: ['bob'] };
const lobby = { creator: 'alice', kind: 'lobby', conversation: '~match', members: ['bob'], backlog: 50, membersMax: 8 };
const send = (key: string, body = 'hello', from = 'alice') => ({ from, key, window: 7, body });

async function withTeam(config?: Parameters<typeof testApi>[0]) {
  const api = testApi(config);
  for (const body of [group, lobby]) await api.ask({ method: 'POST', url: '/api/v1/conversations', body });
  return api;
}

/** One well-formed request for each operation of the document. */
const requests: Readonly<Record<string, Omit<Asked, 'key'>>> = {
  getHealth: { method: 'GET', url: '/healthz' },
  getReadiness: { method: 'GET', url: '/readyz' },
  getMetrics: { method: 'GET', url: '/metrics' },
  getEndpoints: { method: 'GET', url: '/api/v1/endpoints' },
  getCluster: { method: 'GET', url: '/api/v1/cluster' },
  createConversation: { method: 'POST', url: '/api/v1/conversations', body: { ...group, conversation: 'other' } },
  getConversation: { method: 'GET', url: '/api/v1/conversations/team' },
  listMembers: { method: 'GET', url: '/api/v1/conversations/team/members' },
  addMembers: { method: 'POST', url: '/api/v1/conversations/team/members', body: { users: ['carol'] } },
  removeMember: { method: 'DELETE', url: '/api/v1/conversations/team/members/carol' },
  setRole: { method: 'PUT', url: '/api/v1/conversations/team/members/bob/role', body: { role: 'admin' } },
  changeSettings: { method: 'PATCH', url: '/api/v1/conversations/team', body: { muted: true, slowModeMs: 1_000 } },
  muteMember: { method: 'PUT', url: '/api/v1/conversations/team/members/bob/mute', body: { until: 1_900_000_000_000 } },
  unmuteMember: { method: 'DELETE', url: '/api/v1/conversations/team/members/bob/mute' },
  listBans: { method: 'GET', url: '/api/v1/conversations/team/bans?limit=10' },
  banUser: { method: 'PUT', url: '/api/v1/conversations/team/bans/dave' },
  unbanUser: { method: 'DELETE', url: '/api/v1/conversations/team/bans/dave' },
  blockUser: { method: 'PUT', url: '/api/v1/users/alice/blocks/bob' },
  unblockUser: { method: 'DELETE', url: '/api/v1/users/alice/blocks/bob' },
  promoteLobby: { method: 'POST', url: '/api/v1/conversations/~match/promotion' },
  dissolveLobby: { method: 'DELETE', url: '/api/v1/conversations/~match' },
  sendMessage: { method: 'POST', url: '/api/v1/conversations/team/messages', body: send('k1') },
  editMessage: {
    method: 'PATCH',
    url: '/api/v1/conversations/team/messages/2',
    body: { from: 'bob', key: 'k2', window: 7, body: 'hello, again' },
  },
  forwardMessage: {
    method: 'POST',
    url: '/api/v1/conversations/team/forwards',
    body: { from: 'bob', key: 'k3', window: 7, source: { conversation: 'team', seq: 2 } },
  },
  recallMessage: { method: 'POST', url: '/api/v1/conversations/team/messages/2/recall' },
  reactToMessage: {
    method: 'POST',
    url: '/api/v1/conversations/team/messages/2/reactions',
    body: { from: 'bob', key: 'k4', window: 7, emoji: '👍' },
  },
  listRevisions: { method: 'GET', url: '/api/v1/conversations/team/messages/2/revisions?limit=10' },
  deleteMessage: { method: 'DELETE', url: '/api/v1/conversations/team/messages/2?as=bob' },
  pinMessage: { method: 'PUT', url: '/api/v1/conversations/team/pins/2' },
  unpinMessage: { method: 'DELETE', url: '/api/v1/conversations/team/pins/2' },
  eraseConversation: { method: 'DELETE', url: '/api/v1/conversations/team/data' },
  eraseUser: { method: 'DELETE', url: '/api/v1/users/bob/data' },
  getErasure: { method: 'GET', url: '/api/v1/users/bob/erasure' },
  listMessages: { method: 'GET', url: '/api/v1/conversations/team/messages?as=bob' },
  searchMessages: { method: 'GET', url: '/api/v1/search?text=hello&as=bob&types=text&types=image&count=true' },
  searchMessagesByBody: {
    method: 'POST',
    url: '/api/v1/search',
    body: { text: 'hello', conversations: ['team'], fields: [{ name: 'price', min: -3 }] },
  },
  listThread: { method: 'GET', url: '/api/v1/conversations/team/messages/1/thread?as=bob' },
  listReaders: { method: 'GET', url: '/api/v1/conversations/team/messages/1/readers?list=unread&limit=10' },
  getIndexRebuild: { method: 'GET', url: '/api/v1/search/rebuild' },
  rebuildIndex: { method: 'POST', url: '/api/v1/search/rebuild', body: {} },
  explainMessage: { method: 'GET', url: '/api/v1/conversations/team/messages/3/story' },
  listExport: { method: 'GET', url: '/api/v1/export' },
  exportConversation: { method: 'GET', url: '/api/v1/export/team?from=1' },
  importConversations: {
    method: 'POST',
    url: '/api/v1/import',
    body: { slices: [{ lines: [{ conversation: 'x' }] }] },
  },
  checkChain: { method: 'GET', url: '/api/v1/conversations/team/chain' },
  listUserConversations: { method: 'GET', url: '/api/v1/users/bob/conversations' },
  listUserSessions: { method: 'GET', url: '/api/v1/users/alice/sessions' },
  listScheduled: { method: 'GET', url: '/api/v1/users/bob/scheduled' },
  scheduleMessage: {
    method: 'PUT',
    url: '/api/v1/users/bob/scheduled/k',
    body: { conversation: 'team', dueAt: 1_900_000_000_000, body: 'later' },
  },
  unscheduleMessage: { method: 'DELETE', url: '/api/v1/users/bob/scheduled/k' },
  closeUserSession: { method: 'DELETE', url: '/api/v1/users/alice/sessions/s1' },
  closeUserSessions: { method: 'DELETE', url: '/api/v1/users/alice/sessions' },
};

const openInProduction = ['getEndpoints', 'getHealth', 'getReadiness'];

describe('the document docs/openapi.yaml', () => {
  it('has exactly the operations that the server has', () => {
    const { operations, document } = testApi();
    const served = operations.map(({ id, method, path }) => `${id} ${method} ${path.replace(/:(\w+)/g, '{$1}')}`);
    const documented = document.operations().map(({ id, method, path }) => `${id} ${method} ${path}`);
    expect([...served, 'getMetrics GET /metrics'].sort()).toEqual([...documented].sort());
    expect(Object.keys(requests).sort()).toEqual(
      document
        .operations()
        .map(({ id }) => id)
        .sort(),
    );
  });

  it('says of each operation whether it is open as the server has it', () => {
    const { operations, document } = testApi();
    const open = operations.filter(({ access }) => access === 'open').map(({ id }) => id);
    expect(open.sort()).toEqual(openInProduction);
    expect(
      document
        .operations()
        .filter(({ isOpen }) => isOpen)
        .map(({ id }) => id)
        .sort(),
    ).toEqual(openInProduction);
  });

  it('describes the answer to a well-formed request for each operation, and takes the request', async () => {
    const { ask, document } = await withTeam();
    for (const [id, request] of Object.entries(requests)) {
      if (request.body !== undefined) expect(document.requestProblems(id, request.body)).toEqual([]);
      expect((await ask(request)).status, id).toBeLessThan(300);
    }
  });

  it('refers to nothing that is not there', () => {
    expect(testApi().document.unusableSchemas()).toEqual([]);
  });

  it('would notice a field too many, one too few and an undocumented status', () => {
    const { document } = testApi();
    const base = { method: 'GET', url: '/healthz', status: 200, contentType: 'application/json' };
    expect(document.problems({ ...base, body: '{"status":"alive"}' })).toEqual([]);
    expect(document.problems({ ...base, body: '{"status":"alive","more":1}' })).not.toEqual([]);
    expect(document.problems({ ...base, body: '{}' })).not.toEqual([]);
    expect(document.problems({ ...base, status: 204, body: '{"status":"alive"}' })).not.toEqual([]);
    expect(document.problems({ ...base, contentType: 'text/html', body: '<p>' })).not.toEqual([]);
  });
});

describe('access in production mode', () => {
  it('is refused without a key, with an unknown one and with a malformed header, but for the three open operations (I11)', async () => {
    const { ask } = await withTeam();
    for (const [id, request] of Object.entries(requests)) {
      if (openInProduction.includes(id)) continue;
      const without = await ask({ ...request, key: null });
      expect([without.status, without.code, without.headers['www-authenticate']], id).toEqual([
        401,
        'unauthenticated',
        'Bearer realm="millrace"',
      ]);
      for (const authorization of ['Bearer of-a-key-that-nobody-has', 'Basic YTpi', 'Bearer', 'Bearer  ']) {
        expect((await ask({ ...request, key: null, headers: { authorization } })).status, id).toBe(401);
      }
    }
    for (const id of openInProduction) expect((await ask({ ...requests[id], key: null } as Asked)).status).toBe(200);
  });

  it('to where the sockets are can be made to need a key', async () => {
    const { ask } = testApi({ endpointsNeedKey: true });
    expect((await ask({ method: 'GET', url: '/api/v1/endpoints', key: null })).status).toBe(401);
    expect((await ask({ method: 'GET', url: '/api/v1/endpoints', key: 'reader' })).status).toBe(200);
  });

  it.each<[KeyName, readonly string[]]>([
    [
      'reader',
      [
        ...['getConversation', 'listBans', 'listMembers', 'listMessages', 'listReaders', 'listThread'],
        ...['listUserConversations', 'searchMessages', 'listScheduled'],
      ],
    ],
    [
      'writer',
      [
        ...['createConversation', 'addMembers', 'removeMember', 'setRole', 'sendMessage', 'changeSettings'],
        ...['muteMember', 'unmuteMember', 'banUser', 'unbanUser', 'blockUser', 'unblockUser'],
        ...['scheduleMessage', 'unscheduleMessage'],
        ...['editMessage', 'recallMessage', 'deleteMessage', 'forwardMessage', 'reactToMessage'],
        ...['pinMessage', 'unpinMessage'],
        ...['promoteLobby', 'dissolveLobby'],
      ],
    ],
    ['scraper', ['getMetrics']],
  ])('of the key %s is what its scope says', async (key, allowed) => {
    const { ask } = await withTeam();
    for (const [id, request] of Object.entries(requests)) {
      if (openInProduction.includes(id)) continue;
      const { status, code } = await ask({ ...request, key });
      if (allowed.includes(id)) expect(status, id).toBeLessThan(300);
      else expect([status, code], id).toEqual([403, 'forbidden']);
    }
  });

  it('to metrics needs no key in development mode, everything else still does', async () => {
    const { ask } = testApi({ mode: 'development' });
    expect((await ask({ method: 'GET', url: '/metrics', key: null })).status).toBe(200);
    expect((await ask({ method: 'GET', url: '/api/v1/conversations/team', key: null })).status).toBe(401);
  });
});

describe('sending over HTTP', () => {
  it('answers a retry of the same key with the first seq and stores nothing twice (I4)', async () => {
    const { ask } = await withTeam();
    const url = '/api/v1/conversations/team/messages';
    const first = await ask({ method: 'POST', url, body: send('k1') });
    const second = await ask({ method: 'POST', url, body: send('k2', 'again') });
    const retry = await ask({ method: 'POST', url, body: send('k1') });
    expect([first.status, first.json['seq'], first.json['duplicate']]).toEqual([201, 2, false]);
    expect(second.json['seq']).toBe(3);
    expect([retry.status, retry.json['seq'], retry.json['duplicate']]).toEqual([200, 2, true]);
    const page = await ask({ method: 'GET', url: `${url}?as=bob&direction=forward` });
    expect((page.json['messages'] as { seq: number; body: string }[]).map(({ seq }) => seq)).toEqual([1, 2, 3]);
  });

  it('answers 410 for a key of a window that is over', async () => {
    const { ask } = await withTeam();
    const info = await ask({ method: 'GET', url: '/api/v1/conversations/team' });
    expect(info.json['keyWindow']).toBe(7);
    const late = await ask({
      method: 'POST',
      url: '/api/v1/conversations/team/messages',
      body: { ...send('k1'), window: 6 },
    });
    expect([late.status, late.code]).toEqual([410, 'expired']);
  });

  it('carries bytes as base64, there and back', async () => {
    const { ask } = await withTeam();
    const url = '/api/v1/conversations/team/messages';
    const sent = await ask({
      method: 'POST',
      url,
      body: { from: 'alice', key: 'k', window: 7, type: 'custom', bodyBase64: '/wD+' },
    });
    expect(sent.status).toBe(201);
    const page = await ask({ method: 'GET', url: `${url}?as=alice&limit=1` });
    expect(page.json['messages']).toMatchObject([{ type: 'custom', bodyBase64: '/wD+' }]);
  });

  it.each([
    ['no body at all', { from: 'alice', key: 'k', window: 7 }, 400, 'either body or bodyBase64'],
    ['two bodies', { ...send('k'), bodyBase64: 'AA==' }, 400, 'either body or bodyBase64'],
    ['a text of bytes', { from: 'alice', key: 'k', window: 7, bodyBase64: 'AA==' }, 400, 'needs a body of text'],
    ['what is not base64', { from: 'alice', key: 'k', window: 7, type: 'file', bodyBase64: '*' }, 400, 'not base64'],
    ['half a character', send('k', '\ud800'), 400, 'well-formed Unicode'],
    ['a type of the server', { ...send('k'), type: 'control' }, 400, 'type'],
    ['a field that is not known', { ...send('k'), colour: 'red' }, 400, 'colour'],
    ['a bad user id', { ...send('k'), from: 'a b' }, 400, 'from: a user id must be'],
    ['no window', { from: 'alice', key: 'k', body: 'x' }, 400, 'window'],
    ['a long key', send('k'.repeat(65)), 400, 'key'],
    ['a long text', send('k', 'é'.repeat(16_385)), 413, 'at most 32768'],
    ['a stranger', send('k', 'hi', 'mallory'), 403, 'no member'],
  ])('refuses %s and says why', async (_what, body, status, why) => {
    const { ask } = await withTeam();
    const refused = await ask({ method: 'POST', url: '/api/v1/conversations/team/messages', body });
    expect(refused.status).toBe(status);
    expect((refused.json['error'] as { message: string }).message).toContain(why);
  });
});

describe('requests', () => {
  it.each([
    ['not JSON', { 'content-type': 'application/json' }, '{', 400, 'bad_request'],
    ['an empty body', { 'content-type': 'application/json' }, '', 400, 'bad_request'],
    ['another media type', { 'content-type': 'text/xml' }, '<a/>', 415, 'bad_request'],
    ['a text', { 'content-type': 'text/plain' }, '{}', 415, 'bad_request'],
    ['a poisoned prototype', { 'content-type': 'application/json' }, '{"__proto__":{"a":1}}', 400, 'bad_request'],
    ['an array', { 'content-type': 'application/json' }, '[]', 400, 'bad_request'],
    ['too much', { 'content-type': 'application/json' }, JSON.stringify('x'.repeat(1_100_000)), 413, 'too_large'],
  ])('with %s are refused in the one error form', async (_what, headers, body, status, code) => {
    const { ask } = testApi();
    const refused = await ask({ method: 'POST', url: '/api/v1/conversations', headers, body });
    expect([refused.status, refused.code]).toEqual([status, code]);
  });

  it.each([
    '/api/v1/conversations/a%20b',
    '/api/v1/conversations/team/messages',
    '/api/v1/conversations/team/messages?as=bob&limit=0',
    '/api/v1/conversations/team/messages?as=bob&limit=1e3',
    '/api/v1/conversations/team/messages?as=bob&from=-1',
    '/api/v1/conversations/team/messages?as=bob&direction=up',
    '/api/v1/conversations/team/messages?as=bob&as=alice',
    '/api/v1/conversations/team/members?color=1',
    '/api/v1/conversations/%zz',
  ])('for %s are bad requests', async (url) => {
    const { ask } = await withTeam();
    const refused = await ask({ method: 'GET', url });
    expect([refused.status, refused.code]).toEqual([400, 'bad_request']);
  });

  it('for what is not there are not found, whatever the method', async () => {
    const { ask } = testApi();
    for (const url of ['/', '/api/v1', '/api/v1/conversations/none', '/api/v2/endpoints', '/.env']) {
      expect((await ask({ method: 'GET', url })).status, url).toBe(404);
    }
    expect((await ask({ method: 'DELETE', url: '/healthz' })).status).toBe(404);
  });

  it('name conversations with every character that an id may hold', async () => {
    const { ask } = testApi();
    const conversation = `A.b_c~d@e:f%g+h=i-${'j'.repeat(46)}`;
    await ask({ method: 'POST', url: '/api/v1/conversations', body: { ...group, conversation } });
    const direct = `${'%'.repeat(64)}!${'b'.repeat(64)}`;
    await ask({ method: 'POST', url: '/api/v1/conversations', body: { ...group, conversation: direct } });
    for (const id of [conversation, direct]) {
      const found = await ask({ method: 'GET', url: `/api/v1/conversations/${encodeURIComponent(id)}` });
      expect([found.status, found.json['conversation']]).toEqual([200, id]);
    }
  });

  it('page members and history', async () => {
    const { ask } = await withTeam();
    await ask({ method: 'POST', url: '/api/v1/conversations/team/members', body: { users: ['carol', 'dave'] } });
    const first = await ask({ method: 'GET', url: '/api/v1/conversations/team/members?limit=2' });
    expect(first.json).toMatchObject({ count: 4, members: [{ user: 'alice' }, { user: 'bob' }], next: 'bob' });
    const rest = await ask({ method: 'GET', url: '/api/v1/conversations/team/members?limit=2&after=bob' });
    expect(rest.json).toMatchObject({ members: [{ user: 'carol' }, { user: 'dave' }], next: null });
    const lost = await ask({ method: 'GET', url: '/api/v1/conversations/team/messages?as=bob&from=9&gen=1' });
    expect([lost.status, lost.code, (lost.json['error'] as { from: number }).from]).toEqual([409, 'regressed', 1]);
  });

  it('from an address that sends too many are refused with the time to wait, others are not', async () => {
    const { ask, clock } = testApi({ rateLimit: { perSecond: 2, burst: 2 }, trustedProxies: ['127.0.0.1'] });
    const from = (ip: string) => ask({ method: 'GET', url: '/healthz', headers: { 'x-forwarded-for': ip } });
    expect([(await from('192.0.2.1')).status, (await from('192.0.2.1')).status]).toEqual([200, 200]);
    const refused = await from('192.0.2.1');
    expect([refused.status, refused.code, refused.headers['retry-after']]).toEqual([429, 'rate_limited', '1']);
    expect((await from('192.0.2.2')).status).toBe(200);
    clock.ms += 500;
    expect((await from('192.0.2.1')).status).toBe(200);
  });

  it('do not choose the address that they are counted under unless a trusted proxy passes them on', async () => {
    const { ask } = testApi({ rateLimit: { perSecond: 1, burst: 1 } });
    const from = (ip: string) => ask({ method: 'GET', url: '/healthz', headers: { 'x-forwarded-for': ip } });
    expect([(await from('192.0.2.1')).status, (await from('192.0.2.2')).status]).toEqual([200, 429]);
  });
});

describe('answers', () => {
  it('forbid caching, sniffing and framing, also when they refuse', async () => {
    const { ask } = testApi();
    for (const url of ['/healthz', '/nowhere', '/api/v1/conversations/none', '/api/v1/conversations/%zz']) {
      expect((await ask({ method: 'GET', url })).headers).toMatchObject({
        'cache-control': 'no-store',
        'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
      });
    }
  });

  it.each([
    ['unavailable', 503, '1'],
    ['overloaded', 503, '1'],
    ['conflict', 409, undefined],
    ['limit_reached', 409, undefined],
  ] as const)('pass on %s with its status and when to retry', async (code, status, retryAfter) => {
    const { ask, chat } = await withTeam();
    chat.outage = { code, message: 'a test', retry: status === 503 ? 'later' : 'never' };
    for (const id of [
      'createConversation',
      'getConversation',
      'sendMessage',
      'listMessages',
      'listUserConversations',
    ]) {
      const refused = await ask({ ...requests[id] } as Asked);
      expect([refused.status, refused.code, refused.headers['retry-after']], id).toEqual([status, code, retryAfter]);
    }
  });

  it('to a defect of ours show nothing of it, and it is logged', async () => {
    const { ask, chat, logged } = testApi();
    chat.gate = Promise.reject(new Error('secret insides at /srv/millrace'));
    const refused = await ask({ method: 'GET', url: '/api/v1/conversations/team' });
    expect([refused.status, refused.code]).toEqual([500, 'internal']);
    expect(refused.text).not.toContain('insides');
    expect(logged.join()).toContain('secret insides');
  });

  it('say not ready with the reasons, and draining before anything else', async () => {
    const { ask, state } = testApi();
    expect((await ask({ method: 'GET', url: '/readyz', key: null })).json).toEqual({ ready: true, reasons: [] });
    state.readiness = { ok: false, reasons: ['12 of 256 partitions are owned'] };
    const waiting = await ask({ method: 'GET', url: '/readyz', key: null });
    expect([waiting.status, waiting.json['reasons']]).toEqual([503, ['12 of 256 partitions are owned']]);
    state.draining = true;
    expect((await ask({ method: 'GET', url: '/readyz' })).json['reasons']).toEqual(['the node is draining']);
    expect((await ask({ method: 'GET', url: '/healthz' })).status).toBe(200);
    const refused = await ask({ method: 'GET', url: '/api/v1/users/bob/conversations' });
    expect([refused.status, refused.code, refused.headers['connection']]).toEqual([503, 'draining', 'close']);
  });

  it('tell the sockets by the host that was asked', async () => {
    const { ask, parts } = testApi();
    const at = async (host: string) =>
      (await ask({ method: 'GET', url: '/api/v1/endpoints', key: null, headers: { host } })).json['websocket'];
    expect(await at('chat.example.org:7400')).toBe('ws://chat.example.org:7401');
    expect(await at('[::1]:7400')).toBe('ws://[::1]:7401');
    expect(await at('"><script>')).toBe(`ws://${parts.config.host}:7401`);
    const proxied = testApi({ trustedProxies: ['127.0.0.1'] });
    const headers = { 'x-forwarded-proto': 'https', host: 'chat.example.org' };
    expect((await proxied.ask({ method: 'GET', url: '/api/v1/endpoints', headers })).json['websocket']).toBe(
      'wss://chat.example.org:7401',
    );
  });

  it('tell the public socket address when one is set, and none before the sockets listen', async () => {
    const { ask, state } = testApi();
    const endpoint = { port: 7401, subprotocols: ['millrace.v1.json'], version: '0.1.0' };
    state.endpoint = { ...endpoint, publicUrl: 'wss://chat.example.org/socket' };
    const url = '/api/v1/endpoints';
    expect((await ask({ method: 'GET', url })).json['websocket']).toBe('wss://chat.example.org/socket');
    state.endpoint = null;
    const early = await ask({ method: 'GET', url });
    expect([early.status, early.code]).toEqual([503, 'unavailable']);
  });

  it('tell them for a user, if one is named, whoever asks, and say what is wrong with the name', async () => {
    const { ask, state } = testApi();
    const url = '/api/v1/endpoints';
    for (const query of ['', '?user=ann', '?other=1'])
      expect((await ask({ method: 'GET', url: `${url}${query}`, key: null })).status).toBe(200);
    expect(state.endpointsAsked).toEqual([null, 'ann', null]);
    const refused = await ask({ method: 'GET', url: `${url}?user=%00`, key: null });
    expect([refused.status, refused.code]).toEqual([400, 'bad_request']);
    expect(state.endpointsAsked).toHaveLength(3);
  });

  it('are counted by operation and status', async () => {
    const { ask } = testApi();
    await ask({ method: 'GET', url: '/healthz' });
    await ask({ method: 'GET', url: '/nowhere' });
    await ask({ method: 'GET', url: '/api/v1/conversations/none' });
    const { text } = await ask({ method: 'GET', url: '/metrics', key: 'scraper' });
    expect(text).toContain('millrace_http_request_seconds_count{operation="getHealth",status="200"} 1');
    expect(text).toContain('millrace_http_request_seconds_count{operation="unknown",status="404"} 1');
    expect(text).toContain('millrace_http_request_seconds_count{operation="getConversation",status="404"} 1');
  });
});
