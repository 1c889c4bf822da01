import type { UserId } from '@millrace/kernel';
import type { Found, Search, WireEntry } from '@millrace/protocol';
import type { ModelConversation } from './model-server.ts';

/** Finds a text as it stands in bodies. */
export function modelSearch(
  all: Iterable<ModelConversation>,
  user: UserId,
  { id, text = '', conversations, limit = 20 }: Search,
): Found<WireEntry> {
  const hits = [...all].flatMap(({ id: conversation, joined, entries }) => {
    const first = joined.get(user);
    if (first === undefined || conversations?.includes(conversation) === false) return [];
    return entries.flatMap((message) => {
      const start = String(message.message.body).indexOf(text);
      const isHit = message.seq >= first && message.message.type === 'text' && start >= 0;
      return isHit ? [{ conversation, message, places: [{ start, end: start + text.length }] }] : [];
    });
  });
  return { t: 'found', id, hits: hits.reverse().slice(0, limit), next: null, complete: true, unsearched: [] };
}
