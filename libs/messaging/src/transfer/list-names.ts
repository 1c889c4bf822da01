import { err, ok, type ConversationId, type Result } from '@millrace/kernel';
import { frameError, type FrameError } from '@millrace/protocol';
import { StoreUnavailable, type ConversationNames } from '@millrace/timeline';

/** A step through all conversations of the deployment: see {@link ConversationNames}. */
export async function listNames(
  names: ConversationNames | null,
  cursor: string | null,
): Promise<Result<{ readonly conversations: readonly ConversationId[]; readonly next: string | null }, FrameError>> {
  if (names === null) return err(frameError('unavailable', 'this node is still starting; try again soon'));
  try {
    const page = await names.page(cursor);
    return page === null
      ? err(frameError('conflict', 'the store has changed: begin the list again, without a cursor'))
      : ok(page);
  } catch (error) {
    if (error instanceof StoreUnavailable) return err(frameError('unavailable', error.message));
    throw error;
  }
}
