import { sequenceId, type SequenceId } from '@millrace/kernel';
import { comparePositions } from '@millrace/timeline';
import type { InboxRecord } from '../user/inbox-entry.ts';
import { cutDelta, isInLostRecord, type InboxDelta, type ReachedSlots } from './inbox-delta.ts';
import { cutWindow, endsWindow, windowOf, WINDOW_RECORDS_MAX, type InboxWindow } from './inbox-window.ts';
import type { SyncToken } from './sync-token.ts';

/** What a device has missed in its inbox: records as they follow on its token, or a window of them. */
export type Missed = { readonly records: readonly InboxRecord[] } | { readonly window: InboxWindow };

/** Where records are read from. */
export interface InboxReads {
  /** Of the last record that there is. */
  readonly last: SequenceId;
  /** At most so many messages are wanted in an answer. */
  readonly limit: number;
  /** So many at most, and none behind `last`. */
  readonly records: (after: SequenceId, most: number) => Promise<readonly InboxRecord[]>;
  /** Whether one more window may be kept in memory. */
  readonly mayGather: () => boolean;
}

/** Inbox records read at a time. */
export const RECORDS_MAX = 1_000;
/** At least, where fewer messages are wanted. */
const RECORDS_MIN = 100;
/** A device that missed fewer messages of each conversation, in as many records as it takes for an answer, gets them by conversation. */
const GATHERED_BELOW = 16;
/** As many records as for so many answers are gathered. */
const WINDOW_ANSWERS = 10;

/**
 * What follows on the token in the inbox, by conversation where the token says so, or where that spares much.
 *
 * @returns with the token without its window, where that is not to be had (any more).
 */
export async function missedBehind(
  token: SyncToken,
  reads: InboxReads,
): Promise<{ readonly token: SyncToken; readonly missed: Missed }> {
  const { window: known, ...plain } = token;
  if (known !== undefined) {
    const window = await gathered(token, known.to.seq - token.position.seq, reads);
    if (window !== null && comparePositions(window.to, known.to) === 0) return { token, missed: { window } };
  }
  // Each brings a message at least, as a rule: more of them than messages are wanted would be read for nothing.
  const most = Math.min(RECORDS_MAX, Math.max(RECORDS_MIN, reads.limit));
  const after = token.position.seq;
  const records = await reads.records(after, most);
  if (isInLostRecord(plain, records) || !isSpread(records, after, reads) || !reads.mayGather())
    return { token: plain, missed: { records } };
  const count = Math.min(WINDOW_RECORDS_MAX, WINDOW_ANSWERS * most, reads.last - after);
  const window = await gathered(plain, count, reads, records);
  const isWorthIt = window !== null && window.parts.reduce((sum, { count }) => sum + count, 0) > reads.limit;
  return { token: plain, missed: isWorthIt ? { window } : { records } };
}

/** @param count - records, as far as there are as many. */
async function gathered(
  token: SyncToken,
  count: number,
  reads: InboxReads,
  begun: readonly InboxRecord[] = [],
): Promise<InboxWindow | null> {
  if (count > WINDOW_RECORDS_MAX) return null;
  const records = [...begun];
  for (let last = begun; !last.some((record) => endsWindow(token.cursors, record)) && records.length < count;) {
    const after = sequenceId(token.position.seq + records.length);
    last = await reads.records(after, Math.min(RECORDS_MAX, count - records.length));
    if (last.length === 0) break;
    records.push(...last);
  }
  return windowOf(token, records);
}

/** Whether they are the beginning of more than an answer, of little of each of many conversations. */
function isSpread(records: readonly InboxRecord[], after: SequenceId, { last, limit }: InboxReads): boolean {
  const slots = new Set<number>();
  let messages = 0;
  for (const { entry } of records) {
    if (entry.kind !== 'break') slots.add(entry.slot);
    if (entry.kind === 'messages') messages += entry.to - entry.from + 1;
  }
  if (after + records.length >= last && messages <= limit) return false;
  // What is no message takes no room in an answer: of such records it holds many anyway.
  return messages < GATHERED_BELOW * slots.size && 2 * messages >= records.length;
}

/** Cuts an answer of at most `limit` messages from it. */
export const cutMissed = (token: SyncToken, missed: Missed, limit: number, reached: ReachedSlots): InboxDelta =>
  'window' in missed ? cutWindow(token, missed.window, limit) : cutDelta(token, missed.records, limit, reached);

/** The last record that it holds. */
export const endOf = ({ position }: SyncToken, missed: Missed): number =>
  'window' in missed ? missed.window.to.seq : position.seq + missed.records.length;
