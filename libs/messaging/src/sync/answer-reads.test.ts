import { generation, partitionId, sequenceId, type ConversationId } from '@millrace/kernel';
import type { RangeQuery, TimelineEntry, TimelineReader } from '@millrace/timeline';
import { describe, expect, it } from 'vitest';
import type { ActorCalls } from '../actor-calls.ts';
import { AnswerReads } from './answer-reads.ts';
import { ANSWER_BYTES_MAX } from './read-messages.ts';

const calls = { partitionOf: () => partitionId(0) } as unknown as ActorCalls;
const tea = 'tea' as ConversationId;
const gen = generation(1);
const range = (from: number, to: number) => ({
  from: { gen, seq: sequenceId(from) },
  to: { gen, seq: sequenceId(to) },
});

/** A Timeline of entries of one size, read as the store does. */
class ATimeline implements Pick<TimelineReader, 'range'> {
  readonly #bytesEach: number;
  read = 0;

  constructor(bytesEach: number) {
    this.#bytesEach = bytesEach;
  }

  range(_partition: unknown, _actor: unknown, { from, to, budget }: RangeQuery): Promise<readonly TimelineEntry[]> {
    const entries: TimelineEntry[] = [];
    for (let seq: number = from.seq; seq <= to.seq && budget?.isSpent !== true; seq += 1) {
      entries.push({ gen, seq: sequenceId(seq), data: new Uint8Array(this.#bytesEach) });
      budget?.draw(this.#bytesEach);
    }
    this.read += entries.length * this.#bytesEach;
    return Promise.resolve(entries);
  }
}

const readsOf = (timeline: ATimeline): AnswerReads => new AnswerReads(calls, timeline as unknown as TimelineReader);

describe('the messages of an answer', () => {
  it('are read once when they are small', async () => {
    const timeline = new ATimeline(200);
    const { entries, isCut } = await readsOf(timeline).pulled(tea, range(1, 1_000));
    expect([entries.length, isCut]).toEqual([1_000, false]);
    expect(timeline.read).toBe(200_000);
  });

  it('are no more than fit and one, however large they are and from wherever they come (I9)', async () => {
    const bytesEach = 60_000;
    const timeline = new ATimeline(bytesEach);
    const reads = readsOf(timeline);
    const pages = await Promise.all(
      Array.from({ length: 10 }, (_, index) => reads.pointed(`c${String(index)}` as ConversationId, range(1, 100))),
    );
    expect(pages.some(({ isCut }) => isCut)).toBe(true);
    expect(timeline.read).toBeLessThanOrEqual(ANSWER_BYTES_MAX + bytesEach);
  });

  it('are not read again for a shorter answer', async () => {
    const timeline = new ATimeline(60_000);
    const reads = readsOf(timeline);
    const first = await reads.pulled(tea, range(1, 100));
    expect([first.entries.length, first.isCut]).toEqual([18, true]);
    const before = timeline.read;
    reads.again();
    const second = await reads.pulled(tea, range(1, 13));
    expect([second.entries.length, second.isCut]).toEqual([13, false]);
    expect(timeline.read).toBe(before);
  });

  it('are read once when they were begun before they are asked for, also when they have no room (I9)', async () => {
    for (const [bytesEach, count] of [
      [200, 100],
      [60_000, 18],
    ] as const) {
      const timeline = new ATimeline(bytesEach);
      const reads = readsOf(timeline);
      const begun = reads.pointed(tea, range(1, 100));
      const asked = await reads.pointed(tea, range(1, 100));
      expect([asked.entries.length, asked.isCut]).toEqual([count, count < 100]);
      expect(await begun).toEqual(asked);
      expect(timeline.read).toBe(count * bytesEach);
    }
  });
});
