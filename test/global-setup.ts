import { type RedisServer, startRedis } from './support/redis-server.ts';

/** Starts one redis-server for all suites. Each suite uses its own partitions, or starts another server to break it. */
export default async function setup(): Promise<void> {
  const redis = await startRedis(['--appendonly', 'yes', '--maxmemory-policy', 'noeviction']);
  process.env.TEST_REDIS_URL = redis.url;
  (globalThis as { testRedis?: RedisServer }).testRedis = redis;
}
