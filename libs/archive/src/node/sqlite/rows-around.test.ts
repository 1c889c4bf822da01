import { describe, expect, it } from 'vitest';
import { span } from '../../conformance/a-conversation.ts';
import { rowsAround } from './rows-around.ts';

/** Rows of fifty seqs each, from the first seq of the listing on. */
const rows = (...bytes: readonly number[]) => bytes.map((each, index) => ({ first: 1 + 50 * index, bytes: each }));

describe('the rows around a span', () => {
  it('are read with it on both sides in turn, for as long as they fit', () => {
    const listed = rows(10, 10, 10, 10, 10, 10, 10);
    const asked = span(1, 160, 190);
    expect(rowsAround(listed, span(1, 1, 350), asked, 10)).toEqual(span(1, 151, 200));
    expect(rowsAround(listed, span(1, 1, 350), asked, 39)).toEqual(span(1, 101, 250));
    expect(rowsAround(listed, span(1, 1, 350), asked, 1_000)).toEqual(span(1, 1, 350));
  });

  it('are those of one side where the other has none, or one that is too large', () => {
    expect(rowsAround(rows(10, 10, 90, 10, 10), span(1, 1, 250), span(1, 51, 60), 60)).toEqual(span(1, 1, 100));
    expect(rowsAround(rows(10, 10, 10), span(1, 1, 150), span(1, 101, 150), 30)).toEqual(span(1, 1, 150));
  });

  it('end where the listing does: of the last row nobody knows what it holds behind it', () => {
    expect(rowsAround(rows(10, 10), span(1, 1, 70), span(1, 10, 20), 100)).toEqual(span(1, 1, 70));
  });

  it('are none when those of the span are too large, or not there', () => {
    expect(rowsAround(rows(10, 10), span(1, 1, 100), span(1, 50, 51), 19)).toBeNull();
    expect(rowsAround(rows(10, 10), span(1, 1, 100), span(1, 50, 51), 20)).toEqual(span(1, 1, 100));
    expect(rowsAround([], span(1, 1, 100), span(1, 50, 51), 100)).toBeNull();
  });
});
