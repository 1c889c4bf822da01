import { MillraceError, type MillraceClient } from '@millrace/client';
import type { ConversationId } from '@millrace/kernel';

/**
 * Opens the conversations with many members as the client learns of them: their messages are in no inbox, and come at once
 * only to devices that have them open.
 *
 * @param onRefused - a server takes a bounded number of open ones.
 */
export function openLarge(
  client: Pick<MillraceClient, 'on' | 'openConversation'>,
  isWanted: (conversation: ConversationId) => boolean,
  onRefused: (conversation: ConversationId, why: string) => void,
): void {
  const asked = new Set<ConversationId>();
  client.on('conversation', ({ conversation, member, diffusion }) => {
    if (!member || diffusion !== 'read' || asked.has(conversation) || !isWanted(conversation)) return;
    asked.add(conversation);
    client.openConversation(conversation).catch((error: unknown) => {
      if (!(error instanceof MillraceError)) throw error;
      // Unless it was refused for good the client asks again with its next connection.
      if (error.retry === 'never') onRefused(conversation, error.message);
    });
  });
}
