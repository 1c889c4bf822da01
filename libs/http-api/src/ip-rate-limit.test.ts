import { describe, expect, it } from 'vitest';
import { IpRateLimit, rateLimitKey } from './ip-rate-limit.ts';
import { ManualClock } from './testing/test-api.ts';

describe('the rate limit of an address', () => {
  it('lets a burst through, then as many as the rate refills, and says how long to wait', () => {
    const clock = new ManualClock();
    const limit = new IpRateLimit({ perSecond: 10, burst: 3 }, clock);
    expect([1, 2, 3].map(() => limit.take('10.0.0.1'))).toEqual([0, 0, 0]);
    expect(limit.take('10.0.0.1')).toBe(100);
    expect(limit.take('10.0.0.2')).toBe(0);
    clock.ms += 99;
    expect(limit.take('10.0.0.1')).toBeGreaterThan(0);
    clock.ms += 1;
    expect(limit.take('10.0.0.1')).toBe(0);
    clock.ms += 3_600_000;
    expect([1, 2, 3, 4].map(() => limit.take('10.0.0.1') === 0)).toEqual([true, true, true, false]);
  });

  it('keeps a bounded table whatever the addresses (I9)', () => {
    const limit = new IpRateLimit({ perSecond: 10, burst: 3 }, new ManualClock());
    for (let index = 0; index < 30_000; index += 1) limit.take(`10.${String(index >> 8)}.${String(index & 255)}.1`);
    expect(limit.size).toBe(20_000);
  });

  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:0db8:0001:0002::9', '2001:db8:1:2::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
  ])('counts %s as %s', (ip, key) => {
    expect(rateLimitKey(ip)).toBe(key);
  });
});
