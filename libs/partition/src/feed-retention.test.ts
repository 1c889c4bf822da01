import { describe, expect, it } from 'vitest';
import { FeedRetention } from './feed-retention.ts';

const limits = { feedKeptMs: 60_000, feedKeptCommitsMax: 100 };

describe('what stays of the changefeed behind the cursor', () => {
  it('is all of it at first: who owned it before may have delivered it just now', () => {
    expect(new FeedRetention(limits).moved(50, 1_000)).toBe(1);
  });

  it('is what was delivered within the time, give or take a grain of it', () => {
    const retention = new FeedRetention(limits);
    for (let second = 0; second < 60; second += 1) expect(retention.moved(1 + second, second * 1_000)).toBe(1);
    expect(retention.moved(61, 60_000)).toBe(2);
    expect(retention.moved(62, 60_500)).toBe(2);
    expect(retention.moved(63, 90_000)).toBe(32);
    expect(retention.moved(64, 500_000)).toBe(64);
  });

  it('is no more than so many commits', () => {
    const retention = new FeedRetention(limits);
    expect(retention.moved(99, 0)).toBe(1);
    expect(retention.moved(1_000, 1)).toBe(901);
    expect(retention.moved(1_001, 2)).toBe(902);
  });

  it('never begins behind the cursor', () => {
    const retention = new FeedRetention({ feedKeptMs: 0, feedKeptCommitsMax: 0 });
    for (let to = 1; to < 20; to += 1) expect(retention.moved(to, to)).toBe(to + 1);
  });
});
