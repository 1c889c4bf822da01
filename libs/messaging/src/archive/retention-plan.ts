import { addTo, type SequenceId, type UserId } from '@millrace/kernel';
import type { EntryFields } from '@millrace/protocol';
import type { Position } from '@millrace/timeline';
import type { KeptTiers } from '../conversation/commands.ts';
import type { Retired } from '../conversation/retire.ts';
import { decodeRevision } from '../revise/revision.ts';

const DAY_MS = 24 * 3_600_000;

/** For how many days entries are kept: the shorter one of both settings holds, 0 is none. */
export const retentionDaysOf = (deployment: number, conversation: number): number =>
  deployment > 0 && conversation > 0 ? Math.min(deployment, conversation) : Math.max(deployment, conversation);

/**
 * What was sequenced before that is too old: the beginning of a day, by UTC, so that a conversation is looked through once
 * a day and no more, and each entry is kept for `days` at least and one more at most.
 */
export const keptSinceMs = (nowMs: number, days: number): number => (Math.floor(nowMs / DAY_MS) - days) * DAY_MS;

/**
 * What was sequenced before that is too old, wall time; null where everything is kept. A lifetime is to the millisecond: who
 * asks so often decides how exactly it is kept.
 */
export function tooOldBeforeMs(
  nowMs: number,
  deploymentDays: number,
  { retentionDays, lifetimeMs }: Pick<KeptTiers, 'retentionDays' | 'lifetimeMs'>,
): number | null {
  const days = retentionDaysOf(deploymentDays, retentionDays);
  const byDays = days === 0 ? null : keptSinceMs(nowMs, days);
  const byLifetime = lifetimeMs === 0 ? null : nowMs - lifetimeMs;
  if (byDays === null || byLifetime === null) return byDays ?? byLifetime;
  return Math.max(byDays, byLifetime);
}

export type ReadEntry = Position & EntryFields;

/** Those at the beginning that are too old. One that is not ends it, whatever the clocks of then said behind it. */
export function tooOld(entries: readonly ReadEntry[], sinceMs: number): readonly ReadEntry[] {
  const young = entries.findIndex(({ at }) => at >= sinceMs);
  return young < 0 ? entries : entries.slice(0, young);
}

const seqOf = (field: string): number => Number(/^\d+/.exec(field)?.[0] ?? 0);

/**
 * What the conversation has to know of entries to let them go; null for none.
 *
 * @param entries - from its first on, without a gap.
 * @param beside - the record beside it, of what was changed of its messages.
 */
export function retiredOf(entries: readonly ReadEntry[], beside: ReadonlyMap<string, Uint8Array>): Retired | null {
  const [first, last] = [entries[0], entries.at(-1)];
  if (first === undefined || last === undefined) return null;
  const fields = [...beside.keys()].filter((field) => seqOf(field) >= first.seq && seqOf(field) <= last.seq);
  const sent = new Map<UserId, SequenceId[]>();
  const recalled: SequenceId[] = [];
  for (const { seq, countable, from } of entries) {
    if (!countable) continue;
    const revision = beside.get(String(seq));
    if (revision !== undefined && decodeRevision(revision).recalled !== null) recalled.push(seq);
    // What the server itself says counts for everybody.
    const author = from ?? ('' as UserId);
    addTo(sent, author, seq);
  }
  const to = { gen: last.gen, seq: last.seq };
  return { from: first.seq, to, msgNo: last.msgNo, sent: [...sent], recalled, fields };
}
