import { subprotocols } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import type { UpgradeRequest } from '../engine/socket-engine.ts';
import { gatewayConfigSchema, type GatewaySettings } from '../gateway-config.ts';
import { ManualTime } from '../testing/manual-time.ts';
import { Admission, type Admitted } from './admission.ts';
import { addressKey, clientAddress, plainAddress, proxyList } from './client-address.ts';
import { RateTable, TokenBucket } from './rate-limit.ts';

const usual: UpgradeRequest = {
  origin: null,
  protocols: [subprotocols.binary],
  ip: '192.0.2.1',
  forwardedFor: null,
  path: '/',
};

function admission(settings: GatewaySettings = {}): { readonly door: Admission; readonly time: ManualTime } {
  const time = new ManualTime();
  return { door: new Admission(gatewayConfigSchema.parse(settings), time), time };
}

function enter(door: Admission, request: Partial<UpgradeRequest> = {}): Admitted | number {
  const answer = door.decide({ ...usual, ...request });
  if (!answer.accept) return answer.status;
  door.opened(answer.context);
  return answer.context;
}

describe('who may open a socket', () => {
  it('is everybody who is no browser and offers a subprotocol: the first that is known is taken', () => {
    const { door } = admission();
    const protocols = ['x', subprotocols.json, subprotocols.binary];
    expect(door.decide({ ...usual, protocols })).toEqual({
      accept: true,
      subprotocol: subprotocols.json,
      context: { ip: '192.0.2.1', ipKey: '192.0.2.1', encoding: 'json' },
    });
    expect(enter(door, { protocols: [] })).toBe(400);
    expect(enter(door, { protocols: ['chat'] })).toBe(400);
    expect(enter(door, { path: '/other' })).toBe(404);
    expect(enter(admission({ path: '*' }).door, { path: '/other' })).toBeTypeOf('object');
  });

  it('is a page only of an origin that is allowed', () => {
    const { door } = admission({ origins: ['https://chat.example.org'] });
    expect(enter(door, { origin: 'https://chat.example.org' })).toBeTypeOf('object');
    for (const origin of [
      'https://evil.example.org',
      'https://chat.example.org.evil',
      'null',
      'http://chat.example.org',
    ]) {
      expect(enter(door, { origin })).toBe(403);
    }
    expect(enter(admission().door, { origin: 'https://chat.example.org' })).toBe(403);
    expect(enter(admission({ origins: ['*'] }).door, { origin: 'https://any.example.org' })).toBeTypeOf('object');
  });

  it('is bounded by address and over all (I9)', () => {
    const { door } = admission({ socketsPerIpMax: 2, socketsMax: 3 });
    const first = enter(door);
    enter(door);
    expect(enter(door)).toBe(429);
    expect(enter(door, { ip: '192.0.2.2' })).toBeTypeOf('object');
    expect(enter(door, { ip: '192.0.2.3' })).toBe(503);
    expect(door.total).toBe(3);
    door.closed(first as Admitted);
    expect(enter(door)).toBeTypeOf('object');
  });

  it('comes no faster than it may, and is told when', async () => {
    const { door, time } = admission({
      connectsPerIp: { perSecond: 1, burst: 2 },
      connects: { perSecond: 1, burst: 4 },
    });
    expect([enter(door), enter(door)].map((answer) => typeof answer)).toEqual(['object', 'object']);
    expect(door.decide(usual)).toMatchObject({ accept: false, status: 429, retryAfterS: 1 });
    enter(door, { ip: '192.0.2.2' });
    enter(door, { ip: '192.0.2.3' });
    expect(door.decide({ ...usual, ip: '192.0.2.4' })).toMatchObject({ accept: false, status: 503, retryAfterS: 1 });
    await time.advance(1_000);
    expect(enter(door)).toBeTypeOf('object');
  });

  it('is counted by the address behind a proxy of ours', () => {
    const { door } = admission({ socketsPerIpMax: 1, trustedProxies: ['10.0.0.0/8'] });
    expect(enter(door, { ip: '10.0.0.1', forwardedFor: '203.0.113.1' })).toMatchObject({ ip: '203.0.113.1' });
    expect(enter(door, { ip: '10.0.0.1', forwardedFor: '203.0.113.2' })).toMatchObject({ ip: '203.0.113.2' });
    expect(enter(door, { ip: '10.0.0.2', forwardedFor: '9.9.9.9, 203.0.113.1' })).toBe(429);
    expect(enter(door, { ip: '198.51.100.1', forwardedFor: '203.0.113.9' })).toMatchObject({ ip: '198.51.100.1' });
  });
});

describe('addresses', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1', '192.0.2.1'],
    ['0000:0000:0000:0000:0000:ffff:c000:0201', '192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0db8:0001:0002:0000:0000:0000:0001', '2001:0db8:0001:0002:0000:0000:0000:0001', '2001:db8:1:2::/64'],
    ['2001:db8::9', '2001:db8::9', '2001:db8:0:0::/64'],
    ['::1', '::1', '0:0:0:0::/64'],
  ])('%s is %s and counts as %s', (ip, plain, key) => {
    expect(plainAddress(ip)).toBe(plain);
    expect(addressKey(plainAddress(ip))).toBe(key);
  });

  it('of proxies are read from the right, and only as far as they are ours', () => {
    const proxies = proxyList(['10.0.0.0/8', '2001:db8::/32']);
    if (proxies === null) throw new Error('the ranges are right');
    const behind = (peer: string, header: string | null): string => clientAddress(peer, header, proxies);
    expect(behind('10.1.1.1', '1.1.1.1, 203.0.113.5, 10.2.2.2')).toBe('203.0.113.5');
    expect(behind('::ffff:10.1.1.1', '203.0.113.5')).toBe('203.0.113.5');
    expect(behind('2001:db8::1', '2001:beef::1')).toBe('2001:beef::1');
    expect(behind('10.1.1.1', null)).toBe('10.1.1.1');
    expect(behind('10.1.1.1', '203.0.113.5, unknown, 10.2.2.2')).toBe('10.2.2.2');
    expect(behind('10.1.1.1', '10.3.3.3')).toBe('10.3.3.3');
    expect(behind('203.0.113.1', '10.1.1.1')).toBe('203.0.113.1');
    expect([proxyList(['10.0.0.0/33']), proxyList(['x']), proxyList(['10.0.0.0/'])]).toEqual([null, null, null]);
  });
});

describe('a token bucket', () => {
  it('gives a burst, then what flows in', () => {
    const bucket = new TokenBucket({ perSecond: 10, burst: 2 }, 0);
    expect([bucket.take(0), bucket.take(0), bucket.take(0), bucket.take(50), bucket.take(100)]).toEqual([
      0, 0, 100, 50, 0,
    ]);
    expect([bucket.isFull(200), bucket.isFull(300)]).toEqual([false, true]);
    expect([bucket.take(100_000), bucket.take(100_000), bucket.take(100_000)]).toEqual([0, 0, 100]);
  });

  it('is kept for a bounded number of names, and forgotten when it is full again (I9)', async () => {
    const time = new ManualTime();
    const table = new RateTable({ perSecond: 1, burst: 1 }, time, 3);
    expect(['a', 'b', 'c', 'd', 'e', 'a'].map((name) => table.take(name) === 0)).toEqual([
      true,
      true,
      true,
      true,
      false,
      false,
    ]);
    expect(table.size).toBe(3);
    table.sweep();
    expect(table.size).toBe(3);
    await time.advance(1_000);
    table.sweep();
    expect(table.size).toBe(0);
  });
});
