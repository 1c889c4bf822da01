import type { SequenceId, UserId } from '@millrace/kernel';
import type { Message } from './frames.ts';
import { protocolLimits } from './limits.ts';

/*
 * The messages that mention a user and that they have not read, as server and device keep them: seqs, rising, at most the
 * latest `mentionsPerSummary`. What is told more than once comes into a list once, so that two that have heard of the
 * same messages are the same.
 */

/** Whether the message is for this user above all. Nobody mentions themselves. */
export function mentionsUser({ from, mentions, mentionAll }: Message, user: UserId): boolean {
  return from !== user && (mentionAll === true || mentions?.includes(user) === true);
}

/** The list with these in it, in whatever order they come. */
export function withMentions(known: readonly SequenceId[], seqs: readonly SequenceId[]): readonly SequenceId[] {
  const fresh = seqs.filter((seq) => !known.includes(seq));
  if (fresh.length === 0) return known;
  return [...known, ...fresh].sort((one, other) => one - other).slice(-protocolLimits.mentionsPerSummary);
}

/** What of the list is behind the read position. */
export function mentionsBehind(known: readonly SequenceId[], readSeq: SequenceId): readonly SequenceId[] {
  return known.length === 0 || (known[0] ?? 0) > readSeq ? known : known.filter((seq) => seq > readSeq);
}
