import { sequenceId, type SequenceId } from '@millrace/kernel';

/**
 * One stay of a member in a conversation (I7). They receive the entries `joined..to` and may see `from..to`, where the
 * conversation's policy set `from` at the join: the join itself, or earlier. `to` is null while they are in.
 */
export interface MembershipInterval {
  readonly joined: SequenceId;
  readonly from: SequenceId;
  readonly to: SequenceId | null;
}

export interface SeqRange {
  readonly from: SequenceId;
  readonly to: SequenceId;
}

export const isOpen = (intervals: readonly MembershipInterval[]): boolean => intervals.at(-1)?.to === null;

/** The membership after a join told by the entry at `joined`, which lets the member see everything from `from` on. */
export function joinedAt(
  intervals: readonly MembershipInterval[],
  joined: SequenceId,
  from: SequenceId,
): readonly MembershipInterval[] {
  return isOpen(intervals) ? intervals : [...intervals, { joined, from, to: null }];
}

/** The membership after a leave or kick told by the entry at `seq`, which the leaver still receives. */
export function leftAt(intervals: readonly MembershipInterval[], seq: SequenceId): readonly MembershipInterval[] {
  return intervals.map((interval) => (interval.to === null ? { ...interval, to: seq } : interval));
}

function within(from: SequenceId, to: SequenceId | null, range: SeqRange): SeqRange | null {
  const first = Math.max(from, range.from);
  const last = Math.min(to ?? range.to, range.to);
  return first <= last ? { from: sequenceId(first), to: sequenceId(last) } : null;
}

/** The parts of `range` that the member receives, in rising order. */
export function receivedRanges(intervals: readonly MembershipInterval[], range: SeqRange): readonly SeqRange[] {
  return intervals.map(({ joined, to }) => within(joined, to, range)).filter((part) => part !== null);
}

/** The parts of `range` that the member may see, in rising order, without overlap. */
export function visibleRanges(intervals: readonly MembershipInterval[], range: SeqRange): readonly SeqRange[] {
  const parts = intervals.map(({ from, to }) => within(from, to, range)).filter((part) => part !== null);
  parts.sort((left, right) => left.from - right.from);
  const merged: SeqRange[] = [];
  for (const part of parts) {
    const last = merged.at(-1);
    if (last !== undefined && part.from <= last.to + 1) {
      merged[merged.length - 1] = { from: last.from, to: sequenceId(Math.max(last.to, part.to)) };
    } else {
      merged.push(part);
    }
  }
  return merged;
}

/** Whether the member may see the entry at `seq`. */
export function sees(intervals: readonly MembershipInterval[], seq: SequenceId): boolean {
  return intervals.some(({ from, to }) => seq >= from && (to === null || seq <= to));
}

/** The last entry that the member sees of a conversation whose head is `head`; 0 for none. */
export function lastVisible(intervals: readonly MembershipInterval[], head: SequenceId): SequenceId {
  const last = intervals.at(-1);
  if (last === undefined) return sequenceId(0);
  return sequenceId(Math.min(last.to ?? head, head));
}
