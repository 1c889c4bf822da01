import { comparePositions } from '@millrace/timeline';
import type { ActorWrite, Commit } from './commit.ts';

const FIELD_LENGTH_MAX = 160;

function writeFault({ actor, expected, head, entries, set, unset }: ActorWrite): string | null {
  if (comparePositions(head, expected) < 0) return `${actor}: its head goes backward`;
  if (entries.length > 0) {
    const before = head.seq - entries.length;
    if (head.gen < 1 || before < 0) return `${actor}: more entries than its head has seqs`;
    // The first entries of a Timeline may stand anywhere (import); a new generation goes on behind what survived.
    const dense = expected.seq === 0 || before === expected.seq;
    if (!dense && (head.gen === expected.gen || before < expected.seq))
      return `${actor}: a gap or overlap below its head`;
  }
  if (entries.length === 0 && head.gen === expected.gen && head.seq !== expected.seq) {
    return `${actor}: its head moves without entries`;
  }
  const gone = unset.length === 0 ? null : new Set(unset);
  for (const [field] of set) {
    if (!isField(field)) return `${actor}: not a field name: ${field}`;
    if (gone?.has(field) === true) return `${actor}: field ${field} is both set and unset`;
  }
  const unnamed = unset.find((field) => !isField(field));
  return unnamed === undefined ? null : `${actor}: not a field name: ${unnamed}`;
}

const isField = (field: string): boolean => field !== 'h' && field !== '' && field.length <= FIELD_LENGTH_MAX;

/**
 * What makes a commit one that no store may take, whatever it holds, or null. Every store asks this first and answers
 * `conflict`: a function that met it halfway could not take back what it had written (I2, I3).
 */
export function commitFault(commit: Commit): string | null {
  const { commitNo, commitId, diffusedTo, feedFrom, writes } = commit;
  if (!Number.isSafeInteger(commitNo) || commitNo < 1) return `not a commit number: ${String(commitNo)}`;
  if (!/^[0-9a-f]{16}$/.test(commitId)) return `not a commit id: ${commitId}`;
  if (diffusedTo !== null && (!Number.isSafeInteger(diffusedTo) || diffusedTo < 0 || diffusedTo > commitNo)) {
    return `the diffusion cursor cannot be at ${String(diffusedTo)}`;
  }
  if (feedFrom !== null && !(Number.isSafeInteger(feedFrom) && feedFrom >= 1 && feedFrom <= (diffusedTo ?? -1) + 1)) {
    return `the changefeed cannot begin at ${String(feedFrom)}`;
  }
  const actors = new Set<string>();
  for (const write of writes) {
    if (actors.has(write.actor)) return `${write.actor} is written twice`;
    actors.add(write.actor);
    const fault = writeFault(write);
    if (fault !== null) return fault;
  }
  return null;
}
