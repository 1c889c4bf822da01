import type { SequenceId } from '@millrace/kernel';
import { withMentions, type ConversationHead, type Live, type PushItem } from '@millrace/protocol';
import { aheadOf, applyMessage, type ConversationState, type StepTools } from './conversation-state.ts';
import { comparePositions } from './position.ts';

/** What waits for ones before it to be paged; over this all of it is pulled instead (I9). */
const HELD_MAX = 2_000;

/**
 * Entries of a conversation that no inbox has. What does not follow on the last one that is here waits for what lies
 * between, which is paged.
 *
 * @returns whether it has to be pulled: in another generation something may have been lost, or too much waits.
 */
export function applyLive(state: ConversationState, { gen, messages }: Live, tools: StepTools): boolean {
  if (gen !== state.applied.gen) return gen > state.applied.gen;
  if (state.held.length + messages.length > HELD_MAX) return true;
  for (const message of messages) applyMessage(state, message, 'live', tools);
  return false;
}

/** Of an entry that is pulled, and may not be here yet. */
export function applyHint(
  state: ConversationState | undefined,
  item: Extract<PushItem, { hint: unknown }>,
  tools: StepTools,
): void {
  const { gen, seq, why } = item.hint;
  if (state !== undefined && why === 'mention' && gen >= state.applied.gen) noteMentions(state, [seq], tools);
  tools.effects.push({ do: 'hint', item });
}

/** They mention this user. @returns those that were not known. */
function noteMentions(
  state: ConversationState,
  seqs: readonly SequenceId[],
  { changes, effects }: StepTools,
): readonly SequenceId[] {
  const { conversation, mentions, readSeq } = state;
  const unread = seqs.filter((seq) => seq > readSeq);
  state.mentions = withMentions(mentions, unread);
  const fresh = unread.filter((seq) => !mentions.includes(seq) && state.mentions.includes(seq));
  if (fresh.length === 0) return fresh;
  changes.conversation(conversation);
  effects.push({ do: 'changed', conversation });
  return fresh;
}

/** @returns whether something is not here yet. */
export function applyHead(
  state: ConversationState,
  { conversation, gen, seq, msgNo, mentionAll = [] }: ConversationHead,
  tools: StepTools,
): boolean {
  const { changes, effects } = tools;
  for (const mention of gen < state.applied.gen ? [] : noteMentions(state, mentionAll, tools)) {
    effects.push({ do: 'hint', item: { conversation, hint: { gen, seq: mention, why: 'mention' } } });
  }
  const head = { gen, seq, msgNo };
  if (comparePositions(head, aheadOf(state) ?? state.applied) > 0) {
    state.ahead = head;
    changes.conversation(state.conversation);
    effects.push({ do: 'changed', conversation: state.conversation });
  }
  return aheadOf(state) !== null;
}
