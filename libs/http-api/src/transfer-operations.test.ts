import { encodeEntry, frameError, toBase64 } from '@millrace/protocol';
import { sequenceId } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import { testApi } from './testing/test-api.ts';

const about = { kind: 'group', title: 'Team', createdBy: 'alice' };
const conversation = { conversation: 'team', about, first: 1, last: 3 };
const member = { member: 'alice', role: 'owner', stays: [[1, 1, null]] };
const entry = (seq: number, more = {}) => ({ seq, at: 1_000 + seq, from: 'alice', body: 'hello', ...more });
const end = { end: 'team', last: 3 };

type Results = readonly {
  readonly ok: boolean;
  readonly line?: number;
  readonly error?: { readonly message: string };
}[];

async function imported(slices: readonly object[], api = testApi()): Promise<Results> {
  const answer = await api.ask({ method: 'POST', url: '/api/v1/import', body: { slices } });
  expect(answer).toMatchObject({ status: 200 });
  return answer.json['results'] as Results;
}

describe('export and import over HTTP', () => {
  it('are for administrators alone (I11)', async () => {
    const { ask } = testApi();
    for (const key of ['reader', 'writer', 'scraper'] as const) {
      for (const url of ['/api/v1/export', '/api/v1/export/team'])
        expect(await ask({ method: 'GET', url, key })).toMatchObject({ status: 403 });
      const body = { slices: [{ lines: [conversation] }] };
      expect(await ask({ method: 'POST', url: '/api/v1/import', body, key })).toMatchObject({ status: 403 });
    }
  });

  it('lists conversations and tells of one, page by page', async () => {
    const { ask } = testApi();
    const names = await ask({ method: 'GET', url: '/api/v1/export' });
    expect(names.json).toEqual({ conversations: ['team'], next: 'more' });
    expect((await ask({ method: 'GET', url: '/api/v1/export?cursor=more' })).json['next']).toBeNull();
    await ask({
      method: 'POST',
      url: '/api/v1/conversations',
      body: { creator: 'alice', kind: 'group', conversation: 'team' },
    });
    const page = await ask({ method: 'GET', url: '/api/v1/export/team' });
    expect(page.json).toMatchObject({ lines: [{ seq: 1, type: 'control' }], next: 'more' });
    const both = await ask({ method: 'GET', url: '/api/v1/export/team?cursor=more&from=3' });
    expect(both).toMatchObject({ status: 400, code: 'bad_request' });
    expect(await ask({ method: 'GET', url: '/api/v1/export/nowhere' })).toMatchObject({ status: 404 });
  });

  it('take a slice with what its lines leave out', async () => {
    const api = testApi();
    const ban = { ban: 'eve', by: null, at: 7 };
    const key = { key: 'k/1', from: 'alice', window: 2, seq: 2 };
    const control = entry(1, { type: 'control', body: '{"control":"joined","users":[]}' });
    const bytes = { seq: 3, at: 5, from: 'alice', type: 'image', bodyBase64: 'AAH+/w==' };
    const lines = [conversation, member, ban, key, control, entry(2, { mentionAll: true }), bytes, end];
    expect(await imported([{ lines, after: 0 }], api)).toEqual([
      { ok: true, conversation: 'team', seq: 3, done: true, announced: null },
    ]);
    expect(api.chat.slices[0]).toMatchObject({
      line: { about: { joinPolicy: 'invite', historyPolicy: 'all', muted: false }, keyWindow: [1, 0], segments: [] },
      members: [{ readSeq: 0, deliveredSeq: 0, devices: [] }],
      entries: [
        { seq: 1, fields: { countable: false } },
        { seq: 2, fields: { countable: true, sentAt: 1_002, mentionAll: true } },
        { seq: 3, fields: { body: Uint8Array.of(0, 1, 254, 255) } },
      ],
      isLast: true,
      after: 0,
    });
    expect(
      await imported([{ lines: [conversation, { ...member, mutedUntil: Number.MAX_SAFE_INTEGER }] }], api),
    ).toEqual([{ ok: true, conversation: 'team', seq: 0, done: false, announced: null }]);
    expect(api.chat.slices[1]?.after).toBeNull();
  });

  it('take one of whose entries none is kept any more', async () => {
    const api = testApi();
    const retired = { ...conversation, first: 4, retiredMsgNo: 2 };
    expect(await imported([{ lines: [retired, member, end], after: 0 }], api)).toMatchObject([{ ok: true }]);
    expect(api.chat.slices[0]).toMatchObject({ line: { first: 4, last: 3, retiredMsgNo: 2 }, entries: [] });
    const wrong = [
      { ...conversation, first: 5 },
      { ...conversation, retiredMsgNo: 2 },
    ];
    for (const line of wrong)
      expect(await imported([{ lines: [line, member, end] }], api)).toMatchObject([{ ok: false, line: 0 }]);
  });

  it('say which line is wrong, and take nothing of its slice', async () => {
    const api = testApi();
    const fields = {
      from: null,
      deviceTag: 0,
      n: 0,
      sentAt: 0,
      at: 9e15,
      type: 'text',
      body: '',
      countable: true,
    } as const;
    const future = toBase64(encodeEntry({ ...fields, msgNo: 1 }));
    const wrong: readonly (readonly [object, string])[] = [
      [entry(2, { body: undefined }), 'give either body or bodyBase64'],
      [entry(2, { from: 'no id!' }), 'from:'],
      [entry(0), 'seq:'],
      [entry(2, { colour: 'red' }), 'colour'],
      [{ nonsense: 1 }, 'no line of an export'],
      [{ ...end, last: 9 }, 'not the end of team'],
      [entry(2, { body: 'x'.repeat(40_000) }), '40000 bytes'],
      [entry(2, { storedBase64: 'AAAA' }), 'no entry that this version'],
      [entry(2, { body: '\ud800' }), 'Unicode'],
      [entry(9e15), 'at most'],
      [{ seq: 2, at: 1, from: null, storedBase64: future }, 'no date'],
      [entry(2, { at: 9e15 }), 'at:'],
      [{ ...member, mutedUntil: 9e15 }, 'mutedUntil:'],
      [{ ...member, devices: ['a/b'] }, 'devices'],
    ];
    for (const [line, message] of wrong) {
      const [result] = await imported([{ lines: [conversation, entry(1), line] }], api);
      expect(result).toMatchObject({ ok: false, line: 2, error: { retry: 'never' } });
      expect(result?.error?.message).toContain(message);
    }
    const [first] = await imported([{ lines: [{ ...conversation, last: 0 }] }], api);
    expect(first).toMatchObject({ ok: false, line: 0 });
    const [late] = await imported([{ lines: [conversation, end, entry(1)] }], api);
    expect(late).toMatchObject({ ok: false, line: 2 });
    expect(api.chat.slices).toEqual([]);
  });

  it('find the line that the conversation refuses, and take no later slice of it', async () => {
    const api = testApi();
    api.chat.refusal = { ...frameError('bad_request', 'it does not follow'), seq: sequenceId(3) };
    const other = { ...conversation, conversation: 'other' };
    const slices = [
      { lines: [conversation, entry(2), entry(3)] },
      { lines: [other, member, entry(3)] },
      { lines: [conversation, end] },
    ];
    expect(await imported(slices, api)).toMatchObject([
      { ok: false, line: 2, error: { message: 'it does not follow' } },
      { ok: false, line: 2 },
      { ok: false, line: null, error: { code: 'conflict' } },
    ]);
  });
});
