import type { UserId } from '@millrace/kernel';
import type { Role } from '@millrace/protocol';
import { appendedEffect } from '../conversation/appended.ts';
import type { ConversationMeta, ConversationState } from '../conversation/conversation-state.ts';
import { newMember, succession } from '../conversation/membership.ts';
import type { Effect } from '../effects.ts';
import type { MessagingLimits } from '../limits.ts';

/**
 * Members of an activation that is over come into the one that follows it: the first of them with the entry that begins
 * it, the others by joining. As many as there is room for.
 */
export function returned(
  state: ConversationState,
  meta: ConversationMeta,
  all: readonly (readonly [UserId, Role])[],
  nowMs: number,
  limits: MessagingLimits,
): readonly Effect[] {
  const back = all.slice(0, Math.max(0, limits.membersMax - state.memberCount));
  if (back.length === 0) return [];
  const users = back.map(([user]) => user);
  const isFirst = state.meta.value === null;
  if (isFirst) state.meta.value = meta;
  const created = { control: 'created', kind: meta.kind, title: meta.title, members: users } as const;
  const entry = state.appendControl(null, isFirst ? created : { control: 'joined', users }, nowMs);
  for (const [user, role] of back) state.setMember(user, newMember(state, meta, user, role, entry.seq));
  return [
    appendedEffect(state, entry, () => state.recipients, { change: 'joined', users }),
    ...succession(state, null, nowMs),
  ];
}
