import { err, ok, sequenceId, type Result, type SequenceId } from '@millrace/kernel';
import type { TimelineHead } from './head.ts';

export interface AppendError {
  readonly code: 'seq_taken' | 'seq_gap';
  readonly message: string;
  /** The only seq that would have been accepted. */
  readonly expected: SequenceId;
}

/**
 * Allocates the seq of the next entry (I3). `given` is a caller's own seq (an import): head + 1, or any first
 * seq on a Timeline that never held an entry. Holes of the source are the caller's to fill with `void` entries.
 */
export function allocateSeq(head: TimelineHead, given?: SequenceId): Result<SequenceId, AppendError> {
  const expected = sequenceId(head.seq + 1);
  if (given === undefined || given === expected) return ok(expected);
  if (head.seq === 0 && head.past.length === 0 && given > 0) return ok(given);
  const code = given <= head.seq ? 'seq_taken' : 'seq_gap';
  return err({ code, expected, message: `seq ${String(given)} was given, but the next one is ${String(expected)}` });
}

/** The head once an entry stands at `seq`, which {@link allocateSeq} returned. */
export function appended(head: TimelineHead, seq: SequenceId): TimelineHead {
  const { gen, past } = head;
  return { gen, seq, first: head.seq === 0 && past.length === 0 ? seq : head.first, past };
}
