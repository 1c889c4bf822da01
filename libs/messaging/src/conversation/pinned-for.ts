import { sees } from '@millrace/diffusion';
import type { UserId } from '@millrace/kernel';
import type { Pinned } from '@millrace/protocol';
import type { ConversationState } from './conversation-state.ts';

/** What a member may see of what is pinned; the deployment's backend (null) all of it. */
export function pinnedFor(state: ConversationState, user: UserId | null): { readonly pinned?: readonly Pinned[] } {
  const intervals = user === null ? null : (state.members.get(user)?.intervals ?? []);
  const pinned = state.pinned.value.filter(({ seq }) => intervals === null || sees(intervals, seq));
  return pinned.length === 0 ? {} : { pinned };
}
