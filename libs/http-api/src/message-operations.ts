import { err, ok, type Result } from '@millrace/kernel';
import type { EditHistory } from '@millrace/messaging';
import {
  frameError,
  jsonMessage,
  protocolLimits,
  toBase64,
  type Ack,
  type FrameError,
  type Page,
  type WireEntry,
} from '@millrace/protocol';
import { z } from 'zod';
import { allows } from './api-keys.ts';
import {
  backendDevice,
  checkBodySize,
  conversationId,
  editBody,
  forwardBody,
  reactBody,
  recallBody,
  queryLimit,
  querySeq,
  read,
  userId,
} from './input.ts';
import { answered, given, type Operation, type OperationAnswer } from './operation.ts';
import type { BackendChat } from './ports.ts';

const atConversation = z.object({ conversation: conversationId });
const atMessage = z.object({ conversation: conversationId, seq: querySeq });
const asUser = z.strictObject({ as: userId });
const threadPage = z.strictObject({
  as: userId,
  direction: z.enum(['forward', 'backward']).default('backward'),
  from: querySeq.optional(),
  limit: queryLimit(protocolLimits.pageReplies, protocolLimits.pageRepliesDefault),
});

const revisionsPage = z.strictObject({ from: querySeq.optional(), limit: queryLimit(200, 50) });

const versionTold = ({ body, ...version }: EditHistory['versions'][number]): object =>
  typeof body === 'string' ? { ...version, body } : { ...version, bodyBase64: toBase64(body) };

/** Messages as a backend is told of them. */
export function pageAnswer(
  outcome: Result<Omit<Page<WireEntry>, 't' | 'id'>, FrameError>,
): Result<OperationAnswer, FrameError> {
  if (!outcome.ok) return err(outcome.error);
  const { conversation, messages, hasMore, head } = outcome.value;
  const body = { conversation, messages: messages.map((entry) => jsonMessage(entry.message)), hasMore, head };
  return ok({ status: 200, body });
}

/** What a backend is told of a message, or a change of one, that it sent under a key. */
export function keyedAck(
  outcome: Result<Omit<Ack, 't' | 'id'>, FrameError>,
  key: string,
): Result<OperationAnswer, FrameError> {
  if (!outcome.ok) return err(outcome.error);
  const { conversation, gen, seq, msgNo, at, level, duplicate } = outcome.value;
  return ok({ status: duplicate ? 200 : 201, body: { conversation, key, gen, seq, msgNo, at, level, duplicate } });
}

/** Changes of messages that are there, for a backend. */
export function messageOperations(chat: BackendChat): readonly Operation[] {
  return [
    {
      id: 'forwardMessage',
      method: 'POST',
      path: '/api/v1/conversations/:conversation/forwards',
      access: 'write',
      async run({ params, body }) {
        const at = read(atConversation, params);
        if (!at.ok) return at;
        const forward = read(forwardBody, body);
        if (!forward.ok) return forward;
        return keyedAck(await chat.forwardKeyed({ ...at.value, ...forward.value }), forward.value.key);
      },
    },
    {
      id: 'editMessage',
      method: 'PATCH',
      path: '/api/v1/conversations/:conversation/messages/:seq',
      access: 'write',
      async run({ params, body }) {
        const at = read(atMessage, params);
        if (!at.ok) return at;
        const edit = read(editBody, body);
        if (!edit.ok) return edit;
        const size = checkBodySize(edit.value.body);
        if (!size.ok) return size;
        return keyedAck(await chat.editFor({ ...at.value, ...edit.value }), edit.value.key);
      },
    },
    {
      id: 'listThread',
      method: 'GET',
      path: '/api/v1/conversations/:conversation/messages/:seq/thread',
      access: 'read',
      async run({ params, query }) {
        const at = read(atMessage, params);
        if (!at.ok) return at;
        const page = read(threadPage, query);
        if (!page.ok) return page;
        const { as, direction, from, limit } = page.value;
        const by = { user: as, device: backendDevice };
        return pageAnswer(await chat.thread(by, { ...at.value, direction, limit, ...given({ from }) }));
      },
    },
    {
      id: 'pinMessage',
      method: 'PUT',
      path: '/api/v1/conversations/:conversation/pins/:seq',
      access: 'write',
      async run({ params }) {
        const at = read(atMessage, params);
        return at.ok ? answered(await chat.pin(null, at.value)) : at;
      },
    },
    {
      id: 'unpinMessage',
      method: 'DELETE',
      path: '/api/v1/conversations/:conversation/pins/:seq',
      access: 'write',
      async run({ params }) {
        const at = read(atMessage, params);
        return at.ok ? answered(await chat.unpin(null, at.value)) : at;
      },
    },
    {
      id: 'recallMessage',
      method: 'POST',
      path: '/api/v1/conversations/:conversation/messages/:seq/recall',
      access: 'write',
      async run({ params, body }) {
        const at = read(atMessage, params);
        if (!at.ok) return at;
        const recall = read(recallBody, body ?? {});
        if (!recall.ok) return recall;
        return answered(await chat.recallFor(at.value.conversation, at.value.seq, recall.value.reason));
      },
    },
    {
      id: 'reactToMessage',
      method: 'POST',
      path: '/api/v1/conversations/:conversation/messages/:seq/reactions',
      access: 'write',
      async run({ params, body }) {
        const at = read(atMessage, params);
        if (!at.ok) return at;
        const react = read(reactBody, body);
        return react.ok ? keyedAck(await chat.reactFor({ ...at.value, ...react.value }), react.value.key) : react;
      },
    },
    {
      id: 'listRevisions',
      method: 'GET',
      path: '/api/v1/conversations/:conversation/messages/:seq/revisions',
      access: 'user',
      async run({ by, params, query }) {
        if (by.key !== null && !allows(by.key, 'admin'))
          return err(frameError('forbidden', 'this API key has not the scope admin'));
        const at = read(atMessage, params);
        if (!at.ok) return at;
        const page = read(revisionsPage, query);
        if (!page.ok) return page;
        const { from, limit } = page.value;
        const outcome = await chat.editHistory({
          ...{ ...at.value, limit, ...given({ from }) },
          ...(by.user === null ? {} : { by: by.user }),
        });
        if (!outcome.ok) return outcome;
        const { versions, ...rest } = outcome.value;
        return ok({ status: 200, body: { ...rest, versions: versions.map(versionTold) } });
      },
    },
    {
      id: 'deleteMessage',
      method: 'DELETE',
      path: '/api/v1/conversations/:conversation/messages/:seq',
      access: 'write',
      async run({ params, query }) {
        const at = read(atMessage, params);
        if (!at.ok) return at;
        const whose = read(asUser, query);
        if (!whose.ok) return whose;
        const { as } = whose.value;
        const outcome = await chat.delete({ user: as, device: backendDevice }, at.value);
        return outcome.ok ? ok({ status: 200, body: { ...at.value, as, deleted: true } }) : outcome;
      },
    },
  ];
}
