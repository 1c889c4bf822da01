import { MalformedBytes, type ConversationId, type UserId } from '@millrace/kernel';
import type { UserPush } from '../chat-service.ts';

/** As of a later version of the program there may be values of `control` that this one does not know. */
interface Told {
  readonly control?: unknown;
  readonly mode?: unknown;
  readonly users?: unknown;
}

const NOTHING: readonly ConversationId[] = [];

/**
 * The conversations of which the push says that the user came into them, or that they went over to read mode: which of
 * the former are in read mode, and whether the latter still are, their owners know.
 */
export function mayBeRead(user: UserId, { items }: UserPush): readonly ConversationId[] {
  let found: Set<ConversationId> | null = null;
  for (const item of items) {
    if (!('messages' in item)) continue;
    for (const entry of item.messages) {
      if (!entry.isControl) continue;
      const told = controlOf(() => entry.message.body);
      const isJoin = told?.control === 'joined' && Array.isArray(told.users) && told.users.includes(user);
      if (isJoin || (told?.control === 'diffusion' && told.mode === 'read')) {
        found ??= new Set();
        found.add(item.conversation);
      }
    }
  }
  return found === null ? NOTHING : [...found];
}

/** Null for an entry that cannot be read. */
function controlOf(body: () => string | Uint8Array): Told | null {
  try {
    const text = body();
    return typeof text === 'string' ? (JSON.parse(text) as Told) : null;
  } catch (error) {
    if (error instanceof MalformedBytes || error instanceof SyntaxError) return null;
    throw error;
  }
}
