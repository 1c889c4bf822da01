import type { ConversationId, UserId } from '@millrace/kernel';
import { goneFields, unreadOf, type ConversationSummary } from '@millrace/protocol';
import type { ListCursor, Listed, Place, Uncounted, Unconfirmed, UserCalls } from './commands.ts';
import { nothingDoubted, unconfirmedOf, type Doubts } from './confirmation.ts';
import { ownAfterRead } from './deliver.ts';
import { isUncounted, type Concern, type ListedConversation, type Progress, type UserState } from './user-state.ts';

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
  { mentions: all, gone }: Pick<Concern, 'mentions' | 'gone'>,
): ConversationSummary {
  const { gen, seq, msgNo, readSeq, readMsgNo, lastAt, member, behind } = progress;
  const own = ownAfterRead(progress);
  const fields = goneFields(gone);
  const mentions = all.filter((each) => !gone.seqs.includes(each));
  const unread = unreadOf({ msgNo, readMsgNo, own, ...fields });
  return {
    conversation,
    kind,
    title,
    peer: peerOf(user, conversation),
    member,
    diffusion: behind,
    gen,
    seq,
    lastAt,
    msgNo,
    readSeq,
    readMsgNo,
    own,
    ...fields,
    unread,
    ...(mentions.length === 0 ? {} : { mentions }),
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
      const concern = state.concern(slot);
      found.set(slot, summaryOf(state.id, conversation, listed, progress, concern));
      if (doubts(conversation, progress)) unconfirmed.push(unconfirmedOf(conversation, progress, concern));
      // Of one that is pulled the conversation tells it anyway.
      if (isUncounted(progress) && progress.behind === 'write')
        uncounted.push({ conversation, from: progress.sentFrom });
    }
  }
  return { summaries: found, unconfirmed, uncounted };
}

/** Whether it comes behind the cursor in the list. */
export const isAfter = ({ slot, lastAt }: ListCursor, cursor: ListCursor): boolean =>
  lastAt < cursor.lastAt || (lastAt === cursor.lastAt && slot < cursor.slot);

/** For sorting: the latest active first. */
export const byActivity = (one: ListCursor, other: ListCursor): number =>
  other.lastAt - one.lastAt || other.slot - one.slot;

/**
 * A page of the user's conversations, the latest active first. Of those that are pulled only they themselves know when
 * they were active last: all of them are told.
 */
export function listConversations(
  state: UserState,
  after: ListCursor | null,
  limit: number,
  doubts?: Doubts,
): UserCalls['list']['reply'] {
  const rest: ListCursor[] = [];
  const pulled: number[] = [];
  for (const [slot, { behind, lastAt }] of state.progress.entries()) {
    if (behind === 'read') pulled.push(slot);
    else if (after === null || isAfter({ slot, lastAt }, after)) rest.push({ slot, lastAt });
  }
  rest.sort(byActivity);
  const page = rest.slice(0, limit);
  const slots = page.map(({ slot }) => slot);
  const { summaries: found, unconfirmed, uncounted } = summaries(state, [...slots, ...pulled], doubts);
  const listed = (of: readonly number[]): readonly Listed[] =>
    of.flatMap((slot) => {
      const summary = found.get(slot);
      return summary === undefined ? [] : [{ slot, summary }];
    });
  return {
    conversations: listed(slots).map(({ summary }) => summary),
    slots,
    next: rest.length > page.length ? (page.at(-1) ?? null) : null,
    pulled: listed(pulled),
    head: state.head.value,
    unconfirmed,
    uncounted,
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
