export {
  isOpen,
  joinedAt,
  lastVisible,
  leftAt,
  sees,
  visibleRanges,
  type MembershipInterval,
  type SeqRange,
} from './membership-interval.ts';
