import { isOpen } from '@millrace/diffusion';
import { ok, type ConversationId, type Result, type UserId } from '@millrace/kernel';
import { goneFields, goneOf, unreadOf, type ConversationSummary, type FrameError } from '@millrace/protocol';
import { generationOf } from '@millrace/timeline';
import type { ConversationHead } from '../conversation/commands.ts';
import type { Listed, ListCursor, UserCalls } from '../user/commands.ts';
import { byActivity, isAfter } from '../user/conversation-list.ts';

/** Asks where conversations stand, as {@link Heads} does. */
export interface HeadsOf {
  of(
    user: UserId,
    conversations: readonly ConversationId[],
  ): Promise<Result<ReadonlyMap<ConversationId, ConversationHead | null>, FrameError>>;
}

/** A conversation that is pulled, as the user's own list has it, and as it says itself. */
export interface Pulled extends Listed {
  /** Null when it has lost that it knew the user: the inbox is about to hear of it. */
  readonly head: ConversationHead | null;
}

/** Asks conversations that are pulled where they stand. */
export async function askPulled(
  heads: HeadsOf,
  user: UserId,
  pulled: readonly Listed[],
): Promise<Result<readonly Pulled[], FrameError>> {
  if (pulled.length === 0) return ok([]);
  const found = await heads.of(
    user,
    pulled.map(({ summary }) => summary.conversation),
  );
  if (!found.ok) return found;
  return ok(
    pulled.map(({ slot, summary }) => ({ slot, summary, head: found.value.get(summary.conversation) ?? null })),
  );
}

/** As its user is to see it now. */
export const pulledNow = ({ slot, summary, head }: Pulled): Listed => ({
  slot,
  summary: head === null ? summary : summaryNow(summary, head),
});

/**
 * The summary as the conversation has it. Who is not in any more sees nothing new: their inbox, which is behind, is about
 * to say so.
 */
export function summaryNow(
  summary: ConversationSummary,
  { head, title, msgNo, lastAt, intervals, reading, sent, mentions, gone }: ConversationHead,
): ConversationSummary {
  if (!isOpen(intervals)) return summary;
  const { readSeq, readMsgNo, sentAtRead } = reading;
  const own = Math.max(0, sent - sentAtRead);
  // Its partition may have begun a generation since, in which nothing was said here yet.
  const { seq } = head;
  const gen = generationOf(head, seq) ?? head.gen;
  const { mentions: told = [], gone: _gone, goneSeqs: _goneSeqs, ...rest } = summary;
  const known = gone ?? goneOf(summary);
  const unreadMentions = (mentions ?? told).filter((each) => !known.seqs.includes(each));
  const fields = goneFields(known);
  const unread = unreadOf({ msgNo, readMsgNo, own, ...fields });
  return {
    ...rest,
    ...(unreadMentions.length === 0 ? {} : { mentions: unreadMentions }),
    // A new one is told by an entry that is in no inbox.
    title: title ?? summary.title,
    ...{ gen, seq, lastAt: Math.max(lastAt, summary.lastAt), msgNo, readSeq, readMsgNo, own, ...fields, unread },
  };
}

type List = Pick<UserCalls['list']['reply'], 'conversations' | 'slots' | 'next'>;

/** A page over all: of those that the inbox brings, and of those that are pulled, where they belong by now. */
export function orderedPage(
  { conversations, slots, next }: List,
  pulled: readonly Listed[],
  after: ListCursor | null,
  limit: number,
): { readonly conversations: readonly ConversationSummary[]; readonly next: ListCursor | null } {
  const brought = conversations.map((summary, index) => ({ slot: slots[index] ?? 0, summary }));
  const cursorOf = ({ slot, summary: { lastAt } }: Listed): ListCursor => ({ slot, lastAt });
  const here = pulled.filter((each) => after === null || isAfter(cursorOf(each), after));
  const all = [...brought, ...here].sort((one, other) => byActivity(cursorOf(one), cursorOf(other)));
  const page = all.slice(0, limit);
  const last = page.at(-1);
  const hasMore = all.length > page.length || next !== null;
  return {
    conversations: page.map(({ summary }) => summary),
    next: hasMore && last !== undefined ? cursorOf(last) : null,
  };
}
