import type { ConversationId } from '@millrace/kernel';
import type { UserState } from './user-state.ts';

/** The conversations in read mode that the user is in, as far as the inbox knows. */
export function readModeConversations({ listed, progress }: UserState): readonly ConversationId[] {
  return [...listed.entries()].flatMap(([conversation, { slot }]) => {
    const known = progress.get(slot);
    return known?.member === true && known.behind === 'read' ? [conversation] : [];
  });
}
