import { describe, expect, it } from 'vitest';
import { judgeRedis, type RedisFacts } from './judge-redis.ts';

const settings = {
  maxMemoryPolicy: 'noeviction',
  appendFsync: 'everysec',
  streamNodeMaxBytes: 512,
  recordFieldBytes: 256,
};
const good: RedisFacts = {
  flavour: 'redis',
  version: '7.0.15',
  cluster: false,
  role: 'master',
  replicas: 0,
  usedMemoryBytes: 1_000_000,
  maxMemoryBytes: 1_000_000_000,
  appendOnly: true,
  settings,
};
const codes = (facts: RedisFacts, level: 'memory' | 'disk' | 'replicated' = 'memory'): readonly string[] =>
  judgeRedis(facts, level).map(({ severity, code }) => `${severity} ${code}`);

describe('a Redis', () => {
  it('as it should be is not complained of', () => {
    expect(codes(good)).toEqual([]);
    expect(codes({ ...good, settings: { ...settings, appendFsync: 'always' } }, 'disk')).toEqual([]);
    expect(codes({ ...good, flavour: 'valkey', version: '8.1.0' })).toEqual([]);
  });

  it('without functions is refused', () => {
    expect(codes({ ...good, version: '6.2.14' })).toEqual(['refuse too_old']);
    expect(codes({ ...good, version: '10.0.0' })).toEqual([]);
  });

  it('that is a replica is refused', () => {
    expect(codes({ ...good, role: 'slave' })).toEqual(['refuse not_a_master']);
    expect(codes({ ...good, role: 'slave', cluster: true })).toEqual([]);
  });

  it('that does not sync before it answers is refused at ack level disk', () => {
    expect(codes(good, 'disk')).toEqual(['refuse not_durable']);
    expect(judgeRedis(good, 'disk')[0]?.message).toContain('everysec');
    expect(codes({ ...good, appendOnly: false }, 'disk')).toEqual(['refuse not_durable']);
  });

  it('without a log loses messages, which is said', () => {
    expect(codes({ ...good, appendOnly: false })).toEqual(['warn loses_on_restart']);
  });

  it('that would delete messages when full is refused, and warned of while it has no limit', () => {
    const evicting = { ...good, settings: { ...settings, maxMemoryPolicy: 'allkeys-lru' } };
    expect(codes(evicting)).toEqual(['refuse evicts']);
    expect(codes({ ...evicting, maxMemoryBytes: 0 })).toEqual(['warn evicts', 'advice no_memory_limit']);
  });

  it('that hides its settings is said to, and not believed to be durable', () => {
    expect(codes({ ...good, settings: null })).toEqual(['warn settings_hidden']);
    expect(codes({ ...good, settings: null }, 'disk')).toEqual(['warn not_durable', 'warn settings_hidden']);
  });

  it('with large stream nodes gets advice', () => {
    expect(codes({ ...good, settings: { ...settings, streamNodeMaxBytes: 4096 } })).toEqual([
      'advice large_stream_nodes',
    ]);
    expect(codes({ ...good, settings: { ...settings, streamNodeMaxBytes: 0 } })).toEqual(['advice large_stream_nodes']);
    expect(codes({ ...good, settings: { ...settings, recordFieldBytes: 64 } })).toEqual(['advice large_records']);
  });

  it('without a replica is warned of at ack level replicated', () => {
    expect(codes(good, 'replicated')).toEqual(['warn no_replica']);
    expect(codes({ ...good, replicas: 1 }, 'replicated')).toEqual([]);
    expect(codes({ ...good, cluster: true, replicas: 1 }, 'replicated')).toEqual([]);
  });
});
