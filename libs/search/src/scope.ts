import { sequenceId } from '@millrace/kernel';
import type { ScopedConversation, SeqInterval } from './search-index.ts';

/** What is visible of one conversation: intervals in rising order that do not touch, without what is hidden. */
export function visibleOf({ visible, hidden = [] }: ScopedConversation): readonly SeqInterval[] {
  const merged: { from: number; to: number }[] = [];
  const inOrder = visible.filter(({ from, to }) => to >= from).sort((one, other) => one.from - other.from);
  for (const { from, to } of inOrder) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last.to + 1) last.to = Math.max(last.to, to);
    else merged.push({ from, to });
  }
  const gone = [...new Set(hidden)].sort((one, other) => one - other);
  const left: SeqInterval[] = [];
  let next = 0;
  const keep = (from: number, to: number): void => {
    if (from <= to) left.push({ from: sequenceId(from), to: sequenceId(to) });
  };
  for (const { from, to } of merged) {
    let begin = from;
    while ((gone[next] ?? Infinity) < from) next += 1;
    for (let seq = gone[next]; seq !== undefined && seq <= to; next += 1, seq = gone[next]) {
      keep(begin, seq - 1);
      begin = seq + 1;
    }
    keep(begin, to);
  }
  return left;
}

/** @param intervals - of {@link visibleOf}. */
export const isWithin = (intervals: readonly SeqInterval[], seq: number): boolean =>
  intervals.some(({ from, to }) => seq >= from && seq <= to);
