import { generation, sequenceId, type ConversationId } from '@millrace/kernel';
import type { Position, TimelineHead } from '@millrace/timeline';
import { describe, expect, it } from 'vitest';
import { judgeStanding, type Stand, type Standing } from './standing.ts';
import type { Progress } from './user-state.ts';

const at = (gen: number, seq: number): Position => ({ gen: generation(gen), seq: sequenceId(seq) });
const x = 'x' as ConversationId;

/** Generation 1 ended with 8, and nothing was said since. */
const shortened: TimelineHead = {
  ...at(2, 8),
  first: sequenceId(9),
  past: [{ gen: generation(1), first: sequenceId(1), last: sequenceId(8) }],
};
const whole = (gen: number, seq: number): TimelineHead => ({ ...at(gen, seq), first: sequenceId(1), past: [] });

const progress = (gen: number, seq: number, more: Partial<Progress> = {}): Progress => ({
  ...at(gen, seq),
  msgNo: seq - 1,
  sent: 2,
  sentFrom: sequenceId(0),
  readSeq: sequenceId(3),
  readMsgNo: 2,
  sentAtRead: 1,
  lastAt: 77,
  member: true,
  behind: 'write',
  confirmedGen: generation(1),
  confirmedIn: generation(1),
  ...more,
});

const stand = (gen: number, seq: number, more: Partial<Stand> = {}): Stand => ({
  facts: { conversation: x, kind: 'group', title: 'X' },
  position: at(gen, seq),
  msgNo: seq - 1,
  lastAt: 77,
  sent: 2,
  member: true,
  behind: 'write',
  stays: 1,
  readSeq: sequenceId(3),
  readMsgNo: 2,
  sentAtRead: 1,
  ...more,
});

/** How it was asked, and what the user knows to be gone now and then. */
interface Question {
  readonly asked?: number | null;
  readonly ownGen?: number;
  readonly gone?: readonly number[];
  /** Null: by a node that does not know of it. */
  readonly askedGone?: readonly number[] | null;
}

const judge = (
  before: Progress | undefined,
  head: TimelineHead,
  found: Stand | null,
  { asked = null, ownGen = 1, gone = [], askedGone = [] }: Question = {},
) => {
  const askedReadSeq = asked === null ? null : sequenceId(asked);
  const standing: Standing = {
    ...{ d: 'standing', conversation: x, head, stand: found, askedReadSeq },
    ...(askedGone === null ? {} : { askedGone: askedGone.map(sequenceId) }),
  };
  const known = { mentions: [], gone: { before: 0, seqs: gone.map(sequenceId) } };
  return judgeStanding(before, standing, generation(ownGen), known);
};
const kindOf = (...of: Parameters<typeof judge>) => judge(...of).kind;
const reading = { readSeq: 2, readMsgNo: 1, sentAtRead: 0 };

