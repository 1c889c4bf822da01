import { err, ok } from '@millrace/kernel';
import type { NodeSession } from '@millrace/messaging';
import { frameError, protocolLimits, type FrameError } from '@millrace/protocol';
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

const sessionBody = ({ session, node, device, client, ip, since }: NodeSession): object => ({
  session,
  node,
  device,
  client,
  ip,
  since,
});

const notReached = (closed: number, missing: readonly string[]): FrameError =>
  frameError(
    'unavailable',
    `${String(closed)} sessions were closed, but nothing was heard of ${missing.join(', ')}, which may have more; try again`,
  );

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
      async run({ params }) {
        const at = read(atUser, params);
        if (!at.ok) return at;
        const { user } = at.value;
        const found = await sessions.list(user);
        if (!found.ok) return found;
        const { missing } = found.value;
        return ok({ status: 200, body: { user, sessions: found.value.sessions.map(sessionBody), missing } });
      },
    },
    {
      id: 'closeUserSessions',
      method: 'DELETE',
      path: '/api/v1/users/:user/sessions',
      access: 'admin',
      async run({ params }) {
        const at = read(atUser, params);
        if (!at.ok) return at;
        const done = await sessions.close(at.value.user, null);
        if (!done.ok) return done;
        const { closed, missing } = done.value;
        // Never a part of it as if it were all: whoever takes a user's access away must know.
        return missing.length > 0 ? err(notReached(closed, missing)) : ok({ status: 200, body: { closed } });
      },
    },
    {
      id: 'closeUserSession',
      method: 'DELETE',
      path: '/api/v1/users/:user/sessions/:session',
      access: 'admin',
      async run({ params }) {
        const at = read(atSession, params);
        if (!at.ok) return at;
        const done = await sessions.close(at.value.user, at.value.session);
        if (!done.ok) return done;
        const { closed, missing } = done.value;
        // It is on one node only: once it was found there, it does not matter who else was silent.
        if (closed > 0) return ok({ status: 200, body: { closed } });
        return err(
          missing.length > 0 ? notReached(closed, missing) : frameError('not_found', 'this user has no such session'),
        );
      },
    },
  ];
}
