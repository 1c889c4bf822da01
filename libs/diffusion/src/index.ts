export {
  isOpen,
  joinedAt,
  lastVisible,
  leftAt,
  receivedRanges,
  sees,
  visibleRanges,
  type MembershipInterval,
  type SeqRange,
} from './membership-interval.ts';
export { nextMode, type DiffusionLimits, type DiffusionMode } from './mode.ts';
export {
  isDiffused,
  isReceived,
  lastReceived,
  modeBehind,
  modeNow,
  pullEnd,
  receivesAny,
  SEGMENTS_MAX,
  switchedAt,
  type ReadSegment,
} from './read-segment.ts';
