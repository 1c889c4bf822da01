import { err, seededRandom, systemClock, type ConversationId, type DeviceId, type UserId } from '@millrace/kernel';
import { frameError } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import type { ActorCalls } from './actor-calls.ts';
import { chatOver, type ChatReads } from './chat.ts';
import { ReadAhead } from './sync/read-ahead.ts';
import { silentTrace } from './trace/message-trace.ts';

const ann = { user: 'ann' as UserId, device: 'phone' as DeviceId };

/** A chat whose conversations cannot tell what became of what they are asked. */
function uncertain(code: 'unavailable' | 'overloaded') {
  const asked: string[] = [];
  const calls = {
    conversation: (id: ConversationId) => {
      asked.push(id);
      return Promise.resolve(err(frameError(code, 'it was not answered')));
    },
  } as unknown as ActorCalls;
  return {
    asked,
    chat: chatOver(calls, {} as ChatReads, seededRandom(1), silentTrace, new ReadAhead(systemClock), null),
  };
}

describe('a conversation that may have been created (I9)', () => {
  it('is named when the server chose its id: the same without it would create a second one', async () => {
    const { asked, chat } = uncertain('unavailable');
    const refused = await chat.create(ann, { kind: 'group', members: [] });
    expect(refused).toMatchObject({ ok: false, error: { code: 'unavailable', retry: 'later' } });
    expect(refused.ok ? '' : refused.error.message).toContain(
      `give conversation ${asked[0] ?? '?'} when you try again`,
    );
  });

  it('needs no name when its creator gave it one, or when it was surely not created', async () => {
    const named = { kind: 'group', members: [], conversation: 'tea' as ConversationId } as const;
    for (const refused of [
      await uncertain('unavailable').chat.create(ann, named),
      await uncertain('unavailable').chat.create(ann, { kind: 'direct', members: ['ben' as UserId] }),
      await uncertain('overloaded').chat.create(ann, { kind: 'group', members: [] }),
    ]) {
      expect(refused.ok ? '' : refused.error.message).toBe('it was not answered');
    }
  });
});
