import { describe, expect, it } from 'vitest';
import { highlight } from './highlight.ts';

const marked = (text: string, query: string, prefix?: boolean): string =>
  [...highlight(text, query, prefix)]
    .reverse()
    .reduce((all, { start, end }) => `${all.slice(0, start)}[${all.slice(start, end)}]${all.slice(end)}`, text);

describe('a highlight', () => {
  it('marks every place of every word, and a word that only begins so', () => {
    expect(marked('Tea? tea and kettles', 'tea kett')).toBe('[Tea]? [tea] and [kettles]');
    expect(marked('Crème brûlée', 'BRULEE')).toBe('Crème [brûlée]');
  });

  it('marks a part of a run, and overlapping places as one', () => {
    expect(marked('我喝咖啡，你喝茶', '咖啡 喝')).toBe('我[喝咖啡]，你[喝]茶');
    expect(marked('哈哈哈', '哈哈')).toBe('[哈哈哈]');
  });

  it('marks what is quoted only where it stands together', () => {
    expect(marked('new york, york is new', '"new york"')).toBe('[new] [york], york is new');
    expect(marked('5月3日', '"月3"')).toBe('5[月3]日');
  });

  it('marks nothing in a text that does not match', () => {
    expect(marked('tea', 'tea kettle ')).toBe('tea');
    expect(marked('teapot', 'tea', false)).toBe('teapot');
    expect(marked('tea', '?!')).toBe('tea');
  });
});
