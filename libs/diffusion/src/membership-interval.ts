import { sequenceId, type SequenceId } from '@millrace/kernel';

/** A member sees the entries `from..to` (I7); `to` is null while they are in. */
export interface MembershipInterval {
  readonly from: SequenceId;
  readonly to: SequenceId | null;
}

export interface SeqRange {
  readonly from: SequenceId;
  readonly to: SequenceId;
}

export const isOpen = (intervals: readonly MembershipInterval[]): boolean => intervals.at(-1)?.to === null;

/** Whether the entry at `seq` falls within the membership. */
export function sees(intervals: readonly MembershipInterval[], seq: SequenceId): boolean {
  return intervals.some(({ from, to }) => seq >= from && (to === null || seq <= to));
}

/**
 * The membership after a join at `seq`. `from` is what the conversation's policy lets a new member see; what they
 * saw before stays visible.
 */
export function joinedAt(intervals: readonly MembershipInterval[], from: SequenceId): readonly MembershipInterval[] {
  const before = intervals.filter((interval) => interval.to !== null && interval.from < from);
  const last = before.at(-1);
  if (last?.to != null && last.to >= from - 1) return [...before.slice(0, -1), { from: last.from, to: null }];
  return [...before, { from, to: null }];
}

/** The membership after a leave or kick told by the entry at `seq`, which the leaver still sees. */
export function leftAt(intervals: readonly MembershipInterval[], seq: SequenceId): readonly MembershipInterval[] {
  return intervals.map((interval) => (interval.to === null ? { from: interval.from, to: seq } : interval));
}

/** The parts of `range` that the member sees, in rising order. */
export function visibleRanges(intervals: readonly MembershipInterval[], range: SeqRange): readonly SeqRange[] {
  const visible: SeqRange[] = [];
  for (const interval of intervals) {
    const from = Math.max(interval.from, range.from);
    const to = Math.min(interval.to ?? range.to, range.to);
    if (from <= to) visible.push({ from: sequenceId(from), to: sequenceId(to) });
  }
  return visible;
}

/** The last entry that the member sees of a conversation whose head is `head`; 0 for none. */
export function lastVisible(intervals: readonly MembershipInterval[], head: SequenceId): SequenceId {
  const last = intervals.at(-1);
  if (last === undefined) return sequenceId(0);
  return sequenceId(Math.min(last.to ?? head, head));
}
