import { err, ok } from '@millrace/kernel';
import { frameError, protocolLimits } from '@millrace/protocol';
import { z } from 'zod';
import { backendDevice, queryLimit, read, sessionId, userId } from './input.ts';
import type { Operation } from './operation.ts';
import type { BackendChat, SessionControl } from './ports.ts';

const atUser = z.object({ user: userId });
const atSession = z.object({ user: userId, session: sessionId });
const conversationPage = z.strictObject({
  after: z.string().min(1).max(protocolLimits.opaqueChars).optional(),
  limit: queryLimit(protocolLimits.pageConversations, protocolLimits.pageConversationsDefault),
});

/** A user's conversations and live sessions, for a backend. */
export function userOperations(chat: BackendChat, sessions: SessionControl): readonly Operation[] {
  return [
    {
      id: 'listUserConversations',
      method: 'GET',
      path: '/api/v1/users/:user/conversations',
      access: 'read',
      async run({ params, query }) {
        const at = read(atUser, params);
        if (!at.ok) return at;
        const page = read(conversationPage, query);
        if (!page.ok) return page;
        const { after, limit } = page.value;
        const by = { user: at.value.user, device: backendDevice };
        const outcome = await chat.conversations(by, after === undefined ? { limit } : { limit, after });
        return outcome.ok ? ok({ status: 200, body: outcome.value }) : outcome;
      },
    },
    {
      id: 'listUserSessions',
      method: 'GET',
      path: '/api/v1/users/:user/sessions',
      access: 'admin',
      run({ params }) {
        const at = read(atUser, params);
        return Promise.resolve(
          at.ok ? ok({ status: 200, body: { user: at.value.user, sessions: sessions.list(at.value.user) } }) : at,
        );
      },
    },
    {
      id: 'closeUserSessions',
      method: 'DELETE',
      path: '/api/v1/users/:user/sessions',
      access: 'admin',
      run({ params }) {
        const at = read(atUser, params);
        return Promise.resolve(at.ok ? ok({ status: 200, body: { closed: sessions.kick(at.value.user) } }) : at);
      },
    },
    {
      id: 'closeUserSession',
      method: 'DELETE',
      path: '/api/v1/users/:user/sessions/:session',
      access: 'admin',
      run({ params }) {
        const at = read(atSession, params);
        if (!at.ok) return Promise.resolve(at);
        const closed = sessions.kick(at.value.user, at.value.session);
        return Promise.resolve(
          closed > 0
            ? ok({ status: 200, body: { closed } })
            : err(frameError('not_found', 'this user has no such session on this node')),
        );
      },
    },
  ];
}
