import { generation, ok, sequenceId, type Generation, type SequenceId, type UserId } from '@millrace/kernel';
import { frameError } from '@millrace/protocol';
import { appendedEffect, switchEffect } from './appended.ts';
import { metaOf } from './conversation-meta.ts';
import type { Ban, ConversationMeta, ConversationState, Member } from './conversation-state.ts';
import type { CounterKey } from './counted-devices.ts';
import { changed, refused, type ChangedOutcome } from './membership.ts';
import type { MessagingLimits } from '../limits.ts';
import type { SendCounter } from './send-counter.ts';

/** All that becomes of a lobby when it is a group. It never leaves its node. */
export interface Adoption {
  /** Null: the deployment's backend. */
  readonly by: UserId | null;
  readonly meta: Omit<ConversationMeta, 'kind' | 'lobby'>;
  /** The lobby's own, of its last activation. */
  readonly gen: Generation;
  /** Its head. */
  readonly seq: SequenceId;
  readonly msgNo: number;
  /** Those that it has kept; the last one stands at `seq`. */
  readonly entries: readonly Uint8Array[];
  /** Those that are in it. */
  readonly members: readonly (readonly [UserId, Member])[];
  readonly counters: readonly (readonly [CounterKey, SendCounter])[];
  readonly bans: readonly (readonly [UserId, Ban])[];
}

/**
 * Makes a lobby a group, with its seqs: what it kept, and behind that the `promoted` entry, by which those who are in it
 * become members. Of what was adopted already it answers where that entry stands, so that it may be asked again when the
 * answer was lost (I5).
 */
export function adopt(
  state: ConversationState,
  { by, meta, gen, seq, msgNo, entries, members, counters, bans }: Adoption,
  nowMs: number,
  limits: MessagingLimits,
): ChangedOutcome {
  const existing = state.meta.value;
  if (existing !== null) {
    const promoted = sequenceId(seq + 1);
    const isThis = existing.lobby?.gen === gen && existing.lobby.promoted === promoted;
    if (!isThis) return refused(frameError('conflict', `there is another conversation ${state.id} already`));
    return { reply: ok({ conversation: state.id, gen: existing.lobby.storedIn, seq: promoted }), effects: [] };
  }
  if (state.staged.value?.isDone === false) return refused(frameError('conflict', `${state.id} is being imported`));
  if (members.length > limits.membersMax) {
    return refused(frameError('limit_reached', `a conversation has at most ${String(limits.membersMax)} members`));
  }
  const first = sequenceId(seq - entries.length + 1);
  const promoted = sequenceId(seq + 1);
  state.meta.value = metaOf({ ...meta, kind: 'group', lobby: { gen, promoted, storedIn: state.gen } });
  state.begin({ head: { gen: generation(state.gen), seq, first, past: [] }, msgNo, entries });
  for (const [key, counter] of counters) state.setCounter(key, counter);
  for (const [user, ban] of bans) state.setBan(user, ban);
  const { title } = meta;
  const entry = state.appendControl(by, { control: 'promoted', kind: 'group', title, gen, first }, nowMs);
  for (const [user, member] of members) state.setMember(user, adopted(state, user, member, first));
  const users = members.map(([user]) => user);
  const effects = [appendedEffect(state, entry, () => state.recipients, { change: 'joined', users })];
  const outcome = changed(state, effects);
  // The answer tells of the entry itself: what switches the diffusion comes behind it.
  return { ...outcome, effects: [...effects, ...switchEffect(state, nowMs, limits)] };
}

/** From the `promoted` entry on, the last of the head. What they could see of the lobby they still see, as far as it was kept (I7). */
function adopted(state: ConversationState, user: UserId, member: Member, first: SequenceId): Member {
  const joined = state.head.value.seq;
  const saw = member.intervals.at(-1)?.from ?? joined;
  return {
    ...member,
    intervals: [{ joined, from: sequenceId(Math.max(saw, first)), to: null }],
    readSeq: joined,
    readMsgNo: state.msgNo.value,
    sentAtRead: state.sent(user).count,
    deliveredSeq: joined,
  };
}
