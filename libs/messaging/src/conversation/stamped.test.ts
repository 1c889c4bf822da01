import { NO_COMMITS } from '@millrace/partition';
import { describe, expect, it } from 'vitest';
import { AConversation } from '../testing/a-conversation.ts';

describe('where an answer stands', () => {
  const asked = { t: 'visible', user: 'a' } as never;

  it('is the last commit, or the next one with what that is to bring', () => {
    const talk = new AConversation('g').created(['a']);
    talk.do(talk.sendOf('a'));
    const at = (): unknown => (talk.handle(asked).reply as { value: { at: unknown } }).value.at;
    const { commitNo } = talk;
    expect(at()).toEqual({ token: '1:owner', commitNo });
    talk.handle(talk.sendOf('a'));
    expect(at()).toEqual({ token: '1:owner', commitNo: commitNo + 1 });
    talk.store();
    expect(at()).toEqual({ token: '1:owner', commitNo: commitNo + 1 });
    // What a user deletes for themselves brings no entry, but is stored.
    const facts = talk.factsOf(2, 'a');
    talk.handle({ t: 'deleteFor', user: 'a', facts } as never);
    expect(at()).toEqual({ token: '1:owner', commitNo: commitNo + 2 });
  });

  it('is nowhere where nothing is stored, whatever it is to bring', () => {
    const talk = new AConversation('g').created(['a']);
    const { actor } = talk;
    actor.handle(talk.sendOf('a'), 5, NO_COMMITS);
    const { reply } = actor.handle(asked, 6, NO_COMMITS);
    expect((reply as { value: { at: unknown } }).value.at).toEqual({ token: '', commitNo: 0 });
  });
});
