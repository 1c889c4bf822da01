import type { Message } from '@millrace/protocol';
import type { SeqRun } from './seq-runs.ts';

/** As much of a control entry as tells who comes and goes, and how the conversation is diffused. */
export interface Told {
  readonly control: string;
  readonly members?: readonly string[];
  readonly users?: readonly string[];
  readonly mode?: string;
}

export type Entry = Pick<Message, 'seq' | 'type' | 'from' | 'countable' | 'body'>;

export const toldBy = ({ type, body }: Entry): Told | null =>
  type === 'control' ? (JSON.parse(String(body)) as Told) : null;

/** `to` is the seq of the entry that tells of the leave, or null while the user is in. */
export interface Stay {
  readonly from: number;
  readonly to: number | null;
}

/**
 * When who was a member, by what the conversation's own entries say: counted here from the beginning, by nothing of the
 * product. The entry of a join is the first that a member sees, that of a leave the last.
 */
export function staysOf(entries: readonly Entry[]): ReadonlyMap<string, readonly Stay[]> {
  const stays = new Map<string, Stay[]>();
  for (const entry of entries) {
    const told = toldBy(entry);
    if (told === null) continue;
    const seq = Number(entry.seq);
    const comes = told.control === 'created' ? told.members : told.control === 'joined' ? told.users : undefined;
    for (const user of comes ?? []) {
      const theirs = stays.get(user) ?? [];
      stays.set(user, theirs);
      if (theirs.at(-1)?.to !== null) theirs.push({ from: seq, to: null });
    }
    if (told.control !== 'left' && told.control !== 'kicked') continue;
    for (const user of told.users ?? []) {
      const theirs = stays.get(user);
      const last = theirs?.at(-1);
      if (theirs !== undefined && last?.to === null) theirs[theirs.length - 1] = { ...last, to: seq };
    }
  }
  return stays;
}

/** What a member is to have of a conversation that stands at `head`. */
export function visibleRuns(stays: readonly Stay[], head: number): readonly SeqRun[] {
  const runs: [number, number][] = [];
  for (const { from, to } of stays) {
    const last = runs.at(-1);
    if (last !== undefined && from === last[1] + 1) last[1] = to ?? head;
    else runs.push([from, to ?? head]);
  }
  return runs;
}

/** Countable messages of others behind `readSeq`, in the stays. */
export function unreadAt(
  user: string,
  stays: readonly Stay[],
  entries: readonly Entry[],
  readSeq: number,
): { readonly others: number; readonly own: number } {
  let [others, own] = [0, 0];
  for (const [first, last] of visibleRuns(stays, entries.length)) {
    for (let seq = Math.max(first, readSeq + 1); seq <= last; seq += 1) {
      const entry = entries[seq - 1];
      if (entry?.countable !== true) continue;
      if (entry.from === user) own += 1;
      else others += 1;
    }
  }
  return { others, own };
}
