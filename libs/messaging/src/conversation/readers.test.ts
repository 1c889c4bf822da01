import { receivedRanges } from '@millrace/diffusion';
import { generation, sequenceId, utf8, type UserId } from '@millrace/kernel';
import type { Readers, ReadersList } from '@millrace/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AConversation } from '../testing/a-conversation.ts';
import { step } from '../testing/conversation-commands.ts';
import type { ConversationCalls, LatestReceipts } from './commands.ts';
import { decodeConversation } from './conversation-record.ts';
import type { ConversationState } from './conversation-state.ts';
import { readers } from './readers.ts';

type Query = Partial<Omit<ConversationCalls['readers']['command'], 'seq'>>;

function ask(state: ConversationState, seq: number, query: Query = {}): Omit<Readers, 't' | 'id'> {
  const whole = { by: null, author: null, list: null, after: null, limit: 100, ...query };
  const reply = readers(state, { seq: sequenceId(seq), ...whole });
  if (!reply.ok) throw new Error(reply.error.message);
  return reply.value;
}

/** The same, by going through all members. */
function bruteForce(state: ConversationState, seq: number, author: UserId | null, list: ReadersList | null) {
  const range = { from: sequenceId(seq), to: sequenceId(seq) };
  const received = [...state.members.entries()].filter(
    ([user, { intervals }]) => user !== author && receivedRanges(intervals, range).length > 0,
  );
  const [read, delivered] = (['readSeq', 'deliveredSeq'] as const).map((position) => {
    const has = received.filter(([, member]) => member[position] >= seq).map(([user]) => user);
    const lacks = received.filter(([, member]) => member[position] < seq).map(([user]) => user);
    return { has: has.sort(), lacks: lacks.sort() };
  });
  const lists = { read: read?.has, unread: read?.lacks, delivered: delivered?.has, undelivered: delivered?.lacks };
  return {
    recipients: received.length,
    delivered: delivered?.has.length,
    read: read?.has.length,
    users: list === null ? [] : lists[list],
  };
}

const lists = [null, 'read', 'unread', 'delivered', 'undelivered'] as const;

function expectExact(state: ConversationState): void {
  for (const [user, { deliveredSeq, readSeq }] of state.members.entries()) {
    expect(deliveredSeq, `what ${user} has read`).toBeGreaterThanOrEqual(readSeq);
  }
  for (let seq = 1; seq <= state.head.value.seq; seq += 1) {
    for (const list of lists) {
      for (const author of [null, 'a', 'd'] as (UserId | null)[]) {
        const { recipients, delivered, read, users, next } = ask(state, seq, { list, author });
        const told = { recipients, delivered, read, users: users.map(({ user }) => user) };
        expect(told, `${String(seq)} ${String(list)}`).toEqual(bruteForce(state, seq, author, list));
        expect(next).toBe(null);
      }
    }
  }
}

const [ann, ben, cleo] = ['ann', 'ben', 'cleo'] as UserId[] as [UserId, UserId, UserId];

