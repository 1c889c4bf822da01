import { sees } from '@millrace/diffusion';
import { err, ok, type Result, type SequenceId, type UserId } from '@millrace/kernel';
import { frameError, protocolLimits, type Changed, type FrameError, type Pinned } from '@millrace/protocol';
import type { Effect } from '../effects.ts';
import type { TargetFacts } from '../revise/revision.ts';
import { appendedEffect } from './appended.ts';
import type { ConversationCalls } from './commands.ts';
import type { ConversationState } from './conversation-state.ts';
import { erasedRefusal } from './erased-refusal.ts';
import { notFound } from './queries.ts';

/*
 * Messages that are shown to all above all. The conversation keeps where they stand, in the order in which they were
 * pinned; what is recalled is not among them any more.
 */

type Outcome = {
  readonly reply: Result<Omit<Changed, 't' | 'id'> | 'stale', FrameError>;
  readonly effects: readonly Effect[];
};

const refused = (error: FrameError): Outcome => ({ reply: err(error), effects: [] });

/** Why this user does not pin here, null when they do. */
function pinRefusal(state: ConversationState, by: UserId | null, { seq, isControl }: TargetFacts): FrameError | null {
  const meta = state.meta.value;
  if (meta === null) return notFound(state);
  if (isControl) return frameError('forbidden', `entry ${String(seq)} is no message: nobody pins it`);
  if (by === null) return null;
  const member = state.present(by);
  if (member === null) return frameError('not_member', `${by} is not a member of ${state.id}`);
  if (meta.kind !== 'direct' && meta.pinBy === 'admins' && member.role === 'member') {
    return frameError('forbidden', 'only the owner and admins pin messages here');
  }
  if (sees(member.intervals, seq)) return null;
  return frameError('not_found', `there is no message ${String(seq)} in ${state.id} that you may see`);
}

/** Pins a message, or takes that back: once more, it tells where the conversation stands. */
export function pin(
  state: ConversationState,
  { by, isOn, facts }: ConversationCalls['pin']['command'],
  nowMs: number,
): Outcome {
  const refusal = pinRefusal(state, by, facts);
  if (refusal !== null) return refused(refusal);
  const { seq } = facts;
  const before = state.pinned.value;
  if (before.some((each) => each.seq === seq) === isOn) return changed(state, []);
  if (isOn) {
    const erased = erasedRefusal(state, facts);
    if (erased !== null) return refused(erased);
    const revision = state.revisions.of(facts, state.gen);
    if (revision === 'stale') return { reply: ok('stale'), effects: [] };
    if (revision !== null && revision.recalled !== null) {
      return refused(frameError('conflict', `message ${String(seq)} was recalled, and cannot be pinned any more`));
    }
    const most = protocolLimits.pinsPerConversation;
    if (before.length >= most) {
      return refused(frameError('limit_reached', `${String(most)} messages are pinned here already: unpin one first`));
    }
  }
  state.pinned.value = withPin(before, isOn, { seq, by, at: nowMs });
  const entry = state.appendControl(by, { control: isOn ? 'pinned' : 'unpinned', seq }, nowMs);
  return changed(state, [appendedEffect(state, entry, () => state.recipients)]);
}

/** What this user has sent is pinned no longer; each entry tells of one. @param authors - of what is pinned. */
export function unpinAllOf(
  state: ConversationState,
  user: UserId,
  authors: ReadonlyMap<SequenceId, UserId | null>,
  nowMs: number,
): readonly Effect[] {
  const theirs = state.pinned.value.filter(({ seq }) => authors.get(seq) === user);
  return theirs.map(({ seq }) => {
    state.pinned.value = withPin(state.pinned.value, false, { seq, by: null, at: nowMs });
    const entry = state.appendControl(null, { control: 'unpinned', seq }, nowMs);
    return appendedEffect(state, entry, () => state.recipients);
  });
}

/** What is pinned behind one entry more: pure, the same for whoever goes through entries that are there already. */
export const withPin = (before: readonly Pinned[], isOn: boolean, pinned: Pinned): readonly Pinned[] => {
  const others = before.filter(({ seq }) => seq !== pinned.seq);
  return isOn ? [...others, pinned] : others;
};

function changed(state: ConversationState, effects: readonly Effect[]): Outcome {
  const { gen, seq } = state.head.value;
  return { reply: ok({ conversation: state.id, gen, seq }), effects };
}
