import { sequenceId, type UserId } from '@millrace/kernel';
import type { Members } from '@millrace/protocol';
import { describe, expect, it, vi } from 'vitest';
import { AConversation } from '../testing/a-conversation.ts';
import { tellConversation } from '../testing/stored-record.ts';

const nameOf = (index: number): UserId => `user-${String(index).padStart(6, '0')}` as UserId;

/** An owner, and members in chunks of 200. */
function crowd(count: number, membersMax = 100_000): AConversation {
  const conversation = new AConversation('g', { membersMax }).created(['owner']);
  for (let from = 1; from < count; from += 200) {
    const chunk = Array.from({ length: Math.min(200, count - from) }, (_, index) => nameOf(from + index));
    conversation.do({ t: 'invite', by: null, users: chunk });
  }
  return conversation;
}

describe('a conversation of 50,000 members', () => {
  it('goes through all of them for no message, position, page or question', () => {
    const conversation = crowd(50_000);
    const { state } = conversation;
    expect(state.memberCount).toBe(50_000);
    // What is made once, when it is asked for first.
    const first = conversation.do({ t: 'members', by: null, after: null, limit: 1 });
    conversation.do({ t: 'readers', by: null, seq: sequenceId(1), author: null, list: null, after: null, limit: 1 });
    conversation.do(conversation.sendOf('owner'));
    expect(first.reply).toMatchObject({ ok: true, value: { count: 50_000, next: 'owner' } });

    // Its mode needs no list of them: this is what makes one.
    const { recipients } = state;
    const walks = [
      vi.spyOn(state.members, 'entries'),
      vi.spyOn(state.members, 'values'),
      vi.spyOn(state.members, 'keys'),
    ];
    const sorts = vi.spyOn(Array.prototype, 'sort');
    conversation.do(conversation.sendOf('owner'));
    const seq = state.head.value.seq;
    for (let index = 1; index <= 1_000; index += 1) {
      conversation.do({ t: 'markRead', user: nameOf(index), seq, msgNo: 2, sentAtRead: 0 });
    }
    let count = 0;
    let after: UserId | null = null;
    do {
      const { reply } = conversation.do({ t: 'members', by: null, after, limit: 1_000 });
      const page: Omit<Members, 't' | 'id'> | null = reply.ok ? (reply.value as Omit<Members, 't' | 'id'>) : null;
      count += page?.members.length ?? 0;
      after = page?.next ?? null;
    } while (after !== null);
    expect(count).toBe(50_000);
    const query = { by: null, seq, author: 'owner' as UserId, list: 'read', after: null, limit: 1_000 } as const;
    const { reply } = conversation.do({ t: 'readers', ...query });
    expect(reply).toMatchObject({ ok: true, value: { recipients: 49_999, delivered: 1_000, read: 1_000 } });
    conversation.do({ t: 'latestReceipts' });
    conversation.do({ t: 'infoFor', user: nameOf(7) });
    conversation.do({ t: 'typing', user: nameOf(7) });
    expect(sorts).not.toHaveBeenCalled();
    sorts.mockRestore();
    for (const walk of walks) expect(walk).not.toHaveBeenCalled();
    expect(state.recipients, 'the same list').toBe(recipients);
  });

  it('is full at its bound, and not before (I9)', () => {
    const conversation = crowd(1_000, 1_000);
    const { reply } = conversation.do({ t: 'join', user: 'one-more' as UserId });
    expect(reply).toMatchObject({ ok: false, error: { code: 'limit_reached' } });
    conversation.do({ t: 'leave', user: nameOf(5) });
    expect(conversation.do({ t: 'join', user: 'one-more' as UserId }).reply.ok).toBe(true);
  });

  it('remembers a bounded number of stays of one who comes and goes (I9)', () => {
    const conversation = new AConversation('g', { intervalsMax: 5 }).created(['owner']);
    const restless = 'restless' as UserId;
    const codes = Array.from({ length: 10 }, () => {
      const joined = conversation.do({ t: 'join', user: restless });
      conversation.do({ t: 'leave', user: restless });
      return joined.reply.ok ? 'ok' : joined.reply.error.code;
    });
    expect(codes).toEqual([...Array<string>(5).fill('ok'), ...Array<string>(5).fill('limit_reached')]);
    expect(conversation.state.members.get(restless)?.intervals).toHaveLength(5);
    expect(tellConversation(conversation.reloaded())).toEqual(tellConversation(conversation.state));
  });
});
