import type { SequenceId } from '@millrace/kernel';
import { frameError, type FrameError } from '@millrace/protocol';
import type { MessagingLimits } from '../limits.ts';
import type { ConversationState } from './conversation-state.ts';

/** Why a client message id of free form may not come with this window number; null when it may (I4). */
export function keyRefusal(state: ConversationState, window: number): FrameError | null {
  const current = state.keyWindow.value;
  if (window < current.window - 1) {
    const message = `window ${String(window)} is over, keys of it are no longer remembered; the present one is ${String(current.window)}`;
    return frameError('expired', message);
  }
  if (window <= current.window) return null;
  const message = `window ${String(window)} was not issued yet; the present one is ${String(current.window)}`;
  return frameError('bad_request', message);
}

/** Keys are dropped a window at a time: the present and the previous window are remembered. */
export function rememberKey(state: ConversationState, key: string, seq: SequenceId, limits: MessagingLimits): void {
  const { window, used } = state.keyWindow.value;
  state.keys.set(key, { window, seq });
  if (used + 1 < limits.keysPerWindow) {
    state.keyWindow.value = { window, used: used + 1 };
    return;
  }
  state.keyWindow.value = { window: window + 1, used: 0 };
  for (const [old, sent] of [...state.keys.entries()]) if (sent.window < window) state.keys.delete(old);
}
