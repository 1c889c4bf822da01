import { expect, it } from 'vitest';
import { FeedLag } from './feed-lag.ts';

it('the lag is the age of the oldest commit that is not followed, never less', () => {
  const lag = new FeedLag();
  expect(lag.ms(1_000)).toBe(0);
  lag.committed(1, 1_000);
  lag.committed(2, 1_050);
  lag.committed(5, 1_200);
  expect(lag.ms(1_300)).toBe(300);
  lag.followed(1);
  // Noted together with the first one.
  expect(lag.ms(1_300)).toBe(300);
  lag.followed(3);
  expect(lag.ms(1_300)).toBe(100);
  lag.followed(5);
  expect(lag.ms(9_000)).toBe(0);
  for (let commitNo = 6; commitNo < 5_000; commitNo += 1) lag.committed(commitNo, commitNo * 200);
  lag.followed(4_998);
  expect(lag.ms(5_000 * 200)).toBeGreaterThanOrEqual(200);
  lag.followed(4_999);
  expect(lag.ms(5_000 * 200)).toBe(0);
});
