import { generation, sequenceId, type ConversationId, type UserId } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import { encodeFeed } from '../diffuse/changefeed-entry.ts';
import type { Effect } from '../effects.ts';
import { planFeed } from './feed-plan.ts';

const appended = (conversation: string, gen: number, from: number, to = from): Effect => ({
  e: 'appended',
  facts: { conversation: conversation as ConversationId, kind: 'group', title: '' },
  ...{ gen: generation(gen), from: sequenceId(from), to: sequenceId(to), entries: [], mode: 'write' },
  ...{ recipients: [], changes: null, behind: 'write', undiffused: null },
});

const deleted: Effect = {
  ...{ e: 'deleted', conversation: 'room' as ConversationId, user: 'ann' as UserId },
  ...{ gen: generation(1), seq: sequenceId(1), counted: true },
};

const entry = (commitNo: number, ...effects: readonly Effect[]) => ({
  commitNo,
  data: encodeFeed(effects) ?? new Uint8Array([1]),
});

const limits = { commits: 4, entriesMax: 100 };

describe('what a page of a changefeed says', () => {
  it('is joined by conversation, and what is not searched for is passed', () => {
    const page = [
      entry(3, appended('room', 1, 4, 5), appended('other', 1, 1)),
      entry(5, deleted),
      entry(8, appended('room', 1, 6), appended('room', 2, 9)),
    ];
    const { spans, to, isAll } = planFeed(page, 12, limits);
    expect([...spans]).toEqual([
      [
        'room',
        [
          { gen: 1, first: 4, last: 6 },
          { gen: 2, first: 9, last: 9 },
        ],
      ],
      ['other', [{ gen: 1, first: 1, last: 1 }]],
    ]);
    // Commits without anything in the changefeed are passed, too.
    expect({ to, isAll }).toEqual({ to: 12, isAll: true });
  });

  it('counts only as far as it is acknowledged (I1)', () => {
    const page = [entry(3, appended('room', 1, 1)), entry(6, appended('room', 1, 2))];
    const { spans, to, isAll } = planFeed(page, 5, limits);
    expect(spans.get('room' as ConversationId)).toEqual([{ gen: 1, first: 1, last: 1 }]);
    expect({ to, isAll }).toEqual({ to: 5, isAll: true });
  });

  it('is taken up to a bound, in whole commits (I9)', () => {
    const page = [1, 2, 3].map((at) => entry(at * 2, appended('room', 1, at * 10, at * 10 + 4)));
    expect(planFeed(page, 9, { ...limits, entriesMax: 10 })).toMatchObject({ to: 4, isAll: false });
    const full = [1, 2, 3, 4].map((at) => entry(at, deleted));
    expect(planFeed(full, 9, limits)).toMatchObject({ to: 4, isAll: false });
    expect(planFeed([], 9, limits)).toMatchObject({ to: 9, isAll: true });
  });
});
