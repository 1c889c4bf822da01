import { generation, type Generation } from '@millrace/kernel';
import type { AckLevel, ClaimAnswer } from './commit.ts';

/** What the claiming process itself still remembers of this partition, from having owned it before. */
export interface OwnerMemory {
  /** The last commit that was acknowledged to anyone. */
  readonly acknowledgedCommitNo: number;
  /** The oldest commit that is still held for a replay; `acknowledgedCommitNo + 1` when none is. */
  readonly oldestHeldCommitNo: number;
  readonly gen: Generation;
}

/**
 * What a new owner does before it serves.
 *
 * - `settle`: nothing acknowledged is missing.
 * - `replay`: the store is behind what we acknowledged, and we still hold every commit from `fromCommitNo`.
 * - `new-generation`: acknowledged history was, or may have been, lost and cannot be replayed.
 */
export type ClaimDecision =
  | { readonly kind: 'settle'; readonly gen: Generation }
  | { readonly kind: 'replay'; readonly fromCommitNo: number; readonly gen: Generation }
  | { readonly kind: 'new-generation'; readonly gen: Generation; readonly why: string };

/** Whether a crash of the store at that level can have lost what it had acknowledged. */
const survivesRestart = (level: AckLevel): boolean => level !== 'memory';

export function decideClaim(answer: ClaimAnswer, memory: OwnerMemory | null): ClaimDecision {
  const { found, run } = answer;
  if (memory !== null) {
    const next = generation(Math.max(found.gen, memory.gen) + 1);
    if (found.commitNo >= memory.acknowledgedCommitNo) return { kind: 'settle', gen: found.gen };
    if (memory.oldestHeldCommitNo <= found.commitNo + 1) {
      return { kind: 'replay', fromCommitNo: found.commitNo + 1, gen: memory.gen };
    }
    return { kind: 'new-generation', gen: next, why: 'the store lost commits older than those held in memory' };
  }
  if (found.run === '') return { kind: 'settle', gen: generation(1) };
  if (found.run === run || found.cleanStop || survivesRestart(found.level)) return { kind: 'settle', gen: found.gen };
  return {
    kind: 'new-generation',
    gen: generation(found.gen + 1),
    why: `the store was restarted without a clean stop at ack level ${found.level}`,
  };
}
