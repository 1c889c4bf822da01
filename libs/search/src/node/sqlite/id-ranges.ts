import { visibleOf } from '../../scope.ts';
import type { ScopedConversation } from '../../search-index.ts';
import { BLOCK_SEQS } from './schema.ts';

/** Ids of messages, `first..last`, both included. */
export type IdRange = readonly [first: number, last: number];

/** Where a block of a conversation lies. */
export interface BlockRow {
  readonly conversation: string;
  readonly no: number;
  readonly high: number;
}

/** What is visible, as ids in rising order that do not touch; what the index has no block for is left out. */
export function rangesOf(scope: readonly ScopedConversation[], blocks: readonly BlockRow[]): readonly IdRange[] {
  const ofConversation = new Map<string, BlockRow[]>();
  for (const block of blocks) {
    const known = ofConversation.get(block.conversation);
    if (known === undefined) ofConversation.set(block.conversation, [block]);
    else known.push(block);
  }
  const ranges: IdRange[] = [];
  for (const scoped of scope) {
    const held = ofConversation.get(scoped.conversation);
    if (held === undefined) continue;
    const intervals = visibleOf(scoped);
    for (const { no, high } of held) {
      const low = high * BLOCK_SEQS;
      for (const { from, to } of intervals) {
        const first = Math.max(from, low);
        const last = Math.min(to, low + BLOCK_SEQS - 1);
        // The difference first: the sum of both could be above 2^53.
        if (first <= last) ranges.push([no * BLOCK_SEQS + (first - low), no * BLOCK_SEQS + (last - low)]);
      }
    }
  }
  return ranges.sort(([one], [other]) => one - other);
}

/** Those of some ids that are within the ranges. Both are in rising order. */
export function idsWithin(ids: readonly number[], ranges: readonly IdRange[]): readonly number[] {
  const kept: number[] = [];
  let at = 0;
  for (const id of ids) {
    while (at < ranges.length && (ranges[at]?.[1] ?? 0) < id) at += 1;
    const range = ranges[at];
    if (range === undefined) break;
    if (id >= range[0]) kept.push(id);
  }
  return kept;
}
