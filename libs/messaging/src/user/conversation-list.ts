import { type ConversationId, type UserId } from '@millrace/kernel';
import type { ConversationSummary } from '@millrace/protocol';
import type { ListCursor, Place, Uncounted, Unconfirmed, UserCalls } from './commands.ts';
import { nothingDoubted, type Doubts } from './confirmation.ts';
import { ownAfterRead } from './deliver.ts';
import { isUncounted, type ListedConversation, type Progress, type UserState } from './user-state.ts';

/** The other one of a direct conversation, whose id names both. */
function peerOf(user: UserId, conversation: ConversationId): UserId | null {
  const [one, other] = conversation.split('!');
  if (one === undefined || other === undefined) return null;
  return (one === user ? other : one) as UserId;
}

function summaryOf(
  user: UserId,
  conversation: ConversationId,
  { kind, title }: ListedConversation,
  progress: Progress,
): ConversationSummary {
  const { gen, seq, msgNo, readSeq, readMsgNo, lastAt, member } = progress;
  const own = ownAfterRead(progress);
  const unread = Math.max(0, msgNo - readMsgNo - own);
  return {
    conversation,
    kind,
    title,
    peer: peerOf(user, conversation),
    member,
    gen,
    seq,
    lastAt,
    msgNo,
    readSeq,
    readMsgNo,
    own,
    unread,
  };
}

/** @param doubts - whether what is listed is to be confirmed first. */
export function summaries(
  state: UserState,
  slots: readonly number[],
  doubts: Doubts = nothingDoubted,
): UserCalls['summaries']['reply'] {
  const unconfirmed: Unconfirmed[] = [];
  const found = new Map<number, ConversationSummary>();
  const uncounted: Uncounted[] = [];
  for (const slot of slots) {
    const conversation = state.conversationAt(slot);
    const listed = conversation === undefined ? undefined : state.listed.get(conversation);
    const progress = state.progress.get(slot);
    if (conversation !== undefined && listed !== undefined && progress !== undefined) {
      found.set(slot, summaryOf(state.id, conversation, listed, progress));
      if (doubts(conversation, progress)) unconfirmed.push({ conversation, readSeq: progress.readSeq });
      if (isUncounted(progress)) uncounted.push({ conversation, from: progress.sentFrom });
    }
  }
  return { summaries: found, unconfirmed, uncounted };
}

const isAfter = (slot: number, { lastAt }: Progress, cursor: ListCursor): boolean =>
  lastAt < cursor.lastAt || (lastAt === cursor.lastAt && slot < cursor.slot);

/** A page of the user's conversations, the latest active first. */
export function listConversations(
  state: UserState,
  after: ListCursor | null,
  limit: number,
  doubts?: Doubts,
): UserCalls['list']['reply'] {
  const rest = [...state.progress.entries()].filter(
    ([slot, progress]) => after === null || isAfter(slot, progress, after),
  );
  rest.sort(([slot, a], [otherSlot, b]) => b.lastAt - a.lastAt || otherSlot - slot);
  const page = rest.slice(0, limit);
  const found = summaries(
    state,
    page.map(([slot]) => slot),
    doubts,
  );
  const last = page.at(-1);
  return {
    conversations: [...found.summaries.values()],
    unconfirmed: found.unconfirmed,
    uncounted: found.uncounted,
    next: rest.length > page.length && last !== undefined ? { slot: last[0], lastAt: last[1].lastAt } : null,
  };
}

export function place(state: UserState, conversation: ConversationId): Place {
  const { oldest, days } = state.inbox.value;
  const slot = state.listed.get(conversation)?.slot;
  const progress = slot === undefined ? undefined : state.progress.get(slot);
  const listed =
    slot === undefined || progress === undefined ? null : { slot, applied: { gen: progress.gen, seq: progress.seq } };
  return { head: state.head.value, oldest, days, listed };
}
