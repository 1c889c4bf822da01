import type { ConversationId } from '@millrace/kernel';
import { LostRace } from './postgres-errors.ts';
import type { Ask } from './sessions.ts';
import type { Statements } from './statements.ts';

/**
 * From here on to the end of the transaction nobody else changes these conversations: their spans are locked, and, for
 * those that have none, that somebody begins them. Rows come before the locks of beginnings, and both in order, so that
 * nobody waits for each other.
 *
 * @returns their spans as they are then, rows of `spansOfAll`.
 * @throws LostRace when somebody else began one of them meanwhile: its span is not locked here, and to wait for that with
 *   what is held already could be for ever.
 */
export async function lockConversations(
  ask: Ask,
  statements: Statements,
  conversations: readonly ConversationId[],
): ReturnType<Ask> {
  const locked = new Set((await ask(statements.lockSpans, [conversations])).map(({ conversation }) => conversation));
  const begun = conversations.filter((conversation) => !locked.has(conversation));
  if (begun.length > 0) await ask(statements.lockBegins, [begun]);
  const spans = await ask(statements.spansOfAll, [conversations]);
  if (!spans.every(({ conversation }) => locked.has(conversation)))
    throw new LostRace('a conversation was begun by somebody else');
  return spans;
}
