import { generation, sequenceId, type ConversationId } from '@millrace/kernel';
import type { LiveEntries, LiveHead } from '@millrace/messaging';
import { encodeEntry, WireEntry, type ClientFrame } from '@millrace/protocol';

export const tea = 'tea' as ConversationId;

export const headAt = (seq: number, mentionsOfAll: LiveHead['mentionsOfAll'] = []): LiveHead => ({
  gen: generation(1),
  seq: sequenceId(seq),
  msgNo: seq,
  mentionsOfAll,
});

/** Entries `from..to`. */
export function liveEntries(from: number, to = from, body = 'hi'): LiveEntries {
  const entries = Array.from({ length: to - from + 1 }, (_, index) => {
    const msgNo = from + index;
    const fields = { msgNo, countable: true, from: null, deviceTag: 0, n: 0, sentAt: 0, at: 0 };
    return new WireEntry(generation(1), sequenceId(msgNo), encodeEntry({ ...fields, type: 'text', body }));
  });
  return { gen: generation(1), prev: sequenceId(from - 1), entries };
}

export const opens = (id: number, conversation = tea): ClientFrame => ({ t: 'open', id, conversation });
export const closes = (id: number, conversation = tea): ClientFrame => ({ t: 'close', id, conversation });
