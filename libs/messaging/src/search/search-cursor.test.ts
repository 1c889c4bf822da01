import { sequenceId, type ConversationId } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import { decodePageCursor, encodePageCursor, type PageCursor } from './search-cursor.ts';
import type { Asked } from './search-query.ts';

const tea = 'tea' as ConversationId;
const asked: Asked = { text: 'kettle', limit: 5 };
const place = { conversation: tea, seq: sequenceId(7) };
const cursors: readonly PageCursor[] = [
  { sort: 'time', index: null, at: 1_000, tail: place },
  { sort: 'time', index: { at: 1_001, ...place }, at: 1_000, tail: null },
  { sort: 'time', index: { at: 1_001, ...place }, at: 1_000, tail: place },
];

describe('a cursor', () => {
  it.each(cursors)('of %j comes back as it was', (cursor) => {
    const text = encodePageCursor(asked, cursor);
    expect(decodePageCursor({ ...asked, limit: 9, count: true, cursor: text })).toEqual({ ok: true, value: cursor });
  });

  it('by relevance counts', () => {
    const ranked: Asked = { ...asked, sort: 'relevance' };
    const cursor = encodePageCursor(ranked, { sort: 'relevance', shown: 12 });
    expect(decodePageCursor({ ...ranked, cursor })).toEqual({ ok: true, value: { sort: 'relevance', shown: 12 } });
  });

  it('is refused for another question, and when it was made up', () => {
    const [first] = cursors;
    if (first === undefined) throw new Error('there is one');
    const cursor = encodePageCursor(asked, first);
    const refused = [
      { ...asked, text: 'tea', cursor },
      { ...asked, sort: 'relevance' as const, cursor },
      { ...asked, conversations: [tea], cursor },
      { ...asked, cursor: 'x' },
      { ...asked, cursor: 'e30=' },
      { ...asked, cursor: `${cursor}AAAA` },
      { ...asked, cursor: cursor.slice(0, -8) },
    ];
    for (const one of refused)
      expect(decodePageCursor(one)).toMatchObject({ ok: false, error: { code: 'bad_request' } });
    expect(decodePageCursor(asked)).toEqual({ ok: true, value: null });
  });
});
