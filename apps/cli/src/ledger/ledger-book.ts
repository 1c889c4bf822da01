import { sequenceId, type ConversationId, type SequenceId, type UserId } from '@millrace/kernel';
import type { ConversationRecord, LedgerRecord, MessageRecord } from './ledger-record.ts';

/** What a ledger tells of one conversation. */
export interface BookedConversation {
  readonly record: ConversationRecord;
  /** The creator and everyone who joined, with the seq at which they came. */
  readonly members: Map<UserId, SequenceId>;
  readonly messages: MessageRecord[];
  /** The last acknowledged counter of each author. */
  readonly counters: Map<UserId, number>;
}

export interface LedgerBook {
  readonly conversations: Map<ConversationId, BookedConversation>;
  /** The sync tokens of the users that were sampled. */
  readonly syncTokens: Map<UserId, string>;
}

export const emptyBook = (): LedgerBook => ({ conversations: new Map(), syncTokens: new Map() });

/** Enters one record; false when it speaks of a conversation that none before it created. */
export function enter(book: LedgerBook, record: LedgerRecord): boolean {
  if ('sync' in record) {
    book.syncTokens.set(record.sync, record.token);
    return true;
  }
  if ('creator' in record) {
    if (!book.conversations.has(record.conversation)) {
      const members = new Map([[record.creator, sequenceId(1)]]);
      book.conversations.set(record.conversation, { record, members, messages: [], counters: new Map() });
    }
    return true;
  }
  const conversation = book.conversations.get(record.conversation);
  if (conversation === undefined) return false;
  if ('joined' in record) {
    conversation.members.set(record.joined, record.seq);
  } else {
    conversation.messages.push(record);
    conversation.counters.set(record.from, record.n);
  }
  return true;
}

export function countsOf(book: LedgerBook): { messages: number; conversations: number; members: number } {
  const members = new Set<UserId>();
  let messages = 0;
  for (const conversation of book.conversations.values()) {
    messages += conversation.messages.length;
    for (const member of conversation.members.keys()) members.add(member);
  }
  return { messages, conversations: book.conversations.size, members: members.size };
}
