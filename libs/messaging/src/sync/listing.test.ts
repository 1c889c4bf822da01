import { generation, sequenceId, type ConversationId } from '@millrace/kernel';
import type { ConversationSummary } from '@millrace/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ConversationHead } from '../conversation/commands.ts';
import type { Listed, ListCursor } from '../user/commands.ts';
import { byActivity, isAfter } from '../user/conversation-list.ts';
import { askPulled, orderedPage, pulledNow, type HeadsOf } from './listing.ts';

const listed = (slot: number, lastAt: number, diffusion: 'write' | 'read' = 'write'): Listed => ({
  slot,
  summary: {
    ...{ conversation: `c${String(slot)}` as ConversationId, kind: 'group', title: '', peer: null, member: true },
    ...{ diffusion, gen: generation(1), seq: sequenceId(4), lastAt, msgNo: 3, readSeq: sequenceId(2), readMsgNo: 1 },
    ...{ own: 0, unread: 2 },
  },
});
const cursorOf = ({ slot, summary: { lastAt } }: Listed): ListCursor => ({ slot, lastAt });

/** A page of those that the inbox brings, as the user's actor answers it. */
function brought(all: readonly Listed[], after: ListCursor | null, limit: number) {
  const rest = all.filter((each) => after === null || isAfter(cursorOf(each), after));
  rest.sort((one, other) => byActivity(cursorOf(one), cursorOf(other)));
  const page = rest.slice(0, limit);
  const last = page.at(-1);
  return {
    conversations: page.map(({ summary }) => summary),
    slots: page.map(({ slot }) => slot),
    next: rest.length > page.length && last !== undefined ? cursorOf(last) : null,
  };
}

describe('the conversation list', () => {
  it('in pages of any size is the whole, each once and the latest active first, pulled ones where they belong', () => {
    const conversations = fc.array(fc.tuple(fc.nat(20), fc.boolean()), { maxLength: 25 });
    fc.assert(
      fc.property(conversations, fc.integer({ min: 1, max: 6 }), (given, limit) => {
        const all = given.map(([lastAt, isPulled], index) => listed(index + 1, lastAt, isPulled ? 'read' : 'write'));
        const pulled = all
          .filter(({ summary }) => summary.diffusion === 'read')
          .map((each) => ({ ...each, head: null }));
        const others = all.filter(({ summary }) => summary.diffusion === 'write');
        const pages: ConversationSummary[] = [];
        let after: ListCursor | null = null;
        do {
          const page = orderedPage(brought(others, after, limit), pulled, after, limit);
          expect(page.conversations.length).toBeLessThanOrEqual(limit);
          pages.push(...page.conversations);
          after = page.next;
        } while (after !== null);
        const whole = [...all].sort((one, other) => byActivity(cursorOf(one), cursorOf(other)));
        expect(pages.map(({ conversation }) => conversation)).toEqual(whole.map(({ summary }) => summary.conversation));
      }),
    );
  });

  it('has of those that are pulled what they say themselves, and asks for all of them at once', async () => {
    const asked: (readonly ConversationId[])[] = [];
    const heads: HeadsOf = {
      of: (_user, conversations) => {
        asked.push(conversations);
        const head: ConversationHead = {
          // Its partition has begun a generation in which nothing was said here.
          head: {
            ...{ gen: generation(2), seq: sequenceId(9), first: sequenceId(10) },
            past: [{ gen: generation(1), first: sequenceId(1), last: sequenceId(9) }],
          },
          ...{ title: 'new', msgNo: 8, lastAt: 77, segments: [{ from: sequenceId(3), to: null }] },
          intervals: [{ joined: sequenceId(1), from: sequenceId(1), to: null }],
          ...{ reading: { readSeq: sequenceId(5), readMsgNo: 4, sentAtRead: 1 }, sent: 3 },
        };
        const gone: ConversationHead = {
          ...head,
          intervals: [{ joined: sequenceId(1), from: sequenceId(1), to: sequenceId(6) }],
        };
        return Promise.resolve({
          ok: true,
          value: new Map([
            ['c1' as ConversationId, head],
            ['c2' as ConversationId, gone],
            ['c3' as ConversationId, null],
          ]),
        });
      },
    };
    const own = [1, 2, 3].map((slot) => listed(slot, 5, 'read'));
    const found = await askPulled(heads, 'ann' as never, own);
    expect(asked).toEqual([['c1', 'c2', 'c3']]);
    const summaries = found.ok ? found.value.map((each) => pulledNow(each).summary) : [];
    expect(summaries[0]).toMatchObject({
      gen: 1,
      seq: 9,
      lastAt: 77,
      msgNo: 8,
      readSeq: 5,
      own: 2,
      unread: 2,
      title: 'new',
    });
    // Who has left sees nothing new, and whom it does not know it tells nothing.
    expect(summaries.slice(1)).toEqual(own.slice(1).map(({ summary }) => summary));
    expect(await askPulled(heads, 'ann' as never, [])).toEqual({ ok: true, value: [] });
    expect(asked).toHaveLength(1);
  });
});
