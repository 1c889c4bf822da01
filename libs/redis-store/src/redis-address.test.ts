import { describe, expect, it } from 'vitest';
import { isRedisUrl, parseSentinelUrl, withoutPassword } from './redis-address.ts';

describe('the address of a Redis behind Sentinels', () => {
  it('names them, the master, and who asks', () => {
    expect(parseSentinelUrl('redis+sentinel://a:1,b,[::1]:3/main')).toEqual({
      ok: true,
      value: {
        sentinels: [
          { host: 'a', port: 1 },
          { host: 'b', port: 26_379 },
          { host: '::1', port: 3 },
        ],
        name: 'main',
        username: null,
        password: null,
        sentinelUsername: null,
        sentinelPassword: null,
        tls: false,
      },
    });
    const full = 'rediss+sentinel://me:p%40ss@a/main?sentinel-username=you&sentinel-password=s%26t';
    expect(parseSentinelUrl(full)).toMatchObject({
      ok: true,
      value: { username: 'me', password: 'p@ss', sentinelUsername: 'you', sentinelPassword: 's&t', tls: true },
    });
    expect(parseSentinelUrl('redis+sentinel://:secret@a/main')).toMatchObject({
      ok: true,
      value: { username: null, password: 'secret' },
    });
  });

  it.each([
    'redis+sentinel://a:1',
    'redis+sentinel://a:1/',
    'redis+sentinel:///main',
    'redis+sentinel://a:0/main',
    'redis+sentinel://a:1,,b/main',
    'redis+sentinel://a:1/main/0',
    'redis+sentinel://a:1/main?db=1',
    'redis+sentinel://:%zz@a:1/main',
  ])('is refused as %s', (url) => {
    expect(parseSentinelUrl(url).ok).toBe(false);
    expect(isRedisUrl(url)).toBe(false);
  });

  it('is one of the addresses that are taken', () => {
    expect(['redis://a:1', 'rediss://a', 'unix:///a', 'redis+sentinel://a,b/main'].filter(isRedisUrl)).toHaveLength(4);
    expect(['http://a', 'a:1', 'redis+cluster://a/b', ''].filter(isRedisUrl)).toEqual([]);
  });

  it('is shown without passwords', () => {
    const url = 'redis+sentinel://me:hunter2@a:1,[::1]/main?sentinel-password=hunter3';
    expect(withoutPassword(url)).toBe('redis+sentinel://***:***@a:1,[::1]:26379/main');
    expect(withoutPassword('redis+sentinel://hunter2/')).not.toContain('hunter');
    expect(withoutPassword('redis://user:hunter2@redis:6379/1')).toBe('redis://***:***@redis:6379/1');
    expect(withoutPassword('redis://redis:6379')).toBe('redis://redis:6379');
    expect(withoutPassword('hunter2')).not.toContain('hunter2');
  });
});
