import { ok, type Result } from '@millrace/kernel';
import { protocolLimits, type FrameError } from '@millrace/protocol';
import { z } from 'zod';
import { conversationId, muteBody, queryLimit, read, settingsBody, userId } from './input.ts';
import { answered, given, type Operation, type OperationAnswer, type OperationRequest } from './operation.ts';
import type { BackendChat } from './ports.ts';

const atConversation = z.object({ conversation: conversationId });
const atMember = z.object({ conversation: conversationId, user: userId });
const atBlock = z.object({ user: userId, other: userId });
const banPage = z.strictObject({
  after: userId.optional(),
  limit: queryLimit(protocolLimits.pageMembers, protocolLimits.pageMembersDefault),
});

/** How order is kept in conversations, for a backend: as an owner would, without being a member. */
export function moderationOperations(chat: BackendChat): readonly Operation[] {
  /** Something about one user in one conversation. */
  const aboutMember =
    (ask: 'unmute' | 'ban' | 'unban') =>
    async ({ params }: OperationRequest): Promise<Result<OperationAnswer, FrameError>> => {
      const at = read(atMember, params);
      if (!at.ok) return at;
      const { conversation, user } = at.value;
      return answered(await chat[ask](null, { conversation, users: [user] }));
    };
  const aboutBlock =
    (ask: 'block' | 'unblock') =>
    async ({ params }: OperationRequest): Promise<Result<OperationAnswer, FrameError>> => {
      const at = read(atBlock, params);
      if (!at.ok) return at;
      const { user, other } = at.value;
      const outcome = await chat[ask](user, { user: other });
      return outcome.ok ? ok({ status: 200, body: { user, other, blocked: ask === 'block' } }) : outcome;
    };
  const member = '/api/v1/conversations/:conversation/members/:user/mute';
  const banned = '/api/v1/conversations/:conversation/bans/:user';
  const blocked = '/api/v1/users/:user/blocks/:other';
  return [
    {
      id: 'changeSettings',
      method: 'PATCH',
      path: '/api/v1/conversations/:conversation',
      access: 'write',
      async run({ params, body }) {
        const at = read(atConversation, params);
        if (!at.ok) return at;
        const change = read(settingsBody, body);
        return change.ok ? answered(await chat.changeSettings(null, { ...at.value, ...given(change.value) })) : change;
      },
    },
    {
      id: 'muteMember',
      method: 'PUT',
      path: member,
      access: 'write',
      async run({ params, body }) {
        const at = read(atMember, params);
        if (!at.ok) return at;
        const command = read(muteBody, body);
        if (!command.ok) return command;
        const { conversation, user } = at.value;
        return answered(await chat.mute(null, { conversation, users: [user], ...given(command.value) }));
      },
    },
    { id: 'unmuteMember', method: 'DELETE', path: member, access: 'write', run: aboutMember('unmute') },
    {
      id: 'listBans',
      method: 'GET',
      path: '/api/v1/conversations/:conversation/bans',
      access: 'read',
      async run({ params, query }) {
        const at = read(atConversation, params);
        if (!at.ok) return at;
        const page = read(banPage, query);
        return page.ok ? answered(await chat.bans(null, { ...at.value, ...given(page.value) })) : page;
      },
    },
    { id: 'banUser', method: 'PUT', path: banned, access: 'write', run: aboutMember('ban') },
    { id: 'unbanUser', method: 'DELETE', path: banned, access: 'write', run: aboutMember('unban') },
    { id: 'blockUser', method: 'PUT', path: blocked, access: 'write', run: aboutBlock('block') },
    { id: 'unblockUser', method: 'DELETE', path: blocked, access: 'write', run: aboutBlock('unblock') },
  ];
}
