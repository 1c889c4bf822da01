import { sequenceId, type DeviceId, type UserId } from '@millrace/kernel';
import { deviceTag } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { AConversation } from '../testing/a-conversation.ts';
import type { AudienceAt, ConversationCalls } from './commands.ts';

const [ann, ben, cleo] = ['ann', 'ben', 'cleo'] as UserId[] as [UserId, UserId, UserId];

/** Created by ann with ben (1), then: ann's phone writes (2), cleo joins (3), ben is gone (4), ann's laptop writes (5). */
function aTalk(): AConversation {
  const talk = new AConversation().created(['ann', 'ben']);
  talk.do(talk.sendOf('ann', 1, 'phone'));
  talk.do({ t: 'join', user: cleo });
  talk.do({ t: 'leave', user: ben });
  talk.do(talk.sendOf('ann', 1, 'laptop'));
  return talk;
}

const ask = (
  talk: AConversation,
  seq: number,
  more: Partial<ConversationCalls['audienceAt']['command']> = {},
): AudienceAt => {
  const command = { t: 'audienceAt', seq: sequenceId(seq), author: null, user: null, limit: 10, ...more } as const;
  const { reply, effects } = talk.handle(command);
  expect([effects, talk.actor.pendingWrite()]).toEqual([[], null]);
  if (!reply.ok) throw new Error(reply.error.code);
  return reply.value as AudienceAt;
};

describe('the audience of an entry', () => {
  it('says how the entry was diffused', () => {
    const talk = new AConversation('g', { readAbove: 2, writeBelow: 2 }).created(['ann', 'ben', 'cleo']);
    talk.do(talk.sendOf('ann'));
    expect([1, 2, 3].map((seq) => ask(talk, seq).mode)).toEqual(['write', 'write', 'read']);
  });

  it('is who was a member then, whatever became of them (I7)', () => {
    const talk = aTalk();
    const names = (seq: number) => ask(talk, seq).members.map(({ user, role }) => [user, role]);
    expect(names(2)).toEqual([
      ['ann', 'owner'],
      ['ben', null],
    ]);
    expect(names(5)).toEqual([
      ['ann', 'owner'],
      ['cleo', 'member'],
    ]);
    expect([2, 3, 4, 5].map((seq) => ask(talk, seq).recipients)).toEqual([2, 3, 3, 2]);
  });

  it('says how many of it, but for the author, said that it is delivered or read', () => {
    const talk = aTalk();
    talk.do({ t: 'markRead', user: ann, seq: sequenceId(5), msgNo: 2, sentAtRead: 2 });
    talk.do({ t: 'delivered', user: cleo, seq: sequenceId(5) });
    const author = { user: ann, deviceTag: 0 };
    expect(ask(talk, 5, { author })).toMatchObject({ recipients: 2, delivered: 1, read: 0 });
    expect(ask(talk, 5)).toMatchObject({ delivered: 2, read: 1 });
    expect(ask(talk, 5, { user: cleo }).members).toEqual([
      { user: cleo, role: 'member', deliveredSeq: 5, readSeq: 3, devices: [] },
    ]);
  });

  it('knows which of its devices the author sent from, and which others have sent something', () => {
    const talk = aTalk();
    const tag = deviceTag(ann, 'laptop' as DeviceId);
    const { authorDevice, members } = ask(talk, 5, { author: { user: ann, deviceTag: tag } });
    expect([authorDevice, members[0]?.devices]).toEqual(['laptop', ['phone', 'laptop']]);
    expect(ask(talk, 5, { author: { user: ann, deviceTag: 1 } }).authorDevice).toBe(null);
  });

  it('is counted whole and shown in part, or for one alone (I9)', () => {
    const users = Array.from({ length: 150 }, (_, index) => `user-${String(index)}`);
    const talk = new AConversation('g', { membersMax: 1_000 }).created(users);
    const some = ask(talk, 1, { limit: 3 });
    expect([some.recipients, some.members.map(({ user }) => user)]).toEqual([150, ['user-0', 'user-1', 'user-10']]);
    const all = ask(talk, 1, { limit: 200 });
    expect(all.members.map(({ user }) => user)).toEqual([...users].sort());
    const one = ask(talk, 1, { user: 'user-149' as UserId, limit: 3 });
    expect([one.recipients, one.members.map(({ user }) => user)]).toEqual([150, ['user-149']]);
    expect(ask(talk, 1, { user: 'nobody' as UserId }).members).toEqual([]);
  });

  it('is not told of a conversation that is not there', () => {
    const talk = new AConversation('none');
    const { reply } = talk.handle({ t: 'audienceAt', seq: sequenceId(1), author: null, user: null, limit: 1 });
    expect(reply).toMatchObject({ ok: false, error: { code: 'not_found' } });
  });
});