describe('the readers of an entry', () => {
  it('have it, also when they read it by coming again, and in a record of before that was so', () => {
    const talk = new AConversation().created(['ann', 'ben', 'cleo']);
    for (let count = 0; count < 3; count += 1) talk.do(talk.sendOf('ann'));
    talk.do({ t: 'kick', by: ann, users: [ben] });
    talk.do({ t: 'join', user: ben });
    const counts = { recipients: 2, delivered: 1, read: 1 };
    for (const state of [talk.state, talk.reloaded()]) {
      expect(ask(state, 2, { author: ann })).toMatchObject(counts);
      expect(ask(state, 2, { author: ann, list: 'undelivered' }).users.map(({ user }) => user)).toEqual([cleo]);
    }
    const text = JSON.stringify(['member', 6, 3, 0, 0, [1, 1, 5, 6, 6, 0]]);
    talk.stored.fields.set('m:ben', utf8(text));
    expect(ask(talk.reloaded(), 2, { author: ann })).toMatchObject(counts);
  });

  it('are counted as a look at every member would count them, through joins, leaves and refused commits', () => {
    const all = fc.array(fc.record({ each: step, isRefused: fc.boolean() }), { maxLength: 40 });
    fc.assert(
      fc.property(all, (steps) => {
        const conversation = new AConversation('g', { membersMax: 4, intervalsMax: 6 }).created(['a', 'b']);
        for (const { each, isRefused } of steps) {
          // Made before what follows, so that what follows has to keep it right.
          conversation.state.readership.at(sequenceId(1));
          conversation.handle(conversation.commandOf(each));
          if (isRefused) conversation.actor.restore();
          else conversation.store();
        }
        expectExact(conversation.state);
      }),
      { numRuns: 60 },
    );
  });

  it('are the same when the conversation is loaded again, also in a higher generation', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 30, size: 'max' }),
        fc.array(step, { maxLength: 10 }),
        (before, after) => {
          const conversation = new AConversation('g', { membersMax: 4 }).created(['a', 'b']);
          for (const each of before) conversation.do(conversation.commandOf(each));
          const { id, record } = { id: conversation.state.id, record: conversation.stored.record };
          conversation.become(decodeConversation(id, record, generation(conversation.state.gen + 1)));
          for (const each of after) conversation.do(conversation.commandOf(each));
          expectExact(conversation.state);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('are paged by user id, each once, however small the page is (I9)', () => {
    const users = Array.from({ length: 25 }, (_, index) => `user-${String(index)}`);
    const talk = new AConversation().created(['ann', ...users]);
    talk.do(talk.sendOf('ann'));
    const seq = talk.state.head.value.seq;
    for (const user of users.slice(0, 9) as UserId[]) talk.do({ t: 'markRead', user, seq, msgNo: 1, sentAtRead: 0 });
    const found: string[] = [];
    let after: UserId | null = null;
    do {
      const page: Omit<Readers, 't' | 'id'> = ask(talk.state, seq, { author: ann, list: 'unread', after, limit: 3 });
      expect(page).toMatchObject({ recipients: 25, delivered: 9, read: 9 });
      expect(page.users.length).toBeLessThanOrEqual(3);
      found.push(...page.users.map(({ user }) => user));
      after = page.next;
    } while (after !== null);
    expect(found).toEqual(users.slice(9).sort());
  });

  it('are looked for among so many members at a time: a page may be empty before the last (I9)', () => {
    const users = Array.from({ length: 4_500 }, (_, index) => `user-${String(index).padStart(4, '0')}` as UserId);
    const talk = new AConversation().created(['ann', ...users]);
    const last = users.at(-1) as UserId;
    talk.do(talk.sendOf('ann'));
    const seq = talk.state.head.value.seq;
    talk.do({ t: 'markRead', user: last, seq, msgNo: 1, sentAtRead: 0 });
    const first = ask(talk.state, seq, { author: ann, list: 'read' });
    expect([first.users, first.read, first.next !== null]).toEqual([[], 1, true]);
    const second = ask(talk.state, seq, { author: ann, list: 'read', after: first.next });
    const third = ask(talk.state, seq, { author: ann, list: 'read', after: second.next });
    expect([second.users, third.users.map(({ user }) => user), third.next]).toEqual([[], [last], null]);
  });

  it('are told to members alone, and of entries that are there (I11)', () => {
    const talk = new AConversation().created(['ann', 'ben']);
    talk.do({ t: 'leave', user: ben });
    const refusal = (by: UserId, seq: number): string | undefined => {
      const page = { author: null, list: null, after: null, limit: 1 };
      const reply = readers(talk.state, { by, seq: sequenceId(seq), ...page });
      return reply.ok ? undefined : reply.error.code;
    };
    expect([refusal(ann, 1), refusal(ben, 1), refusal(cleo, 1)]).toEqual([undefined, 'not_member', 'not_member']);
    expect([refusal(ann, 2), refusal(ann, 3)]).toEqual([undefined, 'not_found']);
  });
});

