import type { ConversationId, SequenceId, UserId } from '@millrace/kernel';
import { decodeEntry } from '@millrace/protocol';
import { conversationKey, generationOf, StoreUnavailable, type TimelineReader } from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';

/**
 * Who has sent each message that is pinned in a conversation; none where there is no such conversation.
 *
 * Rejects with StoreUnavailable.
 */
export async function pinnedAuthors(
  calls: ActorCalls,
  timelines: Pick<TimelineReader, 'at'>,
  conversation: ConversationId,
): Promise<readonly (readonly [SequenceId, UserId | null])[]> {
  const info = await calls.conversation(conversation, { t: 'info' });
  const pinned = info.ok ? (info.value.pinned ?? []) : [];
  if (pinned.length === 0) return [];
  const seen = await calls.conversation(conversation, { t: 'visible', user: null });
  if (!seen.ok) throw new StoreUnavailable(seen.error.message);
  const actor = conversationKey(conversation);
  const partition = calls.partitionOf(actor);
  return Promise.all(
    pinned.map(async ({ seq }) => {
      const gen = generationOf(seen.value.head, seq);
      // One that is too old to be kept is nobody's any more.
      const entry = gen === null ? null : await timelines.at(partition, actor, { gen, seq });
      if (gen !== null && entry === null) throw new StoreUnavailable(`entry ${String(seq)} of ${actor} cannot be read`);
      return [seq, entry === null ? null : decodeEntry(entry.data).from] as const;
    }),
  );
}
