import type { ConversationId } from '@millrace/kernel';
import {
  ByteBudget,
  conversationKey,
  StoreUnavailable,
  type TimelineEntry,
  type TimelineReader,
} from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';
import { ANSWER_BYTES_MAX, readDense, survivingPart, type EntryRange } from './read-messages.ts';

/** What was read of a range: all that there is of it, or a beginning when the messages are too large for one answer. */
export interface RangeRead {
  readonly entries: readonly TimelineEntry[];
  readonly isCut: boolean;
}

const sizeOf = ({ from, to }: EntryRange): number => to.seq - from.seq + 1;

/**
 * The messages of one answer, however often it has to be cut shorter: what was read once is not read again.
 *
 * (A1) However large the messages are, one attempt reads as much as an answer may hold and one message more (I9).
 */
export class AnswerReads {
  readonly #calls: ActorCalls;
  readonly #timelines: TimelineReader;
  /** By where the range begins: a shorter answer takes less of the same ranges. Those under way are among them. */
  readonly #read = new Map<string, { readonly of: ByteBudget; readonly reading: Promise<RangeRead> }>();
  /** Of this attempt. */
  #budget = new ByteBudget(ANSWER_BYTES_MAX + 1);

  constructor(calls: ActorCalls, timelines: TimelineReader) {
    this.#calls = calls;
    this.#timelines = timelines;
  }

  /** Another attempt, which may read as much once more. */
  again(): void {
    this.#budget = new ByteBudget(ANSWER_BYTES_MAX + 1);
  }

  /**
   * What an inbox record points at. The conversation may have lost the end of it while the inbox kept the pointer: then
   * what is left of it is all there will ever be, and what came in its place is told by pointers of the newer generation.
   */
  pointed(conversation: ConversationId, range: EntryRange): Promise<RangeRead> {
    return this.#once(conversation, range, async () => {
      try {
        return await this.#dense(conversation, range);
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
        const visible = await this.#calls.conversation(conversation, { t: 'visible', user: null });
        const left = visible.ok ? survivingPart(visible.value.head, range) : range;
        if (left === range) throw error;
        return left === null ? [] : await this.#dense(conversation, left);
      }
    });
  }

  pulled(conversation: ConversationId, range: EntryRange): Promise<RangeRead> {
    return this.#once(conversation, range, () => this.#dense(conversation, range));
  }

  async #once(
    conversation: ConversationId,
    range: EntryRange,
    read: () => Promise<readonly TimelineEntry[]>,
  ): Promise<RangeRead> {
    const key = `${conversation} ${String(range.from.gen)}-${String(range.from.seq)}`;
    const budget = this.#budget;
    const count = sizeOf(range);
    const begun = this.#read.get(key);
    if (begun !== undefined) {
      const known = await begun.reading.catch(() => null);
      if (known !== null && known.entries.length >= count)
        return { entries: known.entries.slice(0, count), isCut: false };
      // There was no more room, and in this attempt there still is none.
      if (known?.isCut === true && begun.of === budget) return known;
    }
    const reading = read().then((entries) => ({ entries, isCut: budget.isSpent && entries.length < count }));
    this.#read.set(key, { of: budget, reading });
    return reading;
  }

  #dense(conversation: ConversationId, range: EntryRange): Promise<readonly TimelineEntry[]> {
    const actor = conversationKey(conversation);
    const at = { partition: this.#calls.partitionOf(actor), actor };
    return readDense(this.#timelines, at, range, 'forward', this.#budget);
  }
}
