export { type AofFile } from './aof-files.ts';
export { describeLocalRedisError, type LocalRedisError } from './errors.ts';
export { findRedisServer, type RedisServerBinary } from './find-redis-server.ts';
export { freePort } from './free-port.ts';
export { installRedisServer } from './install-redis-server.ts';
export { startRedisCluster, type LocalRedisCluster, type StartRedisClusterOptions } from './local-redis-cluster.ts';
export { startRedis, type LocalRedis, type StartRedisOptions } from './local-redis.ts';
export { isAlive } from './process-life.ts';
export { callRedis, type RedisReply } from './resp.ts';
