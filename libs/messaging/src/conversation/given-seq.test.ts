import type { SequenceId, UserId } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import { AConversation } from '../testing/a-conversation.ts';

const send = (key: string, seq: number) =>
  ({
    t: 'publishKeyed',
    from: 'a' as UserId,
    key,
    window: 1,
    seq: seq as SequenceId,
    type: 'text',
    body: key,
  }) as const;

describe('a message whose seq the caller gives', () => {
  it('gets it when it is the next one, and is refused otherwise, burning nothing (I3)', () => {
    const conversation = new AConversation('g').created(['a', 'b']);
    const next = conversation.state.head.value.seq + 1;
    expect(conversation.do(send('first', next)).reply).toMatchObject({ ok: true, value: { seq: next } });
    expect(conversation.do(send('taken', next)).reply).toMatchObject({ ok: false, error: { code: 'conflict' } });
    expect(conversation.do(send('ahead', next + 2)).reply).toMatchObject({ ok: false, error: { code: 'conflict' } });
    expect(conversation.do(send('first', next)).reply).toMatchObject({
      ok: true,
      value: { seq: next, duplicate: true },
    });
    expect(conversation.do(send('second', next + 1)).reply).toMatchObject({ ok: true, value: { seq: next + 1 } });
  });
});
