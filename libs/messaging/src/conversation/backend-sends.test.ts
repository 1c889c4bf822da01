import type { DeviceId, UserId } from '@millrace/kernel';
import { expect, it } from 'vitest';
import { AConversation } from '../testing/a-conversation.ts';

it('what a backend sends as a user is counted apart from every device of theirs, whatever it is called (I4)', () => {
  const conversation = new AConversation().created(['a', 'b']);
  for (const device of ['@api', 'api', '~api']) {
    const by = { user: 'a' as UserId, device: device as DeviceId };
    const send = (n: number) => {
      const content = {
        conversation: conversation.state.id,
        n,
        after: n - 1,
        sentAt: n,
        type: 'text',
        body: String(n),
      } as const;
      return conversation.do({ t: 'publish', by, send: content }).reply;
    };
    expect(send(1)).toMatchObject({ ok: true, value: { duplicate: false } });
    const keyed = { from: by.user, key: `key of ${device}`, window: 1, type: 'text', body: 'keyed' } as const;
    expect(conversation.do({ t: 'publishKeyed', ...keyed }).reply).toMatchObject({ ok: true });
    expect(send(2)).toMatchObject({ ok: true, value: { duplicate: false } });
    expect(conversation.reloaded().devicesOf(by.user)).toContain(device);
  }
});
