import type { UserId } from '@millrace/kernel';
import { decodeEntry, protocolLimits, type ControlBody, type FrameError } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { AConversation } from '../testing/a-conversation.ts';
import { tellConversation } from '../testing/stored-record.ts';
import { pinnedFor } from './pinned-for.ts';

/** A group of which `a` is the owner, with a message of each: 2 to 4. */
function group(): AConversation {
  const conversation = new AConversation().created(['a', 'b', 'c'], { historyPolicy: 'join' });
  for (const user of ['a', 'b', 'c']) conversation.do(conversation.sendOf(user));
  return conversation;
}

const pin = (conversation: AConversation, by: string | null, seq: number, isOn = true) => {
  const facts = conversation.factsOf(seq, by);
  if (facts === null) throw new Error(`there is no entry ${String(seq)}`);
  return conversation.do({ t: 'pin', by: by as UserId | null, isOn, facts });
};
const codeOf = ({ reply }: { readonly reply: { readonly ok: boolean; readonly error?: FrameError } }): string =>
  reply.ok ? 'ok' : (reply.error?.code ?? '');
const pinnedIn = ({ state }: AConversation, user: string | null = null): readonly number[] =>
  (pinnedFor(state, user as UserId | null).pinned ?? []).map(({ seq }) => seq);
const lastControl = ({ stored }: AConversation): ControlBody =>
  JSON.parse(String(decodeEntry(stored.entries.at(-1) ?? new Uint8Array()).body)) as ControlBody;

describe('messages that are pinned', () => {
  it('are listed as they were pinned, told of by an entry, and there once', () => {
    const conversation = group();
    expect(pin(conversation, 'a', 4).reply).toMatchObject({ ok: true, value: { seq: 5 } });
    expect(lastControl(conversation)).toEqual({ control: 'pinned', seq: 4 });
    pin(conversation, null, 2);
    expect(pin(conversation, 'a', 4).reply).toMatchObject({ ok: true, value: { seq: 6 } });
    expect(conversation.state.pinned.value).toMatchObject([
      { seq: 4, by: 'a' },
      { seq: 2, by: null },
    ]);
    expect(tellConversation(conversation.reloaded())).toEqual(tellConversation(conversation.state));
    pin(conversation, 'a', 4, false);
    expect([pinnedIn(conversation), lastControl(conversation)]).toEqual([[2], { control: 'unpinned', seq: 4 }]);
    expect(pin(conversation, 'a', 4, false).reply).toMatchObject({ ok: true, value: { seq: 7 } });
  });

  it('are said by whom it is right, of what they see, and are messages that were not recalled (I7, I11)', () => {
    const conversation = group();
    expect(codeOf(pin(conversation, 'b', 2))).toBe('forbidden');
    expect(codeOf(pin(conversation, 'd', 2))).toBe('not_member');
    expect(codeOf(pin(conversation, 'a', 1))).toBe('forbidden');
    conversation.do({ t: 'settings', by: 'a' as UserId, change: { pinBy: 'members' } });
    expect(codeOf(pin(conversation, 'b', 2))).toBe('ok');
    conversation.do({ t: 'join', user: 'd' as UserId });
    expect(codeOf(pin(conversation, 'd', 3))).toBe('not_found');
    expect([pinnedIn(conversation, 'c'), pinnedIn(conversation, 'd')]).toEqual([[2], []]);
    const facts = conversation.factsOf(2, 'a');
    if (facts === null) throw new Error('the message is there');
    conversation.do(conversation.changeOf('a', { op: 'recall' }, facts));
    expect(pinnedIn(conversation)).toEqual([]);
    expect(codeOf(pin(conversation, 'a', 2))).toBe('conflict');
    // What it has forgotten is to be looked up anew.
    conversation.become(conversation.reloaded());
    expect(conversation.do({ t: 'pin', by: 'a' as UserId, isOn: true, facts }).reply).toEqual({
      ok: true,
      value: 'stale',
    });
  });

  it('are a bounded number, and a refused commit leaves no trace (I2, I9)', () => {
    const conversation = group();
    for (let count = 0; count < protocolLimits.pinsPerConversation; count += 1) {
      const { reply } = conversation.do(conversation.sendOf('b'));
      pin(conversation, 'a', reply.ok ? (reply.value as { readonly seq: number }).seq : 0);
    }
    expect(codeOf(pin(conversation, 'a', 2))).toBe('limit_reached');
    const told = tellConversation(conversation.state);
    const [first = 0] = pinnedIn(conversation);
    const facts = conversation.factsOf(first, 'a');
    if (facts === null) throw new Error('the message is there');
    conversation.handle({ t: 'pin', by: 'a' as UserId, isOn: false, facts });
    conversation.actor.restore();
    expect(tellConversation(conversation.state)).toEqual(told);
  });
});
