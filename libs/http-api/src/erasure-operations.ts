import { z } from 'zod';
import { conversationId, read, userId } from './input.ts';
import { answered, type Operation } from './operation.ts';
import type { DataErasure } from './ports.ts';

const atUser = z.object({ user: userId });
const atConversation = z.object({ conversation: conversationId });

/** What is erased for good, for an operator. */
export function erasureOperations(erasures: DataErasure): readonly Operation[] {
  return [
    {
      id: 'eraseUser',
      method: 'DELETE',
      path: '/api/v1/users/:user/data',
      access: 'admin',
      async run({ params }) {
        const at = read(atUser, params);
        return at.ok ? answered(await erasures.eraseUser(at.value.user), () => 202) : at;
      },
    },
    {
      id: 'getErasure',
      method: 'GET',
      path: '/api/v1/users/:user/erasure',
      access: 'admin',
      async run({ params }) {
        const at = read(atUser, params);
        return at.ok ? answered(await erasures.report(at.value.user)) : at;
      },
    },
    {
      id: 'eraseConversation',
      method: 'DELETE',
      path: '/api/v1/conversations/:conversation/data',
      access: 'admin',
      async run({ params }) {
        const at = read(atConversation, params);
        if (!at.ok) return at;
        const { conversation } = at.value;
        const done = await erasures.eraseConversation(conversation);
        return done.ok ? answered({ ok: true, value: { conversation, left: done.value.left } }) : done;
      },
    },
  ];
}
