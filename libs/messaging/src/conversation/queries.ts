import { err, ok, sequenceId, type Result } from '@millrace/kernel';
import { frameError, type FrameError, type MemberInfo, type Members } from '@millrace/protocol';
import type { ConversationInfo } from '../chat-service.ts';
import type { Audience, ConversationCalls, Visible } from './commands.ts';
import type { ConversationState } from './conversation-state.ts';
import { factsOf } from './facts.ts';

const notFound = (state: ConversationState): FrameError =>
  frameError('not_found', `there is no conversation ${state.id}`);

/** What the asker may see of the Timeline: their memberships' times, or all of it for the deployment itself (null). */
export function visible(
  state: ConversationState,
  { user }: ConversationCalls['visible']['command'],
): Result<Visible, FrameError> {
  if (state.meta.value === null) return err(notFound(state));
  if (user === null)
    return ok({ head: state.head.value, intervals: [{ joined: sequenceId(1), from: sequenceId(1), to: null }] });
  const member = state.members.get(user);
  if (member === undefined) return err(frameError('not_member', `${user} is not a member of ${state.id}`));
  return ok({ head: state.head.value, intervals: member.intervals });
}

export function members(
  state: ConversationState,
  { by, after, limit }: ConversationCalls['members']['command'],
): Result<Omit<Members, 't' | 'id'>, FrameError> {
  if (state.meta.value === null) return err(notFound(state));
  if (by !== null && state.present(by) === null)
    return err(frameError('not_member', `${by} is not a member of ${state.id}`));
  const all = [...state.recipients].sort();
  const rest = after === null ? all : all.filter((user) => user > after);
  const page = rest.slice(0, limit);
  const infos: MemberInfo[] = [];
  for (const user of page) {
    const member = state.present(user);
    if (member !== null)
      infos.push({ user, role: member.role, readSeq: member.readSeq, deliveredSeq: member.deliveredSeq });
  }
  return ok({
    conversation: state.id,
    count: all.length,
    members: infos,
    next: rest.length > page.length ? (page.at(-1) ?? null) : null,
  });
}

export function info(state: ConversationState): Result<ConversationInfo, FrameError> {
  const meta = state.meta.value;
  if (meta === null) return err(notFound(state));
  const { gen, seq } = state.head.value;
  const { kind, title, joinPolicy, historyPolicy } = meta;
  return ok({
    conversation: state.id,
    kind,
    title,
    joinPolicy,
    historyPolicy,
    memberCount: state.recipients.length,
    gen,
    seq,
    msgNo: state.msgNo.value,
    keyWindow: state.keyWindow.value.window,
  });
}

export function audience(state: ConversationState): Audience {
  return {
    facts: state.meta.value === null ? null : factsOf(state),
    head: state.head.value,
    members: [...state.members.entries()].map(([user, member]) => [user, member.intervals] as const),
  };
}
