import type { SequenceId } from '@millrace/kernel';
import type { Replies } from './frames.ts';

/** What has come in a thread behind one more message: the same for server and device, which go by the same entries. */
export const withReply = (replies: Replies | undefined, last: SequenceId): Replies => ({
  count: (replies?.count ?? 0) + 1,
  last,
});
