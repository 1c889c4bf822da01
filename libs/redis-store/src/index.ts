export { holdArchive, type ArchiveHold } from './archive-hold.ts';
export { defaultCommitPipeLimits, type CommitPipeLimits } from './commit-pipe.ts';
export { inspectRedis, type RedisInspection } from './inspect-redis.ts';
export { type RedisFacts, type RedisFinding, type RedisSettings } from './judge-redis.ts';
export { defaultNodeStreamLimits, type NodeStreamLimits } from './node-stream-limits.ts';
export { markCopied, snapshotRedis, type RedisSnapshot } from './redis-copies.ts';
export { isRedisUrl, withoutPassword } from './redis-address.ts';
export { RedisStores, type ConnectError, type RedisStoresOptions, type StoreHealth } from './redis-stores.ts';
export { type StoreObserver } from './store-observer.ts';