describe('positions that move', () => {
  const effectsOf = (talk: AConversation, user: UserId) => {
    const seq = talk.state.head.value.seq;
    return talk.do({ t: 'delivered', user, seq }).effects;
  };

  it('do not move to what was lost while it was looked up what they stand for', () => {
    const talk = new AConversation('g').created(['ann', 'ben']);
    for (let sent = 0; sent < 3; sent += 1) talk.do(talk.sendOf('ben'));
    const moved = (gen: number) =>
      talk.do({
        ...{ t: 'markRead', user: ann, seq: sequenceId(3), gen: generation(gen) },
        ...{ msgNo: 2, sentAtRead: 0 },
      });
    expect(moved(2)).toMatchObject({ reply: { ok: false, error: { code: 'unavailable' } }, effects: [] });
    expect(moved(1)).toMatchObject({ reply: { ok: true, value: { unread: 1 } } });
  });

  it('are told to every member of a small conversation', () => {
    const talk = new AConversation('g', { receiptMembersMax: 3 }).created(['ann', 'ben', 'cleo']);
    talk.do(talk.sendOf('ann'));
    expect(effectsOf(talk, ben)).toMatchObject([{ e: 'receipt', users: [ann, cleo], receipt: { deliveredSeq: 2 } }]);
  });

  it('of a large one are counted for the authors of its latest messages, of which there are a few (I9)', () => {
    const talk = new AConversation('g', { receiptMembersMax: 2 }).created(['ann', 'ben', 'cleo']);
    expect(effectsOf(talk, ben), 'nobody has written anything').toEqual([]);
    for (let n = 1; n <= 12; n += 1) talk.do(talk.sendOf(n % 2 === 0 ? 'ann' : 'cleo'));
    expect(effectsOf(talk, ben)).toEqual([{ e: 'positions', conversation: 'g' }]);
    talk.do({ t: 'markRead', user: ann, seq: sequenceId(5), msgNo: 4, sentAtRead: 2 });
    const latest = (): LatestReceipts => {
      const { reply } = talk.handle({ t: 'latestReceipts' });
      if (!reply.ok) throw new Error(reply.error.code);
      return reply.value as LatestReceipts;
    };
    const { users, receipts } = latest();
    expect([...users].sort()).toEqual([ann, cleo]);
    expect(receipts.readers.map(({ seq }) => seq)).toEqual([4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
    // 4 is by cleo, 5 by ann: ann has read both, and her own does not count.
    expect(receipts.readers.slice(0, 3)).toEqual([
      { gen: 1, seq: 4, recipients: 2, delivered: 2, read: 1 },
      { gen: 1, seq: 5, recipients: 2, delivered: 1, read: 0 },
      { gen: 1, seq: 6, recipients: 2, delivered: 1, read: 0 },
    ]);
    talk.do({ t: 'leave', user: cleo });
    expect(latest().users, 'who has gone is told nothing (I7)').toEqual([ann]);
  });

  it('come with typing, which is told in a small conversation and not in a large one (I9)', () => {
    const talk = new AConversation('g', { receiptMembersMax: 3 }).created(['ann', 'ben', 'cleo']);
    const types = () => talk.do({ t: 'typing', user: ann }).effects;
    expect(types()).toEqual([{ e: 'typing', users: [ben, cleo], notice: { conversation: 'g', user: ann } }]);
    talk.do({ t: 'join', user: 'dan' as UserId });
    expect(types()).toEqual([]);
    talk.do({ t: 'leave', user: ben });
    expect(types()).toHaveLength(1);
  });

  it('are not told of a message whose commit was refused (I1)', () => {
    const talk = new AConversation('g', { receiptMembersMax: 2 }).created(['ann', 'ben', 'cleo']);
    talk.handle(talk.sendOf('ann'));
    talk.actor.restore();
    expect(effectsOf(talk, ben)).toEqual([]);
  });
});
