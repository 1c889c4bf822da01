import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runProgram } from './processes/program.ts';
import { faultArgs } from './workloads/failover.ts';
import { madeCorpus } from './workloads/replay/made-corpus.ts';
import { replayedLine, verifiedLines } from './workloads/replay/replay-lines.ts';

describe('a corpus that is made', () => {
  it('is the same each time, with times that go on in each channel and authors who come back', () => {
    const corpus = madeCorpus(2_000);
    expect(madeCorpus(2_000)).toEqual(corpus);
    expect(new Set(corpus.map(({ channel }) => channel)).size).toBe(100);
    const authors = new Set(corpus.map(({ from }) => from)).size;
    expect(authors).toBeGreaterThan(500);
    expect(authors).toBeLessThan(2_000);
    expect(corpus.every(({ text }) => text.length > 0)).toBe(true);
    const times = corpus.map(({ at }) => Date.parse(at));
    expect(times).toEqual([...times].sort((left, right) => left - right));
  });
});

describe('what replay and verify print', () => {
  it('is read as numbers', () => {
    expect(replayedLine(['replayed 2000 messages in 1.2 s (1,667/s)'])).toEqual({ messages: 2_000, perSecond: 1_667 });
    const lines = [
      'conversation  entries',
      'read 12,345 entries as 1,034 members in 2.0 s (6,172/s)',
      'inboxes of 3 members synced from before their first message: 3 complete, 0 incomplete, 0 trimmed since',
      'verified 2,000 messages, 100 conversations, 1,034 members: 1 lost, 0 duplicated, 2 gaps',
    ];
    expect(verifiedLines(lines)).toEqual({
      messages: 2_000,
      conversations: 100,
      members: 1_034,
      lost: 1,
      duplicated: 0,
      gaps: 2,
      entriesRead: 12_345,
      entriesPerSecond: 6_172,
    });
  });

  it('is nothing when it was broken off', () => {
    expect(replayedLine(['There is no file x.'])).toBe(null);
    expect(verifiedLines(['read 12 entries as 1 members in 2.0 s (6/s)'])).toBe(null);
  });
});

describe('a program', () => {
  const run = (bundle: string, args: readonly string[] = []) => {
    const notes: string[] = [];
    return runProgram({
      bundle,
      args,
      onNote: (line) => notes.push(line),
      onStop: () => undefined,
    }).then((end) => ({ ...end, noted: notes }));
  };

  it('tells its exit code and its last words', async () => {
    const end = await run(join(tmpdir(), 'there-is-no-such-program.mjs'));
    expect(end.code).toBe(1);
    expect(end.noted.join('\n')).toMatch(/Cannot find module/);
    expect(end.notes.length).toBeLessThanOrEqual(20);
  });
});

describe('the faults of the bench', () => {
  it('are six of all, each as often as there are rounds, under an even load', () => {
    const args = faultArgs({ rounds: 2, scale: 1, only: [] }, 'somewhere');
    expect(args.filter((word) => word === '--only')).toHaveLength(6);
    expect(args.join(' ')).toMatch(/--only kill-master .*--times 2 --rate 500 --data-dir somewhere$/);
  });

  it('are those that are wanted, and on a small cluster when the bench itself is tried', () => {
    const args = faultArgs({ rounds: 1, scale: 0.1, only: ['drain-node'] }, 'd').join(' ');
    expect(args).toBe('--only drain-node --times 1 --rate 100 --data-dir d --lease-ms 2000 --partitions 16');
  });
});
