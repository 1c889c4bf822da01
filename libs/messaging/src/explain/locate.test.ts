import { generation, sequenceId, type ConversationId } from '@millrace/kernel';
import { emptyHead, type TimelineHead } from '@millrace/timeline';
import { describe, expect, it } from 'vitest';
import { locate } from './message-stories.ts';

const head: TimelineHead = {
  gen: generation(4),
  seq: sequenceId(120),
  first: sequenceId(101),
  past: [
    { gen: generation(1), first: sequenceId(11), last: sequenceId(50) },
    { gen: generation(3), first: sequenceId(51), last: sequenceId(100) },
  ],
};
const at = (seq: number, gen?: number) =>
  locate('g' as ConversationId, head, sequenceId(seq), gen === undefined ? undefined : generation(gen));
const refused = (code: string, message: RegExp) => ({
  ok: false,
  error: { code, message: expect.stringMatching(message) as string },
});

describe('where a message is', () => {
  it('is in the generation that has its position now', () => {
    expect([at(11), at(50), at(51), at(120), at(70, 3)].map((found) => (found.ok ? found.value.gen : null))).toEqual([
      1, 1, 3, 4, 3,
    ]);
  });

  it('is nowhere before the beginning, behind the end, or of a generation that does not have it', () => {
    expect(at(121)).toMatchObject(refused('not_found', /ends at seq 120: there is no 121 yet/));
    expect(at(121, 4)).toMatchObject(refused('not_found', /ends at seq 120/));
    expect(at(10)).toMatchObject(refused('gone', /which begins with 11/));
    expect(at(0)).toMatchObject(refused('not_found', /g has no seq 0/));
    expect(at(50, 4)).toMatchObject(refused('not_found', /seq 50 of g is of generation 1, not 4/));
    expect(at(50, 9)).toMatchObject(refused('not_found', /of generation 1, not 9/));
    expect(locate('g' as ConversationId, emptyHead(generation(1)), sequenceId(1), undefined)).toMatchObject(
      refused('not_found', /there is nothing in g yet/),
    );
  });

  it('of a generation that lost its end was lost with it', () => {
    expect(at(51, 1)).toMatchObject(
      refused('regressed', /generation 1 of g ended at seq 50: what came after was lost/),
    );
    expect(at(105, 3)).toMatchObject({ ok: false, error: { code: 'regressed', from: 100 } });
  });
});
