import { describe, expect, it } from 'vitest';
import { requestsOf } from '../../processes/xrange-floor.ts';
import { loginRatio } from './login-figures.ts';
import { parseLoopDelay } from './loop-delay.ts';
import { StormGroups, stormShape } from './storm-groups.ts';
import { syncSets } from './sync-sets.ts';

describe('what one device missed', () => {
  it('is 10,000 messages over 1, 50 and 500 conversations, in each mode', () => {
    const sets = syncSets(1);
    expect(sets.map(({ conversations, messagesEach }) => conversations * messagesEach)).toEqual(Array(6).fill(10_000));
    expect(sets.map(({ name }) => name)).toEqual(
      ['write', 'read'].flatMap((mode) => [1, 50, 500].map((n) => `${mode}-${String(n)}`)),
    );
    expect(syncSets(0.04).map(({ conversations }) => conversations)).toEqual([1, 2, 20, 1, 2, 20]);
  });
});

describe('the floor of a login', () => {
  const keyOf = (name: string): string => `{p1}:t:c:${name}`;

  it('asks for exactly the entries that were missed, 500 at a time', () => {
    const requests = requestsOf([{ conversation: 'a', gen: 2, firstSeq: 3, messages: 1_100 }], keyOf);
    expect(requests.map((pieces) => pieces.map(({ from, to, count }) => [from, to, count]))).toEqual([
      [['2-3', '2-502', 500]],
      [['2-503', '2-1002', 500]],
      [['2-1003', '2-1102', 100]],
    ]);
  });

  it('asks for several conversations in one request', () => {
    const ranges = ['a', 'b', 'c'].map((conversation) => ({ conversation, gen: 1, firstSeq: 2, messages: 200 }));
    const requests = requestsOf(ranges, keyOf);
    expect(requests.map((pieces) => pieces.map(({ key, from, to }) => [key, from, to]))).toEqual([
      [
        ['{p1}:t:c:a', '1-2', '1-201'],
        ['{p1}:t:c:b', '1-2', '1-201'],
        ['{p1}:t:c:c', '1-2', '1-101'],
      ],
      [['{p1}:t:c:c', '1-102', '1-201']],
    ]);
  });

  it('is what a rate and a cost are held against', () => {
    const figures = (deliveredPerSecond: number, node: number) => ({
      deliveredPerSecond,
      cpuMicrosPerMessage: { node, redis: 1, load: null },
      loginMs: null,
      answersPerLogin: null,
    });
    expect(loginRatio(figures(50, 5), figures(100, 2))).toEqual({ throughput: 0.5, cpu: 2 });
    expect(loginRatio(figures(50, 5), undefined)).toEqual({ throughput: null, cpu: null });
  });
});

describe('devices that come back at once', () => {
  it('are each in a group of either mode, of 200 with its owner at most and of far more', () => {
    for (const scale of [0.01, 0.3, 1]) {
      const shape = stormShape(scale);
      const { users, groupsOf } = new StormGroups(shape, 'run');
      const sizes = Array<number>(shape.writeGroups + shape.readGroups).fill(1);
      for (const groups of groupsOf) for (const group of groups) sizes[group] = (sizes[group] ?? 0) + 1;
      expect(groupsOf).toHaveLength(users.length);
      expect(Math.max(...sizes.slice(0, shape.writeGroups))).toBeLessThanOrEqual(200);
      expect(Math.min(...sizes.slice(shape.writeGroups))).toBeGreaterThan(200);
      expect(sizes.reduce((sum, size) => sum + size - 1, 0)).toBe(2 * users.length);
    }
    expect(stormShape(1).users).toBe(10_000);
  });

  it('hold up an event loop by what its metrics tell', () => {
    const metrics = [
      '# TYPE nodejs_eventloop_lag_max_seconds gauge',
      'nodejs_eventloop_lag_max_seconds 0.0251',
      'nodejs_eventloop_lag_p99_seconds 1.05e-2',
    ].join('\n');
    const delay = parseLoopDelay(metrics);
    expect(delay?.max).toBeCloseTo(25.1);
    expect(delay?.p99).toBeCloseTo(10.5);
    expect(parseLoopDelay('')).toBe(null);
  });
});
