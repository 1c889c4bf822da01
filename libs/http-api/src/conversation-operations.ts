import { protocolLimits } from '@millrace/protocol';
import { z } from 'zod';
import {
  addMembersBody,
  backendDevice,
  checkBodySize,
  conversationId,
  createBody,
  queryGen,
  queryLimit,
  querySeq,
  read,
  roleBody,
  sendBody,
  userId,
} from './input.ts';
import { keyedAck, pageAnswer } from './message-operations.ts';
import { answered, given, type Operation } from './operation.ts';
import type { BackendChat } from './ports.ts';

const atConversation = z.object({ conversation: conversationId });
const atMember = z.object({ conversation: conversationId, user: userId });
const memberPage = z.strictObject({
  after: userId.optional(),
  limit: queryLimit(protocolLimits.pageMembers, protocolLimits.pageMembersDefault),
});
const atMessage = z.object({ conversation: conversationId, seq: querySeq });
const readersPage = z.strictObject({
  list: z.enum(['read', 'unread', 'delivered', 'undelivered']).optional(),
  after: userId.optional(),
  limit: queryLimit(protocolLimits.pageMembers, protocolLimits.pageMembersDefault),
});
const historyPage = z.strictObject({
  as: userId,
  direction: z.enum(['forward', 'backward']).default('backward'),
  from: querySeq.optional(),
  gen: queryGen.optional(),
  limit: queryLimit(protocolLimits.pageMessages, protocolLimits.pageMessagesDefault),
});

/** Conversations, their members and messages, for a backend. */
export function conversationOperations(chat: BackendChat): readonly Operation[] {
  return [
    {
      id: 'createConversation',
      method: 'POST',
      path: '/api/v1/conversations',
      access: 'write',
      async run({ body }) {
        const command = read(createBody, body);
        if (!command.ok) return command;
        const { creator, kind, members, ...optional } = command.value;
        const outcome = await chat.createFor(creator, { kind, members, ...given(optional) });
        return answered(outcome, ({ fresh }) => (fresh ? 201 : 200));
      },
    },
    {
      id: 'getConversation',
      method: 'GET',
      path: '/api/v1/conversations/:conversation',
      access: 'read',
      async run({ params }) {
        const at = read(atConversation, params);
        return at.ok ? answered(await chat.info(at.value.conversation)) : at;
      },
    },
    {
      id: 'listMembers',
      method: 'GET',
      path: '/api/v1/conversations/:conversation/members',
      access: 'read',
      async run({ params, query }) {
        const at = read(atConversation, params);
        if (!at.ok) return at;
        const page = read(memberPage, query);
        if (!page.ok) return page;
        const { after, limit } = page.value;
        return answered(await chat.listMembers({ ...at.value, limit, ...given({ after }) }));
      },
    },
    {
      id: 'addMembers',
      method: 'POST',
      path: '/api/v1/conversations/:conversation/members',
      access: 'write',
      async run({ params, body }) {
        const at = read(atConversation, params);
        if (!at.ok) return at;
        const command = read(addMembersBody, body);
        return command.ok ? answered(await chat.addMembers(at.value.conversation, command.value.users)) : command;
      },
    },
    {
      id: 'removeMember',
      method: 'DELETE',
      path: '/api/v1/conversations/:conversation/members/:user',
      access: 'write',
      async run({ params }) {
        const at = read(atMember, params);
        return at.ok ? answered(await chat.removeMembers(at.value.conversation, [at.value.user])) : at;
      },
    },
    {
      id: 'setRole',
      method: 'PUT',
      path: '/api/v1/conversations/:conversation/members/:user/role',
      access: 'write',
      async run({ params, body }) {
        const at = read(atMember, params);
        if (!at.ok) return at;
        const command = read(roleBody, body);
        if (!command.ok) return command;
        return answered(await chat.assignRole(at.value.conversation, at.value.user, command.value.role));
      },
    },
    {
      id: 'sendMessage',
      method: 'POST',
      path: '/api/v1/conversations/:conversation/messages',
      access: 'write',
      async run({ params, body }) {
        const at = read(atConversation, params);
        if (!at.ok) return at;
        const command = read(sendBody, body);
        if (!command.ok) return command;
        const size = checkBodySize(command.value.body);
        if (!size.ok) return size;
        return keyedAck(await chat.publishKeyed(given({ ...at.value, ...command.value })), command.value.key);
      },
    },
    {
      id: 'listMessages',
      method: 'GET',
      path: '/api/v1/conversations/:conversation/messages',
      access: 'read',
      async run({ params, query }) {
        const at = read(atConversation, params);
        if (!at.ok) return at;
        const page = read(historyPage, query);
        if (!page.ok) return page;
        const { as, direction, limit, from, gen } = page.value;
        const by = { user: as, device: backendDevice };
        const outcome = await chat.history(by, { ...at.value, direction, limit, ...given({ from, gen }) });
        return pageAnswer(outcome);
      },
    },
    {
      id: 'listReaders',
      method: 'GET',
      path: '/api/v1/conversations/:conversation/messages/:seq/readers',
      access: 'read',
      async run({ params, query }) {
        const at = read(atMessage, params);
        if (!at.ok) return at;
        const page = read(readersPage, query);
        if (!page.ok) return page;
        const { list, after, limit } = page.value;
        return answered(await chat.listReaders({ ...at.value, limit, ...given({ list, after }) }));
      },
    },
  ];
}
