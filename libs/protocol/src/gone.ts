import type { SequenceId } from '@millrace/kernel';
import type { UnreadInputs } from './frames.ts';
import { protocolLimits } from './limits.ts';

/*
 * What does not count as unread though it stands behind the read position: others' messages that were recalled, or that
 * the user has deleted for themselves. Server and device keep it as a set, so that it is the same whatever is told twice,
 * or in another order.
 */

/** Of one user in one conversation. */
export interface Gone {
  /** Those that are not listed: all below the first that is. */
  readonly before: number;
  /** Rising, at most `gonePerSummary`. */
  readonly seqs: readonly SequenceId[];
}

export const noGone: Gone = { before: 0, seqs: [] };

export const goneCount = ({ before, seqs }: Gone): number => before + seqs.length;

/** With these in it, in whatever order they come. */
export function withGone(gone: Gone, seqs: readonly SequenceId[]): Gone {
  const fresh = seqs.filter((seq) => !gone.seqs.includes(seq));
  if (fresh.length === 0) return gone;
  const all = [...gone.seqs, ...fresh].sort((one, other) => one - other);
  const unlisted = Math.max(0, all.length - protocolLimits.gonePerSummary);
  return { before: gone.before + unlisted, seqs: all.slice(unlisted) };
}

/** What of it is behind the read position. Who moves that to before the first that is listed knows what else is there. */
export function goneBehind(gone: Gone, readSeq: SequenceId): Gone {
  const [first] = gone.seqs;
  if (first === undefined) return gone.before === 0 ? gone : noGone;
  if (first > readSeq) return gone;
  return { before: 0, seqs: gone.seqs.filter((seq) => seq > readSeq) };
}

/** As the inputs of an unread count have it: nothing for none. */
export const goneFields = (gone: Gone): Pick<UnreadInputs, 'gone' | 'goneSeqs'> =>
  goneCount(gone) === 0 ? {} : { gone: goneCount(gone), goneSeqs: gone.seqs };

export function goneOf({ gone = 0, goneSeqs = [] }: Pick<UnreadInputs, 'gone' | 'goneSeqs'>): Gone {
  if (gone === 0) return noGone;
  return { before: Math.max(0, gone - goneSeqs.length), seqs: goneSeqs };
}

/** Never below 0: counters of a server that lost history can disagree for a moment. */
export const unreadOf = ({ msgNo, readMsgNo, own, gone = 0 }: Omit<UnreadInputs, 'unread' | 'readSeq'>): number =>
  Math.max(0, msgNo - readMsgNo - own - gone);

/** What somebody has told is gone, and what came of it since. */
export function joinGone(told: Gone, known: Gone): Gone {
  const [first = 0] = told.seqs;
  return withGone(
    told,
    known.seqs.filter((seq) => seq >= first),
  );
}
