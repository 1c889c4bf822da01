import { generation, sequenceId, type ConversationId, type UserId } from '@millrace/kernel';
import type { SearchDocument } from '@millrace/search';

/** A message of b in `room`, as an index takes it. */
export const aDocument = (seq: number): SearchDocument => ({
  ...{ conversation: 'room' as ConversationId, gen: generation(1), seq: sequenceId(seq), rev: 0 },
  ...{ sender: 'b' as UserId, type: 'text', at: 0, text: 'tea', mentions: [], mentionAll: false, fields: {} },
});
