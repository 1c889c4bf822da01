import { ok, type Result } from '@millrace/kernel';
import { jsonScheduled, protocolLimits, type FrameError, type ScheduledList } from '@millrace/protocol';
import { z } from 'zod';
import { checkBodySize, queryLimit, read, scheduleBody, scheduledKey, userId } from './input.ts';
import { given, type Operation, type OperationAnswer } from './operation.ts';
import type { BackendChat } from './ports.ts';

const atUser = z.object({ user: userId });
const atKey = z.object({ user: userId, key: scheduledKey });
const scheduledPage = z.strictObject({
  after: z.string().min(1).max(protocolLimits.opaqueChars).optional(),
  limit: queryLimit(protocolLimits.pageScheduled, protocolLimits.pageScheduledDefault),
});

const listed = (outcome: Result<Omit<ScheduledList, 't' | 'id'>, FrameError>): Result<OperationAnswer, FrameError> => {
  if (!outcome.ok) return outcome;
  const { messages, next } = outcome.value;
  return ok({ status: 200, body: { messages: messages.map(jsonScheduled), next } });
};

/** Messages that are to be sent later, for a backend that acts as one of its users. */
export function scheduledOperations(chat: BackendChat): readonly Operation[] {
  const path = '/api/v1/users/:user/scheduled';
  return [
    {
      id: 'listScheduled',
      method: 'GET',
      path,
      access: 'read',
      async run({ params, query }) {
        const at = read(atUser, params);
        if (!at.ok) return at;
        const page = read(scheduledPage, query);
        return page.ok ? listed(await chat.scheduled(at.value.user, given(page.value))) : page;
      },
    },
    {
      id: 'scheduleMessage',
      method: 'PUT',
      path: `${path}/:key`,
      access: 'write',
      async run({ params, body }) {
        const at = read(atKey, params);
        if (!at.ok) return at;
        const message = read(scheduleBody, body);
        if (!message.ok) return message;
        const size = checkBodySize(message.value.body);
        if (!size.ok) return size;
        const { user, key } = at.value;
        const outcome = await chat.schedule(user, { key, ...given(message.value) });
        if (!outcome.ok) return outcome;
        const [stored] = outcome.value.messages;
        return ok({ status: 200, body: stored === undefined ? {} : jsonScheduled(stored) });
      },
    },
    {
      id: 'unscheduleMessage',
      method: 'DELETE',
      path: `${path}/:key`,
      access: 'write',
      async run({ params }) {
        const at = read(atKey, params);
        if (!at.ok) return at;
        const { user, key } = at.value;
        const outcome = await chat.unschedule(user, { key });
        return outcome.ok ? ok({ status: 200, body: { user, key } }) : outcome;
      },
    },
  ];
}