describe('a progress that its conversation is asked about', () => {
  it('is adopted where the conversation has lost what it stands on', () => {
    expect(kindOf(progress(1, 10), shortened, stand(1, 8))).toBe('adopt');
  });

  it('is confirmed where that survived, and breaks the inbox: devices may show more than it ever told', () => {
    const judged = judge(progress(1, 8), shortened, stand(1, 8), { asked: 3 });
    expect(judged).toEqual({ kind: 'confirm', breaks: true, reading: null });
  });

  it('is confirmed without a word where the conversation is in no newer generation', () => {
    expect(judge(progress(1, 8), whole(1, 8), stand(1, 8))).toMatchObject({ kind: 'confirm', breaks: false });
  });

  it('stays behind what is on its way, but not behind what its own partition may have lost', () => {
    expect(kindOf(progress(1, 6), whole(1, 8), stand(1, 8))).toBe('confirm');
    expect(kindOf(progress(1, 6), whole(1, 8), stand(1, 8), { ownGen: 2 })).toBe('adopt');
    expect(kindOf(progress(1, 6, { confirmedIn: generation(2) }), whole(1, 8), stand(1, 8), { ownGen: 2 })).toBe(
      'confirm',
    );
  });

  it('is forgotten where the conversation, or the membership, is no more', () => {
    expect(kindOf(progress(1, 2), { ...whole(2, 0), first: sequenceId(1) }, null)).toBe('forget');
    expect(kindOf(progress(1, 2), shortened, null)).toBe('forget');
    expect(kindOf(undefined, shortened, null)).toBe('ignore');
  });

  it('that is none at all is adopted: the user never heard of it', () => {
    expect(kindOf(undefined, whole(1, 8), stand(1, 8))).toBe('adopt');
  });

  it('is adopted where a membership, a number or a count is not what the entry says', () => {
    expect(kindOf(progress(1, 8), whole(1, 8), stand(1, 8, { member: false }))).toBe('adopt');
    expect(kindOf(progress(1, 8), whole(1, 8), stand(1, 8, { msgNo: 4 }))).toBe('adopt');
    expect(kindOf(progress(1, 8), whole(1, 8), stand(1, 8, { sent: 1 }))).toBe('adopt');
    const uncounted = progress(1, 8, { sent: 0, sentFrom: sequenceId(4) });
    expect(kindOf(uncounted, whole(1, 8), stand(1, 8))).toBe('confirm');
    // Of what came after the user had left, a lost conversation had told them.
    expect(kindOf(progress(1, 8), whole(1, 8), stand(1, 6, { member: false }))).toBe('adopt');
  });

  it('that began after a loss is adopted where the user had been there before', () => {
    const returned = progress(1, 8, { confirmedIn: generation(0) });
    expect(kindOf(returned, whole(1, 8), stand(1, 8), { ownGen: 2 })).toBe('confirm');
    expect(kindOf(returned, whole(1, 8), stand(1, 8, { stays: 2 }), { ownGen: 2 })).toBe('adopt');
    expect(kindOf(progress(1, 8), whole(1, 8), stand(1, 8, { stays: 2 }), { ownGen: 2 })).toBe('confirm');
  });

  it('is left alone where the inbox is ahead of the answer, or the answer of who does not know the generation', () => {
    expect(kindOf(progress(1, 9), whole(1, 8), stand(1, 8))).toBe('ignore');
    expect(kindOf(progress(3, 9), shortened, stand(1, 8))).toBe('ignore');
    expect(kindOf(progress(1, 7, { confirmedGen: generation(2) }), whole(1, 8), null)).toBe('ignore');
  });
});

describe('a read position', () => {
  it('that the conversation has lost is taken back, if it was the same before the question', () => {
    const judged = judge(progress(1, 8), shortened, stand(1, 8, { ...stand(1, 8), readSeq: sequenceId(2) }), {
      asked: 3,
    });
    expect(judged).toMatchObject({ kind: 'confirm', breaks: true, reading: { readSeq: 2 } });
  });

  it('that may have moved since is left, and asked about again', () => {
    const lower = stand(1, 8, { ...reading, readSeq: sequenceId(2) });
    expect(kindOf(progress(1, 8), shortened, lower, { asked: 2 })).toBe('ignore');
    expect(kindOf(progress(1, 8), shortened, lower)).toBe('ignore');
  });

  it('that the conversation alone knows is on its way, or was lost by the user’s own partition', () => {
    const higher = stand(1, 8, { readSeq: sequenceId(6), readMsgNo: 5, sentAtRead: 2 });
    expect(judge(progress(1, 8), whole(1, 8), higher)).toMatchObject({ kind: 'confirm', breaks: false, reading: null });
    expect(judge(progress(1, 8), whole(1, 8), higher, { ownGen: 2 })).toMatchObject({
      kind: 'confirm',
      breaks: true,
      reading: { readSeq: 6, readMsgNo: 5, sentAtRead: 2 },
    });
  });
});

describe('what is gone', () => {
  const told = (before: number, ...seqs: number[]) => stand(1, 8, { gone: { before, seqs: seqs.map(sequenceId) } });
  const judged = (found: Stand, gone: readonly number[], askedGone: readonly number[] | null) =>
    kindOf(progress(1, 8), shortened, found, { asked: 3, gone, askedGone });

  it('since the question is left, and asked about again: no position tells which of the two is older', () => {
    expect(judged(told(0), [7], [])).toBe('ignore');
    expect(judged(told(0, 5), [5, 7], [5])).toBe('ignore');
  });

  it('was known before the question, and is not gone for the conversation, that has lost it', () => {
    expect(judged(told(0), [7], [7])).toBe('adopt');
    expect(judged(told(0, 7), [7], [7])).toBe('confirm');
    // A node of an earlier version asks without saying so: nobody is to wait for its update.
    expect(judged(told(0), [7], null)).toBe('adopt');
  });

  it('was not known is taken from the conversation', () => {
    expect(judged(told(0, 7), [], [])).toBe('adopt');
  });

  it('does not matter where it is read, or is but a number there', () => {
    expect(judged(told(0), [2], [])).toBe('confirm');
    expect(judged(told(2, 6), [5, 6], [])).toBe('confirm');
  });
});
