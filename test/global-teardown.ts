import type { RedisServer } from './support/redis-server.ts';

export default async function teardown(): Promise<void> {
  await (globalThis as { testRedis?: RedisServer }).testRedis?.stop();
}
