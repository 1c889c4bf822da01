import { sees, type MembershipInterval } from '@millrace/diffusion';
import { sequenceId } from '@millrace/kernel';
import type { Revision } from './revision.ts';

/**
 * What of a message's changes is for somebody (I7): those whose entries they see, and that it was taken back, which holds
 * for everybody. To who left before an edit it has the last body that they saw, or its own; reactions are counted for
 * who sees the last entry that changed them, and are none for others; so are the replies of a thread.
 *
 * @returns null for none.
 */
export function seenRevision(revision: Revision, intervals: readonly MembershipInterval[]): Revision | null {
  const { recalled, redacted } = revision;
  if (redacted) return sees(intervals, revision.rev) ? revision : null;
  const hasReplies = revision.replies !== null && sees(intervals, revision.replies.last);
  const replies = hasReplies ? revision.replies : null;
  if (recalled !== null) {
    // What was taken back is not changed any more, but for what is answered in its thread.
    return { ...revision, replies, rev: sequenceId(Math.max(recalled.seq, replies?.last ?? 0)) };
  }
  const edits = revision.edited === null ? [] : [...revision.earlier, revision.edited];
  const edited = edits.findLast(({ seq }) => sees(intervals, seq)) ?? null;
  const hasReactions = revision.reacted !== null && sees(intervals, revision.reacted);
  const reacted = hasReactions ? revision.reacted : null;
  const rev = Math.max(edited?.seq ?? 0, reacted ?? 0, replies?.last ?? 0);
  if (rev === 0) return null;
  const reactions = hasReactions ? revision.reactions : [];
  return { ...revision, rev: sequenceId(rev), edited, reactions, reacted, replies };
}
