import { emptyHead, inGeneration, advanced, type Position, type TimelineHead } from '@millrace/timeline';
import { generation, sequenceId, type ConversationId } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import { seenOf, seesEntry, type SeenConversation } from './seen-conversation.ts';
import { planTail } from './tail-plan.ts';

const at = (gen: number, seq: number): Position => ({ gen: generation(gen), seq: sequenceId(seq) });
const headAt = (seq: number): TimelineHead => advanced(emptyHead(generation(1)), seq);

function seen(
  name: string,
  head: TimelineHead,
  stays: readonly (readonly [number, number | null])[],
): SeenConversation {
  const intervals = stays.map(([from, to]) => ({
    joined: sequenceId(from),
    from: sequenceId(from),
    to: to === null ? null : sequenceId(to),
  }));
  return seenOf(name as ConversationId, head, intervals);
}

const whole = (name: string, seq: number): SeenConversation => seen(name, headAt(seq), [[1, null]]);
const shown = ({ reads, unsearched }: ReturnType<typeof planTail>) => ({
  reads: reads.map((range) => `${range.seen.conversation} ${String(range.from)}..${String(range.to)}`),
  unsearched: unsearched.map(
    (each) => `${each.conversation} ${String(each.indexedThrough)}<${String(each.searchedFrom)}`,
  ),
});

describe('what is visible of a conversation (I7)', () => {
  it('is the stays of the asker, up to the acknowledged head', () => {
    const { visible } = seen('tea', headAt(20), [
      [1, 4],
      [8, 12],
      [10, null],
    ]);
    expect(visible).toEqual([
      { from: 1, to: 4 },
      { from: 8, to: 20 },
    ]);
    expect(seen('tea', headAt(0), [[1, null]]).visible).toEqual([]);
  });

  it('has an entry of the generation that stands there, and of no other', () => {
    const head = advanced(inGeneration(headAt(5), generation(2)), 3);
    const tea = seen('tea', head, [[1, null]]);
    expect([at(1, 5), at(2, 6), at(1, 6), at(2, 5), at(2, 9)].map((position) => seesEntry(tea, position))).toEqual([
      ...[true, true, false, false, false],
    ]);
  });
});

describe('what is looked at beside the index', () => {
  it('is what came since, of each conversation in which anything came', () => {
    const plan = planTail(
      [whole('a', 9), whole('b', 9), whole('c', 0), whole('d', 3)],
      [at(1, 7), at(1, 9), null, null],
      100,
    );
    expect(shown(plan)).toEqual({ reads: ['a 8..9', 'd 1..3'], unsearched: [] });
  });

  it('is nothing of a conversation of which nothing may be seen', () => {
    expect(shown(planTail([seen('a', headAt(9), [])], [null], 100)).reads).toEqual([]);
  });

  it('begins where a lost generation ended when the index is past that', () => {
    const head = advanced(inGeneration(headAt(5), generation(2)), 3);
    expect(shown(planTail([seen('a', head, [[1, null]])], [at(1, 8)], 100)).reads).toEqual(['a 6..8']);
  });

  it('is bounded: short tails whole, of long ones the newest part, and it says what was left out (I9)', () => {
    const plan = planTail(
      [whole('long', 1_000), whole('short', 10), whole('longer', 2_000)],
      [at(1, 100), at(1, 4), null],
      106,
    );
    expect(shown(plan)).toEqual({
      reads: ['short 5..10', 'long 951..1000', 'longer 1951..2000'],
      unsearched: ['long 100<951', 'longer 0<1951'],
    });
    expect(shown(planTail([whole('a', 9), whole('b', 9)], [null, null], 1))).toEqual({
      reads: ['b 9..9'],
      unsearched: ['a 0<10', 'b 0<9'],
    });
  });
});
