import { err, ok, type ConversationId, type UserId } from '@millrace/kernel';
import { frameError, type Changed, type FrameError } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import type { ActorCalls } from './actor-calls.ts';
import { addInChunks } from './add-members.ts';
import { AConversation } from './testing/a-conversation.ts';

const room = 'g' as ConversationId;
const usersOf = (count: number): UserId[] =>
  Array.from({ length: count }, (_, index) => `user-${String(index).padStart(6, '0')}` as UserId);

/** Calls of one conversation, each stored at once; those of these numbers, from 1, are refused before they get there. */
function callsOf(conversation: AConversation, refusing: readonly number[] = []) {
  const sizes: number[] = [];
  const fields: number[] = [];
  const calls = {
    conversation: (_id: ConversationId, command: Parameters<AConversation['do']>[0]) => {
      sizes.push(command.t === 'invite' ? command.users.length : 0);
      if (refusing.includes(sizes.length)) return Promise.resolve(err(frameError('overloaded', 'a queue is full')));
      const { reply } = conversation.handle(command);
      fields.push(conversation.actor.pendingWrite()?.set.length ?? 0);
      conversation.store();
      return Promise.resolve(reply);
    },
  } as unknown as Pick<ActorCalls, 'conversation'>;
  return { calls, sizes, fields };
}

describe('a long list of new members', () => {
  it('comes in by chunks, none of them more than a commit takes, each an entry of its own (I9)', async () => {
    const conversation = new AConversation().created(['owner']);
    const { calls, fields } = callsOf(conversation);
    const users = usersOf(9_999);
    const outcome = await addInChunks(calls, room, null, users);
    // One more entry is the switch to being pulled, which adds two fields to a chunk: where, and when the last entry was.
    expect(outcome).toEqual(ok({ conversation: 'g', gen: 1, seq: 52 }));
    expect([fields.length, Math.max(...fields)]).toEqual([50, 202]);
    expect(conversation.state.memberCount).toBe(10_000);
    // All of it again changes nothing.
    expect(await addInChunks(calls, room, null, users)).toEqual(outcome);
    expect(conversation.state.head.value.seq).toBe(52);
    expect(Math.max(...fields.slice(50))).toBe(0);
  });

  it('that is refused in between says how far it came, and goes on from there or from the beginning', async () => {
    const users = usersOf(1_000);
    for (const from of [0, 400]) {
      const conversation = new AConversation().created(['owner']);
      const { calls, sizes } = callsOf(conversation, [3]);
      const refused = await addInChunks(calls, room, 'owner' as UserId, users);
      expect(refused).toMatchObject({ ok: false, error: { code: 'overloaded', retry: 'later', done: 400 } });
      expect(!refused.ok && refused.error.message).toContain('the first 400 of 1000 are members');
      expect(conversation.state.memberCount).toBe(401);
      expect((await addInChunks(calls, room, 'owner' as UserId, users, from)).ok).toBe(true);
      expect(conversation.state.memberCount).toBe(1_001);
      expect(sizes).toHaveLength(from === 0 ? 8 : 6);
    }
  });

  it('that is refused at once is refused as one is: nothing is done', async () => {
    const conversation = new AConversation('g', { membersMax: 300 }).created(['owner']);
    const { calls } = callsOf(conversation);
    const stranger = await addInChunks(calls, room, 'stranger' as UserId, usersOf(500));
    expect(stranger).toEqual(err(frameError('not_member', 'stranger is not a member of g')));
    const tooMany: { readonly ok: boolean; readonly error?: FrameError; readonly value?: Omit<Changed, 't' | 'id'> } =
      await addInChunks(calls, room, null, usersOf(500));
    expect(tooMany).toMatchObject({ ok: false, error: { code: 'limit_reached', done: 200 } });
  });
});
