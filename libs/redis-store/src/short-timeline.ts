import { generation, sequenceId } from '@millrace/kernel';
import type { Position } from '@millrace/timeline';
import { Unpacker } from './unpack.ts';

/**
 * A Timeline is kept as a text as long as its head is no further than this, and it takes no more than so many bytes: a stream
 * of one entry takes as much room as that. By the seq it is known of a longer one without a look that it is none.
 */
export const SHORT_SEQ_MAX = 16;
export const SHORT_BYTES_MAX = 600;

/** Where the entries of a short Timeline stand, in rising order. @param text - of its key: see functions/shared.lua. */
export function shortTimelinePositions(text: Buffer): readonly Position[] {
  const unpacker = new Unpacker(text);
  const positions: Position[] = [];
  while (unpacker.isAtText) {
    const [gen, seq] = unpacker.id();
    unpacker.bytes();
    positions.push({ gen: generation(gen), seq: sequenceId(seq) });
  }
  return positions;
}
