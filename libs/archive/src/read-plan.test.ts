import { describe, expect, it } from 'vitest';
import { at, chunkFrom, room, span, texts } from './conformance/a-conversation.ts';
import { entriesOfSpan, planRead } from './read-plan.ts';

const archived = [span(1, 11, 40), span(3, 41, 60)];

describe('a planned read', () => {
  it('takes of each generation what is archived, up to the limit, from the end where it begins', () => {
    const query = { from: at(1, 5), to: at(3, 50) };
    expect(planRead(archived, { ...query, limit: 99, direction: 'forward' })).toEqual([
      span(1, 11, 40),
      span(3, 41, 50),
    ]);
    expect(planRead(archived, { ...query, limit: 12, direction: 'backward' })).toEqual([
      span(3, 41, 50),
      span(1, 39, 40),
    ]);
    expect(planRead(archived, { ...query, limit: 30, direction: 'forward' })).toEqual([span(1, 11, 40)]);
    expect(planRead([], { ...query, limit: 30, direction: 'forward' })).toEqual([]);
  });
});

describe('the entries of a span', () => {
  const chunks = [chunkFrom(1, 11, 20), chunkFrom(1, 21, 30), chunkFrom(1, 31, 40)];
  const entries = (first: number, last: number, from: readonly (typeof chunks)[number][]) => {
    const outcome = entriesOfSpan(room, span(1, 11, 40), span(1, first, last), from);
    return outcome.ok ? texts(outcome.value).length : outcome.error.chunk.first;
  };
  const [one, two, three] = chunks as [(typeof chunks)[0], (typeof chunks)[0], (typeof chunks)[0]];

  it('are those between its ends, whatever else the chunks hold', () => {
    expect(entries(15, 33, chunks)).toBe(19);
    expect(entries(22, 23, [one, two, three])).toBe(2);
    expect(entries(22, 30, [two])).toBe(9);
  });

  it('are refused for the chunk that is missing, at either end or between', () => {
    expect(entries(15, 33, [one, three])).toBe(21);
    expect(entries(22, 33, [one, three])).toBe(21);
    expect(entries(22, 33, [two])).toBe(31);
    expect(entries(15, 33, [two, three])).toBe(11);
    expect(entries(15, 33, [])).toBe(11);
  });

  it('are refused when a chunk overlaps the one before', () => {
    expect(entries(15, 33, [one, chunkFrom(1, 20, 30), three])).toBe(21);
  });
});
