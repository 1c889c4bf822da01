import type { Generation, SequenceId } from '@millrace/kernel';

/** A position in a conversation or an inbox. */
export interface Position {
  readonly gen: Generation;
  readonly seq: SequenceId;
}

/** Negative, zero or positive; generation first (I6). */
export function comparePositions(left: Position, right: Position): number {
  return left.gen === right.gen ? left.seq - right.seq : left.gen - right.gen;
}
