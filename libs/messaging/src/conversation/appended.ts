import { lastReceived, loadAfter, modeNow, nextReason, type DiffusionMode, type Load } from '@millrace/diffusion';
import { sequenceId, type SequenceId, type UserId } from '@millrace/kernel';
import type { WireEntry } from '@millrace/protocol';
import { numberedSpans, type GenerationSpan, type TimelineHead } from '@millrace/timeline';
import type { Appended, MembershipChange, Skipped, Undiffused } from '../effects.ts';
import type { MessagingLimits } from '../limits.ts';
import type { ConversationState } from './conversation-state.ts';
import { factsOf } from './facts.ts';
import { goneFor } from './gone.ts';
import { mentionsOf } from './mentions.ts';

const NOBODY: readonly UserId[] = [];

/** Whose membership an entry changes, and how. */
export interface Change {
  readonly change: MembershipChange;
  readonly users: readonly UserId[];
}

const effectOf = (
  state: ConversationState,
  entry: WireEntry,
  more: Pick<Appended, 'mode' | 'recipients' | 'changes' | 'behind' | 'undiffused'>,
): Appended => {
  const { gen, seq } = entry;
  const effect: Appended = {
    e: 'appended',
    facts: factsOf(state),
    gen,
    from: seq,
    to: seq,
    entries: [entry],
    mode: more.mode,
    recipients: more.recipients,
    changes: more.changes,
    behind: more.behind,
    undiffused: more.undiffused,
  };
  const lifetimeMs = state.meta.value?.lifetimeMs ?? 0;
  return lifetimeMs === 0 ? effect : { ...effect, lifetimeMs };
};

/**
 * What an entry that was just appended causes.
 *
 * @param members - who was in when it was, and who comes or goes by it (I7). The list is passed on, not copied, and asked
 *   for only where they all receive the entry: a large conversation does without.
 */
export function appendedEffect(
  state: ConversationState,
  entry: WireEntry,
  members: () => readonly UserId[],
  change: Change | null = null,
): Appended {
  const mode = modeNow(state.segments.value);
  const changes = change === null ? null : { change: change.change, users: new Set(change.users) };
  if (mode === 'write') {
    return effectOf(state, entry, { mode, recipients: members(), changes, behind: mode, undiffused: null });
  }
  const recipients = change?.users ?? NOBODY;
  const undiffused = change?.change === 'left' ? undiffusedBefore(state, entry.seq, recipients) : null;
  return effectOf(state, entry, { mode, recipients, changes, behind: mode, undiffused });
}

/**
 * Switches how the conversation is diffused, when it has become too large or small for the present way. The entry that
 * tells of it is diffused to everybody.
 */
export function switchEffect(state: ConversationState, nowMs: number, limits: MessagingLimits): readonly Appended[] {
  const before = modeNow(state.segments.value);
  const reason = before === 'read' ? state.readReason.value : null;
  const { perSecond } = loadAfter(loadOf(state, nowMs, limits), nowMs, 0, limits.loadWindowMs);
  const next = nextReason(reason, { members: state.memberCount, load: perSecond }, limits);
  const behind = next === null ? 'write' : 'read';
  // Put off to a later message, or to who comes or goes next.
  if (before === 'write' && behind === 'read' && !state.switches.mayRead(state.segments.value)) return [];
  state.readReason.value = next ?? 'size';
  if (behind === before) return [];
  const entry = state.appendControl(null, { control: 'diffusion', mode: behind }, nowMs);
  const { recipients } = state;
  const undiffused = before === 'read' ? undiffusedBefore(state, entry.seq, recipients) : null;
  setMode(state, behind, entry.seq);
  return [effectOf(state, entry, { mode: 'write', recipients, changes: null, behind, undiffused })];
}

/** A message was sent: as many deliveries as there are members, also while there are none. */
export function noteLoad(state: ConversationState, nowMs: number, limits: MessagingLimits): void {
  const before = loadOf(state, nowMs, limits);
  state.load.value = loadAfter(before, nowMs, state.memberCount, limits.loadWindowMs);
}

/** Not stored: one that was loaded while it is pulled for its load begins where it went over. */
function loadOf(state: ConversationState, nowMs: number, { readAboveLoad }: MessagingLimits): Load {
  if (state.load.value !== null) return state.load.value;
  const isBusy = modeNow(state.segments.value) === 'read' && state.readReason.value === 'load';
  return { perSecond: isBusy ? readAboveLoad : 0, atMs: nowMs };
}

function setMode(state: ConversationState, mode: DiffusionMode, seq: SequenceId): void {
  state.segments.value = state.switches.switched(state.segments.value, mode, seq);
  // From here on the devices of those who write are noted as they come: see `ConversationState.senders`.
  if (mode === 'read') state.noteSenders();
}

/** What lies before the entry at `seq` in its segment, which is the present one. */
function undiffusedBefore(state: ConversationState, seq: SequenceId, users: readonly UserId[]): Undiffused | null {
  const segments = state.segments.value;
  const from = segments.at(-1)?.from;
  if (from === undefined) return null;
  const of = users.map((user): readonly [UserId, Omit<Skipped, 'spans'>] => {
    const member = state.members.get(user);
    const after = lastReceived(member?.intervals ?? [], segments, sequenceId(seq - 1));
    const sent = state.sent(user).count;
    if (member === undefined) return [user, { after, sent, mentions: [] }];
    const concern = { mentions: mentionsOf(state, user, member), gone: goneFor(state, user, member) };
    return [user, { after, sent, ...concern }];
  });
  return { spans: spansBetween(state.head.value, from, sequenceId(seq - 1)), of: new Map(of) };
}

/** The seqs `from..to` by generation, also those of entries that are too old to be kept by now. */
export function spansBetween(head: TimelineHead, from: SequenceId, to: SequenceId): readonly GenerationSpan[] {
  return numberedSpans(head).flatMap((span) => {
    const first = sequenceId(Math.max(span.first, from));
    const last = sequenceId(Math.min(span.last, to));
    return first > last ? [] : [{ gen: span.gen, first, last }];
  });
}
