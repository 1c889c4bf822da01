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
