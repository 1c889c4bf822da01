/**
 * A Timeline is kept as a text as long as its head is no further than this. By that it is known of a longer one without a look
 * that it is a stream, so the number is part of the store's format: with another one texts would be met where streams must be.
 */
export const SHORT_SEQ_MAX = 16;
/** And as long as it takes no more than this: a stream of one entry takes as much. It may be changed at any time. */
export const SHORT_BYTES_MAX = 600;
