import { sequenceId, type SequenceId } from '@millrace/kernel';
import type { MembershipInterval, SeqRange } from './membership-interval.ts';
import type { DiffusionMode } from './mode.ts';

/**
 * The entries of a conversation between two switches of its mode. `from` is the entry that switched to `read`, `to` the
 * one that switched back, null while that has not come: both are in every member's inbox, what lies between is in none,
 * but for a member's own coming and going.
 */
export interface ReadSegment {
  readonly from: SequenceId;
  readonly to: SequenceId | null;
}

/**
 * Segments that are remembered, at least while diffusion may have to ask for them. Only diffusion that resumes after a crash and devices that pull ask for one that has
 * ended, and both are seconds behind.
 */
export const SEGMENTS_MAX = 64;

/** The mode of what is appended next. */
export const modeNow = (segments: readonly ReadSegment[]): DiffusionMode =>
  segments.at(-1)?.to === null ? 'read' : 'write';

/** The segments after the entry at `seq` has switched to `mode`; they stay as they are when that is the mode already. */
export function switchedAt(
  segments: readonly ReadSegment[],
  mode: DiffusionMode,
  seq: SequenceId,
): readonly ReadSegment[] {
  if (modeNow(segments) === mode) return segments;
  if (mode === 'read') return [...segments, { from: seq, to: null }].slice(-SEGMENTS_MAX);
  return segments.map((segment) => (segment.to === null ? { ...segment, to: seq } : segment));
}

/** The segment that is remembered no more once the mode switches to `read`; null for none. */
export const forgottenNext = (segments: readonly ReadSegment[]): ReadSegment | null =>
  segments.length < SEGMENTS_MAX ? null : (segments[0] ?? null);

/** Whether the entry at `seq` goes into the inbox of each member. */
export const isDiffused = (segments: readonly ReadSegment[], seq: SequenceId): boolean =>
  !segments.some(({ from, to }) => seq > from && (to === null || seq < to));

/** The mode behind the entry at `seq`: how the next one is diffused, unless that switches back. */
export const modeBehind = (segments: readonly ReadSegment[], seq: SequenceId): DiffusionMode =>
  segments.some(({ from, to }) => seq >= from && (to === null || seq < to)) ? 'read' : 'write';

/** Whether the member's inbox gets the entry at `seq`: they are in, and it is diffused, or tells of their own coming or going. */
export function isReceived(
  intervals: readonly MembershipInterval[],
  segments: readonly ReadSegment[],
  seq: SequenceId,
): boolean {
  return intervals.some(({ joined, to }) => {
    if (seq === joined || seq === to) return true;
    return seq > joined && (to === null || seq < to) && isDiffused(segments, seq);
  });
}

/** Whether the member's inbox gets anything of the range. */
export function receivesAny(
  intervals: readonly MembershipInterval[],
  segments: readonly ReadSegment[],
  { from, to }: SeqRange,
): boolean {
  return lastReceived(intervals, segments, to) >= from;
}

/**
 * The last entry up to `upTo` that the member's inbox got; 0 for none. Within a read segment that is its first entry, or
 * the one of their join.
 */
export function lastReceived(
  intervals: readonly MembershipInterval[],
  segments: readonly ReadSegment[],
  upTo: SequenceId,
): SequenceId {
  const interval = intervals.findLast(({ joined }) => joined <= upTo);
  if (interval === undefined) return sequenceId(0);
  const { joined, to } = interval;
  if (to !== null && to <= upTo) return to;
  const segment = segments.find((each) => upTo > each.from && (each.to === null || upTo < each.to));
  return segment === undefined ? upTo : sequenceId(Math.max(joined, segment.from));
}

/**
 * How far a member may pull who has everything up to `cursor`: to the end of the segment and of the stay that it lies in,
 * at most to `head`. What comes behind is in their inbox. Null when it lies in none.
 */
export function pullEnd(
  intervals: readonly MembershipInterval[],
  segments: readonly ReadSegment[],
  cursor: SequenceId,
  head: SequenceId,
): SequenceId | null {
  const segment = segments.find(({ from, to }) => cursor >= from && (to === null || cursor < to));
  const stay = intervals.find(({ joined, to }) => cursor >= joined && (to === null || cursor < to));
  if (segment === undefined || stay === undefined) return null;
  return sequenceId(Math.min(head, segment.to === null ? head : segment.to - 1, stay.to ?? head));
}
