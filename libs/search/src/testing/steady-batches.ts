import { partition, put, through } from '../conformance/messages.ts';
import type { IndexBatch } from '../search-index.ts';

/** Messages of a batch. */
export const BATCH = 50;

/** Batch `number`, from 1: the next messages of one conversation. Its cursor is its number. */
export const steadyBatch = (number: number): Omit<IndexBatch, 'after'> => ({
  partition,
  cursor: String(number),
  changes: Array.from({ length: BATCH }, (_, at) =>
    put((number - 1) * BATCH + at + 1, `kettle batch${String(number)}`),
  ),
  through: [through(1, number * BATCH)],
});
