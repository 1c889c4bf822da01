import type { FrameError } from '@millrace/protocol';
import { erasedError, isErased } from '../erase/tombstone.ts';
import type { TargetFacts } from '../revise/revision.ts';
import type { ConversationState } from './conversation-state.ts';

/** Of a message that was erased since the facts were looked up; null for any other. */
export const erasedRefusal = (
  state: ConversationState,
  { seq, from }: Pick<TargetFacts, 'seq' | 'from'>,
): FrameError | null => (isErased(state.erased.value, { from }, seq) ? erasedError(seq) : null);
