import type { ConversationId, Generation, SequenceId, UserId } from '@millrace/kernel';
import type { WireEntry } from '@millrace/protocol';
import type { Appended, Effect, MembershipChange } from '../effects.ts';

/** Whose membership the entry at `seq` changes: who joined sees from there on, who left sees up to there (I7). */
export interface LiveChange {
  readonly seq: SequenceId;
  readonly change: MembershipChange;
  readonly users: readonly UserId[];
}

/** To a node that watches the conversation: entries of one generation that follow on each other, at least one. */
export interface LiveNote {
  readonly n: 'live';
  readonly conversation: ConversationId;
  readonly gen: Generation;
  /** Of the last entry. */
  readonly msgNo: number;
  readonly entries: readonly WireEntry[];
  /** In order of seq. */
  readonly changes: readonly LiveChange[];
}

/**
 * - a note: to everybody who watches.
 * - `over`: what comes from here on goes into inboxes again, so that there is nothing to watch.
 */
export type LiveEvent = LiveNote | { readonly n: 'over'; readonly conversation: ConversationId };

/** Bytes of entries in one note, but for the first, which is always in it (I9). */
export const NOTE_BYTES_MAX = 262_144;

interface Run {
  readonly gen: Generation;
  readonly entries: WireEntry[];
  readonly changes: LiveChange[];
  bytes: number;
}

function noteOf(conversation: ConversationId, { gen, entries, changes }: Run): LiveNote {
  const msgNo = entries.at(-1)?.brief.msgNo ?? 0;
  return { n: 'live', conversation, gen, msgNo, entries, changes };
}

/** What the nodes that watch are told of one commit: each conversation's entries once, in order. */
export function liveEvents(
  effects: readonly Effect[],
  isWatched: (conversation: ConversationId) => boolean,
): readonly LiveEvent[] {
  const runs = new Map<ConversationId, Run>();
  const events: LiveEvent[] = [];
  const end = (conversation: ConversationId): void => {
    const run = runs.get(conversation);
    if (run !== undefined) events.push(noteOf(conversation, run));
    runs.delete(conversation);
  };
  for (const effect of effects) {
    if (effect.e !== 'appended' || !isWatched(effect.facts.conversation)) continue;
    const { conversation } = effect.facts;
    if (effect.mode === 'write') {
      end(conversation);
      events.push({ n: 'over', conversation });
    } else append(runs, effect, end);
  }
  for (const conversation of [...runs.keys()]) end(conversation);
  return events;
}

function append(
  runs: Map<ConversationId, Run>,
  { facts: { conversation }, gen, to, entries, changes }: Appended,
  end: (conversation: ConversationId) => void,
): void {
  const runOf = (): Run => {
    const known = runs.get(conversation);
    if (known?.gen === gen) return known;
    end(conversation);
    const run: Run = { gen, entries: [], changes: [], bytes: 0 };
    runs.set(conversation, run);
    return run;
  };
  for (const entry of entries) {
    const before = runOf();
    if (before.entries.length > 0 && before.bytes + entry.data.length > NOTE_BYTES_MAX) end(conversation);
    const run = runOf();
    run.entries.push(entry);
    run.bytes += entry.data.length;
  }
  // The last of the entries tells it.
  if (changes !== null) runOf().changes.push({ seq: to, change: changes.change, users: [...changes.users] });
}
