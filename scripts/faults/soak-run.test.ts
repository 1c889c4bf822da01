import { describe, expect, it } from 'vitest';
import { nodeSample, streamOf } from './sizes.ts';
import { grownIn, growthTable } from './soak-run.ts';

const samples = (of: (index: number) => Record<string, number>): Record<string, number>[] =>
  Array.from({ length: 30 }, (_, index) => of(index));

describe('what a long run is judged by', () => {
  it('is the memory of the node that lives all along, not of those that are started again', () => {
    const leaking = samples((index) => ({
      'node-1 heapBytes': 50e6 + index * 5e6,
      'node-2 heapBytes': 50e6 + index * 5e6,
      'node-13 heapBytes': 50e6 + index * 5e6,
    }));
    expect(grownIn(leaking).map(({ name }) => name)).toEqual(['node-1 heapBytes']);
    expect(growthTable(leaking, grownIn(leaking)).at(-1)).toBe(
      '| node-1 heapBytes | 72500000 | 122500000 | 172500000 | GREW |',
    );
  });

  it('is what Redis holds, but for the messages that were written', () => {
    const sizes = samples((index) => ({
      'redis timelines': index * 10_000,
      'redis timelineBytes': index * 1e6,
      'redis keys': index * 100,
      'redis inboxes': Math.min(index, 8) * 10_000,
    }));
    expect(grownIn(sizes).map(({ name }) => name)).toEqual(['redis keys']);
  });

  it('goes by the samples that have a name: one taken while a master was away says nothing of Redis', () => {
    const holes = samples((index) => (index % 4 === 1 && index < 20 ? {} : { 'redis keys': 5_000 }));
    expect(grownIn(holes)).toEqual([]);
  });
});

describe('a sample', () => {
  it('has of the metrics of a node what grows where something is never taken away', () => {
    const text = [
      '# TYPE process_resident_memory_bytes gauge',
      'process_resident_memory_bytes 98304000',
      'nodejs_eventloop_lag_p99_seconds 0.0125',
      'millrace_commands_queued 3',
      'millrace_commit_seconds_bucket{le="0.1",answer="ok"} 12',
    ].join('\n');
    expect(nodeSample('node-1', text)).toEqual({
      'node-1 residentBytes': 98_304_000,
      'node-1 eventLoopP99Ms': 12.5,
      'node-1 commandsQueued': 3,
    });
  });

  it.each([
    ['{p17}:t:c:room', 'timelines'],
    ['{p17}:t:u:anna', 'inboxes'],
    ['{p17}:feed', 'feeds'],
    ['{n:node-1-ab}:in', 'nodeStreams'],
    ['{p17}:dead', 'deadLetters'],
    ['{p17}:c:room', null],
    ['{cluster}:view', null],
  ] as const)('counts the entries of %s as %s', (key, stream) => {
    expect(streamOf(key)).toBe(stream);
  });
});
