/**
 * How a store keeps what it keeps, fixed when it is born. Each is what the one before it is, and of these two also
 *
 * - 2: a conversation of two is in the partition of one of the two, so that most of what it causes stays on one node;
 * - 3: a Timeline begins as one text, and becomes a stream when it gets longer, for most conversations are short, and a stream
 *   of one entry takes as much room as one of many; and the record of a conversation is terse about what most are like.
 */
export type StoreFormat = 1 | 2 | 3;

/** Of stores that are born now. */
export const STORE_FORMAT: StoreFormat = 3;

export const arePairsAtHome = (format: number): boolean => format >= 2;
export const doTimelinesBeginShort = (format: number): boolean => format >= 3;
export const areRecordsTerse = (format: number): boolean => format >= 3;
