import { type RedisServer, startRedis } from './support/redis-server.ts';

/** One redis-server for all suites; each takes partitions of its own in it, or starts another one to break. */
export default async function setup(): Promise<void> {
  const redis = await startRedis(['--appendonly', 'yes', '--maxmemory-policy', 'noeviction']);
  process.env.TEST_REDIS_URL = redis.url;
  (globalThis as { testRedis?: RedisServer }).testRedis = redis;
}
