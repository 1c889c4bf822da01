import { receivedRanges } from '@millrace/diffusion';
import { err, ok, type Result, type SequenceId, type UserId } from '@millrace/kernel';
import { frameError, type FrameError, type ReaderInfo, type Readers, type ReadersList } from '@millrace/protocol';
import { generationOf } from '@millrace/timeline';
import type { ConversationCalls, LatestReceipts } from './commands.ts';
import type { ConversationState, Member } from './conversation-state.ts';
import { LOOKED_AT_MAX, notFound } from './queries.ts';
import type { ReadCounts } from './readership.ts';

const hasReceived = ({ intervals }: Member, seq: SequenceId): boolean =>
  receivedRanges(intervals, { from: seq, to: seq }).length > 0;

/** Whether the list wants a member who received the entry at `seq`. */
const wanted: Readonly<Record<ReadersList, (member: Member, seq: SequenceId) => boolean>> = {
  read: ({ readSeq }, seq) => readSeq >= seq,
  unread: ({ readSeq }, seq) => readSeq < seq,
  delivered: ({ deliveredSeq }, seq) => deliveredSeq >= seq,
  undelivered: ({ deliveredSeq }, seq) => deliveredSeq < seq,
};

/** The counts of one entry without its author, who is neither told of it nor reads it. */
function countsWithout(state: ConversationState, author: UserId | null, seq: SequenceId): ReadCounts {
  const { recipients, delivered, read } = state.readership.at(seq);
  const member = author === null ? undefined : state.members.get(author);
  if (member === undefined || !hasReceived(member, seq)) return { recipients, delivered, read };
  return {
    recipients: recipients - 1,
    delivered: delivered - (member.deliveredSeq >= seq ? 1 : 0),
    read: read - (member.readSeq >= seq ? 1 : 0),
  };
}

/** "Read by 7,312 of 10,000", and who has not: exact, out of one read position a member. */
export function readers(
  state: ConversationState,
  { by, seq, author, list, after, limit }: ConversationCalls['readers']['command'],
): Result<Omit<Readers, 't' | 'id'>, FrameError> {
  if (state.meta.value === null) return err(notFound(state));
  if (by !== null && state.present(by) === null)
    return err(frameError('not_member', `${by} is not a member of ${state.id}`));
  const gen = generationOf(state.head.value, seq);
  if (gen === null) return err(frameError('not_found', `there is no entry ${String(seq)} in ${state.id}`));
  const counts = countsWithout(state, author, seq);
  const { users, next } =
    list === null ? { users: [], next: null } : pageOf(state, { seq, author, list, after, limit });
  return ok({ conversation: state.id, gen, seq, ...counts, users, next });
}

function pageOf(
  state: ConversationState,
  { seq, author, list, after, limit }: Omit<ConversationCalls['readers']['command'], 'by'> & { list: ReadersList },
): { readonly users: readonly ReaderInfo[]; readonly next: UserId | null } {
  const users: ReaderInfo[] = [];
  let looked = 0;
  let last: UserId | null = null;
  for (const user of state.index.behind(after)) {
    if (users.length === limit || looked === LOOKED_AT_MAX) return { users, next: last };
    looked += 1;
    last = user;
    const member = state.members.get(user);
    if (user === author || member === undefined || !hasReceived(member, seq) || !wanted[list](member, seq)) continue;
    users.push({ user, readSeq: member.readSeq, deliveredSeq: member.deliveredSeq });
  }
  return { users, next: null };
}

/** How far the latest messages have come, and who is to be told: their authors that are members. */
export function latestReceipts(state: ConversationState): LatestReceipts {
  const latest = state.latest.value;
  const users = [...new Set(latest.map(({ author }) => author))].filter((author) => state.present(author) !== null);
  const told = latest.flatMap(({ seq, author }) => {
    const gen = generationOf(state.head.value, seq);
    return gen === null ? [] : [{ gen, seq, ...countsWithout(state, author, seq) }];
  });
  return { users, receipts: { conversation: state.id, readers: told } };
}
