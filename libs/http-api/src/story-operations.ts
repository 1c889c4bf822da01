import { ok } from '@millrace/kernel';
import { z } from 'zod';
import { conversationId, queryGen, queryLimit, querySeq, read, userId } from './input.ts';
import type { Operation } from './operation.ts';
import type { StoryTeller } from './ports.ts';

/** Recipients that are told of one by one. */
const RECIPIENTS_MAX = 100;
const RECIPIENTS_DEFAULT = 20;

const atMessage = z.object({ conversation: conversationId, seq: querySeq });
const wanted = z.strictObject({
  gen: queryGen.optional(),
  user: userId.optional(),
  limit: queryLimit(RECIPIENTS_MAX, RECIPIENTS_DEFAULT),
});

/** What became of single messages, for an operator. */
export function storyOperations(stories: StoryTeller): readonly Operation[] {
  return [
    {
      id: 'explainMessage',
      method: 'GET',
      path: '/api/v1/conversations/:conversation/messages/:seq/story',
      // It shows who has read what, on which devices.
      access: 'admin',
      async run({ params, query }) {
        const at = read(atMessage, params);
        if (!at.ok) return at;
        const asked = read(wanted, query);
        if (!asked.ok) return asked;
        const { gen, user, limit } = asked.value;
        const told = await stories.tell({
          ...at.value,
          limit,
          ...(gen === undefined ? {} : { gen }),
          ...(user === undefined ? {} : { user }),
        });
        return told.ok ? ok({ status: 200, body: told.value }) : told;
      },
    },
  ];
}
