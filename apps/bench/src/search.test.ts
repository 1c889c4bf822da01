import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { seededRandom } from '@millrace/kernel';
import { describe, expect, it, onTestFinished } from 'vitest';
import { searchRatio } from './report/search.ts';
import { madeCorpus } from './workloads/replay/made-corpus.ts';
import { READER, searchCorpusIn, textsIn } from './workloads/search/search-corpus.ts';
import { pageFault, questionOf, Sample, type Question } from './workloads/search/search-questions.ts';

const random = seededRandom(1);
const said = { from: 'ann', text: 'the Kettle whistles, loudly 北京 kettles whistle' };

describe('a question', () => {
  it('is one that its message answers', () => {
    for (let count = 0; count < 50; count += 1) {
      expect(['kettles', 'whistle', 'loudly']).toContain(questionOf(random, 'word', said)?.text);
      expect(['ket', 'whi', 'lou']).toContain(questionOf(random, 'beginning', said)?.text);
    }
    expect(questionOf(random, 'two words', said)).toMatchObject({
      text: 'kettles whistle',
      prefix: false,
      sender: null,
    });
    expect(questionOf(random, 'two characters', said)?.text).toBe('北京');
    expect(questionOf(random, 'sender and word', said)?.sender).toBe('ann');
    expect(questionOf(random, 'sender and word', { ...said, from: 'ann b' })).toBeNull();
    expect(questionOf(random, 'word', { from: 'a', text: 'OK 17 no' })).toBeNull();
  });
});

describe('a page of hits', () => {
  const question: Question = { kind: 'word', text: 'kettles', prefix: false, sender: null, of: said };
  const hit = (name: string, body: string, from = 'ann') => ({ name, body, from });

  it('is right when all are hits, each once, and the message of the question among them, or no room for it', () => {
    expect(pageFault(question, [hit('a 1', said.text), hit('a 2', 'Kéttles!')], 50)).toBeNull();
    expect(pageFault(question, [hit('a 1', 'kettles 1'), hit('a 2', 'kettles 2')], 2)).toBeNull();
  });

  it.each([
    ['one that is none', [hit('a 1', said.text), hit('a 2', 'tea')], 'lost'],
    ['one twice', [hit('a 1', said.text), hit('a 1', said.text)], 'duplicated'],
    ['the message missing', [hit('a 1', 'other kettles')], 'lost'],
    ['nothing', [], 'lost'],
  ])('is wrong with %s', (_what, hits, kind) => {
    expect(pageFault(question, hits, 50)?.kind).toBe(kind);
  });

  it('is wrong with one of another sender', () => {
    const by = { ...question, sender: 'ann' };
    expect(pageFault(by, [hit('a 1', said.text, 'ben')], 50)?.kind).toBe('lost');
    expect(pageFault(by, [hit('a 1', said.text)], 50)).toBeNull();
  });
});

describe('the corpus of a search', () => {
  it('is all that was named, in order, and the reader once in each channel', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'millrace-search-corpus-'));
    onTestFinished(() => {
      rmSync(dir, { recursive: true });
    });
    const line = (channel: string, text: string) =>
      JSON.stringify({ channel, at: '2020-01-01T00:00:00Z', from: 'ann', text });
    writeFileSync(join(dir, 'one'), `${line('a', '1')}\n${line('a', '2')}\n`);
    writeFileSync(join(dir, 'two'), gzipSync(`${line('b', '3')}\n`));
    const named = { corpus: `${join(dir, 'one')},${join(dir, 'two')}`, scale: 1, long: false };
    const corpus = await searchCorpusIn(dir, named, random);
    expect(corpus).toMatchObject({ messages: 5, channels: 2, what: 'one, two' });
    expect(corpus.sample.map(({ text }) => text)).toEqual(['1', '2', '3']);
    const texts: string[] = [];
    for await (const some of textsIn(corpus)) texts.push(...some);
    const hello = 'hello from the reader';
    expect(texts).toEqual(['1', hello, '2', '3', hello]);
    expect(readFileSync(corpus.file, 'utf8').split(`"from":"${READER}"`)).toHaveLength(3);
    expect(corpus.textBytes).toBe(texts.reduce((sum, text) => sum + text.length, 0));
  });

  it('is made up where none was named, the same whether at once or in parts', async () => {
    expect([...madeCorpus(3), ...madeCorpus(2, undefined, 3)]).toEqual(madeCorpus(5));
  });

  it('is drawn from evenly', () => {
    const counts = Array.from({ length: 10 }, () => 0);
    for (let times = 0; times < 2_000; times += 1) {
      const sample = new Sample<number>(random, 3);
      for (let item = 0; item < 10; item += 1) sample.add(item);
      for (const item of sample.taken) counts[item] = (counts[item] ?? 0) + 1;
    }
    for (const count of counts) expect(count / 2_000).toBeCloseTo(0.3, 1);
  });
});

describe('the ratio of a search', () => {
  it('is to the library alone, and none where that has no figure', () => {
    const latency = { p50: 4, p99: 9, p999: 9, max: 9 };
    const figures = { rebuilt: { perSecond: 50, cpuMicros: 30 }, queries: { word: latency, other: latency } } as never;
    const floor = { insert: { perSecond: 100, cpuMicros: 10 }, queries: { word: { ...latency, p50: 2 }, other: null } };
    expect(searchRatio(figures, floor)).toEqual({
      ...{ indexRate: 0.5, indexCpu: 3 },
      queries: { word: { p50: 2, p99: 1 }, other: { p50: null, p99: null } },
    });
  });
});
