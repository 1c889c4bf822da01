import type { Before, EntryHead, Heard } from './entry.ts';

/** What a receiver remembers of one sender. */
export interface Incoming extends Heard {
  /** Notes that were handed over, or announced as lost. */
  readonly notes: number;
}

/** What to do about an entry of one sender. */
export interface Judgement {
  readonly incoming: Incoming;
  /** Hand its records over. Otherwise they are dropped. */
  readonly take: boolean;
  /** Notes before those of this entry are lost. */
  readonly gap: boolean;
  /** Earlier entries are lost, and answers may have been in them: ask again whatever is unanswered. */
  readonly lost: boolean;
  /** The sender must learn what was heard of it: it has to begin a new epoch. */
  readonly tell: boolean;
}

/** Whether nothing is missing between what was heard and a new epoch. */
function follows(known: Incoming | null, before: Before | null): boolean {
  const place = before?.place ?? null;
  if (place !== null) return known?.epoch === place.epoch && known.seq === place.seq;
  return before?.notes === 'new' && known === null;
}

/** Whether notes are missing before a new epoch. They are counted over all epochs of a link. */
function missesNotes(known: Incoming | null, before: Before | null, notesBefore: number): boolean {
  const hasTaken = known !== null && (known.seq > 0 || known.notes > 0);
  if (before?.notes !== 'counted' && (before?.notes !== 'new' || hasTaken)) return true;
  return notesBefore !== (known?.notes ?? 0);
}

function begin(known: Incoming | null, head: EntryHead, notes: number): Judgement {
  return {
    incoming: { epoch: head.epoch, seq: 1, broken: false, notes: head.notesBefore + notes },
    take: true,
    gap: missesNotes(known, head.before, head.notesBefore),
    lost: !follows(known, head.before),
    tell: false,
  };
}

/**
 * Decides about an entry from its head: a receiver takes the entries of one epoch one after the other, without a repeat
 * or a hole, and a new epoch from its beginning (go-back-N). Once something is missing, nothing more of that epoch is
 * taken.
 *
 * @param known - null when nothing is known of the sender.
 * @param notes - how many notes the entry holds, those that it says are lost too.
 */
export function judge(known: Incoming | null, head: EntryHead, notes: number): Judgement {
  const dropped = { take: false, gap: false, lost: false };
  if (known === null || head.epoch > known.epoch) {
    if (head.seq === 1) return begin(known, head, notes);
    const incoming = { epoch: head.epoch, seq: 0, broken: true, notes: known?.notes ?? 0 };
    return { ...dropped, incoming, tell: true };
  }
  // Of a past epoch: sent long ago and late, or by a sender that has to learn which epochs are used up.
  if (head.epoch < known.epoch) return { ...dropped, incoming: known, tell: true };
  if (known.broken) return { ...dropped, incoming: known, tell: true };
  if (head.seq <= known.seq) return { ...dropped, incoming: known, tell: false };
  if (head.seq > known.seq + 1) return { ...dropped, incoming: { ...known, broken: true }, tell: true };
  const gap = head.notesBefore !== known.notes;
  const incoming = { epoch: known.epoch, seq: head.seq, broken: false, notes: head.notesBefore + notes };
  return { incoming, take: true, gap, lost: false, tell: false };
}
