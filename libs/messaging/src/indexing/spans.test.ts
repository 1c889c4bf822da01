import { generation, sequenceId, type ConversationId } from '@millrace/kernel';
import { decodeHead } from '@millrace/timeline';
import { describe, expect, it } from 'vitest';
import { compare, cutsOf, pieces, surviving } from './spans.ts';

const at = (gen: number, seq: number) => ({ gen: generation(gen), seq: sequenceId(seq) });
const span = (gen: number, first: number, last: number) => ({
  gen: generation(gen),
  first: sequenceId(first),
  last: sequenceId(last),
});

/** Seqs 1 to 10 in generation 1, of which 8 to 10 were lost; then 8 to 12 in generation 3. */
const lossy = decodeHead('3-12@8;1:1:7');
const whole = decodeHead('1-10');

describe('what an index lacks of a conversation', () => {
  it('is what comes behind where it is, or all', () => {
    expect(compare(whole, at(1, 4), false)).toEqual({ forgets: false, spans: [span(1, 5, 10)] });
    expect(compare(whole, at(1, 10), false)).toEqual({ forgets: false, spans: [] });
    expect(compare(whole, null, false)).toEqual({ forgets: false, spans: [span(1, 1, 10)] });
    expect(compare(decodeHead('1-12@9'), null, false)).toEqual({ forgets: false, spans: [span(1, 9, 12)] });
  });

  it('begins anew behind a loss, also one that it had not come to: a message may be indexed with a change that is lost', () => {
    const all = { forgets: true, spans: [span(1, 1, 7), span(3, 8, 12)] };
    expect(compare(lossy, at(1, 5), false)).toEqual(all);
    expect(compare(lossy, at(1, 9), false)).toEqual(all);
    expect(compare(lossy, at(4, 9), false)).toEqual(all);
    expect(compare(lossy, at(3, 13), false)).toEqual(all);
    expect(compare(lossy, at(3, 9), false)).toEqual({ forgets: false, spans: [span(3, 10, 12)] });
    expect(compare(whole, at(1, 10), true)).toEqual({ forgets: true, spans: [span(1, 1, 10)] });
  });
});

it('the cuts of a conversation are where each of its generations began, but for the first one', () => {
  expect(cutsOf('room' as ConversationId, whole)).toEqual([]);
  expect(cutsOf('room' as ConversationId, lossy)).toEqual([{ kind: 'cut', conversation: 'room', gen: 3, from: 8 }]);
});

it('what survives of entries is what the head has of their generation', () => {
  expect(surviving(lossy, [span(1, 5, 9), span(2, 8, 8), span(3, 10, 11)])).toEqual([span(1, 5, 7), span(3, 10, 11)]);
});

it('pieces are of at most so many entries, and all of them', () => {
  expect([...pieces([span(1, 1, 5), span(2, 6, 7)], 2)]).toEqual([
    ...[span(1, 1, 2), span(1, 3, 4), span(1, 5, 5), span(2, 6, 7)],
  ]);
});
