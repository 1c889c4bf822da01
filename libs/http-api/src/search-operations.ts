import { err, ok, type Result } from '@millrace/kernel';
import { frameError, jsonMessage, protocolLimits, type FrameError, type Search } from '@millrace/protocol';
import { z } from 'zod';
import type { ApiKey } from './api-keys.ts';
import { allows } from './api-keys.ts';
import { backendDevice, conversationId, queryLimit, read, userId, wellFormed } from './input.ts';
import { given, type Operation, type OperationAnswer, type OperationRequest } from './operation.ts';
import type { BackendChat } from './ports.ts';

const limits = protocolLimits;
const digits = (value: unknown): unknown =>
  typeof value === 'string' && /^-?\d{1,16}$/.test(value) ? Number(value) : value;
const time = z.preprocess(digits, z.number().int().min(0).max(Number.MAX_SAFE_INTEGER));
const whole = z.number().int().min(Number.MIN_SAFE_INTEGER).max(Number.MAX_SAFE_INTEGER);
const yesOrNo = z.preprocess(
  (value) => (value === 'true' || value === 'false' ? value === 'true' : value),
  z.boolean(),
);
/** In a query, one value may stand for a list of one. */
const listOf = <T>(one: z.ZodType<T>, max: number) =>
  z.preprocess((value) => (typeof value === 'string' ? [value] : value), z.array(one).min(1).max(max));

const field = z.union([
  z.strictObject({
    name: z.string().regex(/^[A-Za-z0-9_]{1,32}$/),
    is: z.union([wellFormed.max(limits.searchValueChars), whole, z.boolean()]),
  }),
  z
    .strictObject({ name: z.string().regex(/^[A-Za-z0-9_]{1,32}$/), min: whole.optional(), max: whole.optional() })
    .refine(({ min, max }) => min !== undefined || max !== undefined, 'give is, min or max'),
]);

const asked = {
  text: wellFormed
    .min(1)
    .refine((text) => Array.from(text).length <= limits.searchChars, `at most ${String(limits.searchChars)} characters`)
    .optional(),
  prefix: yesOrNo.optional(),
  conversations: listOf(conversationId, limits.searchConversations).optional(),
  senders: listOf(userId, limits.searchSenders).optional(),
  types: listOf(z.enum(['text', 'image', 'file', 'custom']), 4).optional(),
  since: time.optional(),
  until: time.optional(),
  mentioning: userId.optional(),
  sort: z.enum(['time', 'relevance']).optional(),
  limit: queryLimit(limits.pageHits, limits.pageHitsDefault),
  count: yesOrNo.optional(),
  cursor: z.string().min(1).max(limits.opaqueChars).optional(),
};
/** Whose view it is, where a backend asks. */
const as = userId.optional();
const byQuery = z.strictObject({ as, ...asked });
const byBody = z.strictObject({ as, ...asked, fields: z.array(field).min(1).max(limits.searchFields).optional() });

type Asked = z.output<typeof byBody>;

/** Who may see everything that was found needs a key that may do everything. */
function mayAsk(key: ApiKey, isForUser: boolean): FrameError | null {
  const scope = isForUser ? 'read' : 'admin';
  if (allows(key, scope)) return null;
  return frameError('forbidden', `this API key has not the scope ${scope}${isForUser ? '' : ': name a user by as'}`);
}

async function answer(
  chat: BackendChat,
  by: OperationRequest['by'],
  { as: named, ...rest }: Asked,
): Promise<Result<OperationAnswer, FrameError>> {
  const query = given(rest) as Omit<Search, 't' | 'id'>;
  if (by.user !== null && named !== undefined && named !== by.user) {
    return err(frameError('forbidden', 'a token speaks for its own user: leave out as'));
  }
  const user = by.user ?? named ?? null;
  const refused = by.key === null ? null : mayAsk(by.key, user !== null);
  if (refused !== null) return err(refused);
  const found = user === null ? await chat.searchFor(query) : await chat.search({ user, device: backendDevice }, query);
  if (!found.ok) return found;
  const { hits, ...more } = found.value;
  const body = {
    hits: hits.map(({ message, ...hit }) => ({ ...hit, message: jsonMessage(message.message) })),
    ...more,
  };
  return ok({ status: 200, body });
}

/** Messages by their words and fields: for a user with a token of theirs, and for a backend. */
export function searchOperations(chat: BackendChat): readonly Operation[] {
  return [
    {
      id: 'searchMessages',
      method: 'GET',
      path: '/api/v1/search',
      access: 'user',
      async run({ by, query }) {
        const question = read(byQuery, query);
        return question.ok ? answer(chat, by, question.value) : question;
      },
    },
    {
      id: 'searchMessagesByBody',
      method: 'POST',
      path: '/api/v1/search',
      access: 'user',
      async run({ by, body }) {
        const question = read(byBody, body);
        return question.ok ? answer(chat, by, question.value) : question;
      },
    },
  ];
}
