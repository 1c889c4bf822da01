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
export { loadAfter, noLoad, type Load } from './load.ts';
export { nextReason, type DiffusionLimits, type DiffusionMode, type Extent, type ReadReason } from './mode.ts';
export {
  isDiffused,
  isReceived,
  lastReceived,
  modeBehind,
  modeNow,
  pullEnd,
  receivesAny,
  forgottenNext,
  SEGMENTS_MAX,
  switchedAt,
  type ReadSegment,
} from './read-segment.ts';
