import { seededRandom, type ConversationId } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import { historyRatio } from './report/history.ts';
import { expectedOf, pageFault, type AskedPage, type SeenPage } from './workloads/history/expected-history.ts';
import { archivedPages, PAGE_ENTRIES, PAGE_MAX, randomPages } from './workloads/history/page-plan.ts';

const room = 'room' as ConversationId;
const corpus = ['one', 'two', 'three', 'four'].map((text) => JSON.stringify({ channel: 'c', at: '', from: 'A', text }));
const acked = (line: number, seq: number) =>
  JSON.stringify({ line, conversation: room, from: 'a', n: line, gen: 1, seq });
const ledger = [
  '{"ledger":1}',
  '{"conversation":"room","channel":"c","creator":"a"}',
  acked(1, 2),
  acked(2, 3),
  acked(4, 5),
  '',
];
const expected = expectedOf(ledger, corpus).get(room) ?? new Map<number, never>();

describe('what a corpus says of a conversation', () => {
  it('is each line where the server said that it stored it', () => {
    expect([...expected]).toEqual([
      [2, { from: 'a', text: 'one' }],
      [3, { from: 'a', text: 'two' }],
      [5, { from: 'a', text: 'four' }],
    ]);
  });

  it('is refused in another order', () => {
    expect(() => expectedOf([acked(2, 2), acked(1, 3)], corpus)).toThrow(/behind line 2/);
    expect(() => expectedOf([acked(1, 3), acked(2, 2)], corpus)).toThrow(/behind line 1/);
  });
});

describe('a page', () => {
  const said = (seq: number): SeenPage['messages'][number] => {
    const message = expected.get(seq);
    return message === undefined
      ? { seq, type: 'control', from: null, body: '{}' }
      : { seq, type: 'text', from: message.from, body: message.text };
  };
  const page = (seqs: readonly number[], hasMore: boolean): SeenPage => ({
    messages: seqs.map(said),
    hasMore,
    head: { seq: 6 },
  });
  const forward: AskedPage = { conversation: room, direction: 'forward', from: 2, limit: 3 };
  const backward: AskedPage = { ...forward, direction: 'backward', from: 3, limit: 10 };

  it('is right when it is dense, whole, and as the corpus says', () => {
    expect(pageFault(forward, page([2, 3, 4], true), expected)).toBeNull();
    expect(pageFault({ ...forward, from: 5, limit: 9 }, page([5, 6], false), expected)).toBeNull();
    expect(pageFault(backward, page([3, 2, 1], false), expected)).toBeNull();
    expect(pageFault({ ...backward, from: 99, limit: 2 }, page([6, 5], true), expected)).toBeNull();
  });

  it.each<[string, AskedPage, SeenPage, string]>([
    ['with a hole', forward, page([2, 4, 5], true), 'gaps'],
    ['with an entry twice', forward, page([2, 3, 3], true), 'duplicated'],
    ['that is too short', forward, page([2, 3], true), 'gaps'],
    ['that begins elsewhere', backward, page([4, 3, 2, 1], false), 'gaps'],
    ['that says it is the last and is not', forward, page([2, 3, 4], false), 'gaps'],
    ['that says there is more and there is not', backward, page([3, 2, 1], true), 'gaps'],
    [
      'with another text',
      forward,
      { ...page([2, 3, 4], true), messages: [said(2), { ...said(3), body: 'x' }, said(4)] },
      'lost',
    ],
    [
      'of another author',
      forward,
      { ...page([2, 3, 4], true), messages: [said(2), { ...said(3), from: 'b' }, said(4)] },
      'lost',
    ],
    [
      'with a message where there is none',
      forward,
      { ...page([2, 3, 4], true), messages: [said(2), said(3), { ...said(2), seq: 4 }] },
      'lost',
    ],
    [
      'with no message where there is one',
      forward,
      { ...page([2, 3, 4], true), messages: [said(2), { ...said(1), seq: 3 }, said(4)] },
      'lost',
    ],
  ])('%s is wrong', (_what, asked, seen, kind) => {
    expect(pageFault(asked, seen, expected)).toMatchObject({ kind });
  });
});

describe('the pages that are read', () => {
  const all = [
    { conversation: room, head: 1_000, archivedTo: 800 },
    { conversation: 'short' as ConversationId, head: 10, archivedTo: 0 },
  ];

  it('are from anywhere, of any size, in both directions, many of them at the seam', () => {
    const pages = randomPages(all, 2_000, seededRandom(3));
    const heads = new Map(all.map(({ conversation, head }) => [conversation, head]));
    for (const { conversation, from, limit } of pages) {
      expect(from).toBeGreaterThanOrEqual(1);
      expect(from).toBeLessThanOrEqual(heads.get(conversation) ?? 0);
      expect(limit).toBeLessThanOrEqual(PAGE_MAX);
    }
    const isAcross = ({ conversation, direction, from, limit }: AskedPage): boolean =>
      conversation === room &&
      (direction === 'forward' ? from <= 800 && from + limit > 801 : from > 800 && from - limit < 800);
    expect(pages.filter(isAcross).length).toBeGreaterThan(100);
    expect(new Set(pages.map(({ direction }) => direction)).size).toBe(2);
  });

  it('of the archive alone never touch what is hot, and are whole', () => {
    for (const { conversation, direction, from } of archivedPages(all, 500, seededRandom(4))) {
      const [first, last] = direction === 'forward' ? [from, from + PAGE_ENTRIES - 1] : [from - PAGE_ENTRIES + 1, from];
      expect(conversation).toBe(room);
      expect(first).toBeGreaterThanOrEqual(1);
      expect(last).toBeLessThanOrEqual(800);
    }
    expect(() => archivedPages(all.slice(1), 1, seededRandom(5))).toThrow(/longer corpus/);
  });
});

describe('the ratio', () => {
  it('is to the range read of the library', () => {
    const at = (p50: number, p99: number) => ({ p50, p99, p999: p99, max: p99 });
    const figures = { pageMs: at(1, 6), archiveMs: at(0.5, 3), uncachedMs: at(1, 6), inThreadMs: at(0.8, 3) };
    expect(historyRatio(figures, at(0.25, 2))).toEqual({
      pageP50: 4,
      pageP99: 3,
      archiveP50: 2,
      archiveP99: 1.5,
      uncachedP50: 4,
      uncachedP99: 3,
      uncachedInThreadP50: 1.25,
      uncachedInThreadP99: 2,
    });
    const none = { pageMs: null, archiveMs: null, uncachedMs: null, inThreadMs: null };
    expect(historyRatio(none, null)).toMatchObject({ pageP50: null });
  });
});
