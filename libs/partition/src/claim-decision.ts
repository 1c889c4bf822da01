import { generation, type Generation } from '@millrace/kernel';
import type { AckLevel, ClaimAnswer } from './commit.ts';

export interface CommitMark {
  readonly commitNo: number;
  readonly commitId: string;
}

/** What the claiming process itself still remembers of this partition, from having owned it before. */
export interface OwnerMemory {
  /** The last commit whose answer we have. */
  readonly acknowledged: CommitMark;
  /** The one whose answer was lost, if any (I5). */
  readonly pending: CommitMark | null;
  readonly gen: Generation;
  /** The store's run when it settled last. */
  readonly run: string;
  /**
   * False when another owner has claimed the partition since: what it committed, a store that restarted may have lost.
   * True also when that cannot be told, because claims of our own were not answered.
   */
  readonly isSole: boolean;
  /** The id of one of our own commits, null when it is no longer held. */
  idOf(commitNo: number): string | null;
  /** Whether every commit from this one to the acknowledged one is still held. */
  holdsFrom(commitNo: number): boolean;
}

/**
 * What a new owner does before it serves.
 *
 * - `resume`: the store stands where our memory stands; the pending commit, if any, is sent again.
 * - `replay`: the store is behind what we acknowledged, and we hold every commit from `fromCommitNo`.
 * - `reload`: nothing acknowledged is missing, but what is in memory (if anything) is not what is stored.
 * - `new-generation`: acknowledged history was, or may have been, lost and cannot be replayed; memory is dropped.
 */
export type ClaimDecision =
  | { readonly kind: 'resume'; readonly gen: Generation }
  | { readonly kind: 'replay'; readonly fromCommitNo: number; readonly gen: Generation }
  | { readonly kind: 'reload'; readonly gen: Generation }
  | { readonly kind: 'new-generation'; readonly gen: Generation; readonly why: string };

/** Whether what a store of that level acknowledged survives its crash. */
const survivesCrash = (level: AckLevel): boolean => level !== 'memory';

const sameMark = (found: CommitMark, mark: CommitMark | null): boolean =>
  mark !== null && found.commitNo === mark.commitNo && found.commitId === mark.commitId;

function decideWithMemory({ found }: ClaimAnswer, memory: OwnerMemory): ClaimDecision {
  if (sameMark(found, memory.acknowledged) || sameMark(found, memory.pending))
    return { kind: 'resume', gen: memory.gen };
  if (found.commitNo > memory.acknowledged.commitNo) return { kind: 'reload', gen: found.gen };
  if (memory.idOf(found.commitNo) === found.commitId && memory.holdsFrom(found.commitNo + 1)) {
    return { kind: 'replay', fromCommitNo: found.commitNo + 1, gen: memory.gen };
  }
  return {
    kind: 'new-generation',
    gen: generation(Math.max(found.gen, memory.gen) + 1),
    why: `the store went back to commit ${String(found.commitNo)}, and what came after is no longer all in memory`,
  };
}

/**
 * @param memory - null for a process that did not own the partition before.
 * @param known - the newest generation of the partition that this node has heard of, 0 for none: a store that is behind
 *   it went back, and no generation is to begin twice.
 * @param precededBy - who was to own the partition before this node, see `Placement`: a clean stop of anybody else says
 *   nothing of what that one committed.
 */
export function decideClaim(
  answer: ClaimAnswer,
  memory: OwnerMemory | null,
  known: Generation,
  precededBy: number,
): ClaimDecision {
  const decision = decideByStore(answer, memory, precededBy);
  if (decision.gen > known || (decision.gen === known && decision.kind !== 'new-generation')) return decision;
  const why = `the store went back behind generation ${String(known)}, which other nodes know of`;
  return { kind: 'new-generation', gen: generation(known + 1), why };
}

/** A commit behind our last that is not ours: another owner's, whatever the epochs let us think. */
const isOfAnother = ({ found }: ClaimAnswer, { acknowledged, pending }: OwnerMemory): boolean =>
  found.commitNo > acknowledged.commitNo && !sameMark(found, pending);

function decideByStore(answer: ClaimAnswer, memory: OwnerMemory | null, precededBy: number): ClaimDecision {
  const { found, run } = answer;
  if (memory !== null && (memory.run === run || (memory.isSole && !isOfAnother(answer, memory)))) {
    return decideWithMemory(answer, memory);
  }
  if (found.gen === 0 && memory === null) return { kind: 'reload', gen: generation(1) };
  const isBehind = memory !== null && found.commitNo < memory.acknowledged.commitNo;
  const isCleanStop = found.releasedIn > 0 && found.releasedIn === precededBy;
  const isWhole = found.run === run || isCleanStop || survivesCrash(found.level);
  if (isWhole && !isBehind) return { kind: 'reload', gen: found.gen };
  return {
    kind: 'new-generation',
    gen: generation(Math.max(found.gen, memory?.gen ?? 0) + 1),
    why: `the store was restarted without a clean stop of the last owner, and at ack level ${found.level} that may have lost commits`,
  };
}
