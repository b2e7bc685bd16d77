// npm run bench -- limits: what limits and usage cost a request. Figures are printed and
// nothing more: a machine that is shared gives others.
import { createClient } from '@keyv/redis';
import { RateLimiterRedis } from 'rate-limiter-flexible';
import { limiter, memoryLimits, memoryUsage, usageTracker } from '@portcullis/limits';
import { redisLimits, redisUsage } from '@portcullis/limits/redis';
import { contextFor } from '@portcullis/testing/contexts';
import { startRedis } from '@portcullis/testing/redis';

const rounds = Number(process.env.BENCH_ROUNDS ?? 20_000);
const all = {
  requestsPerMinute: 1e9,
  requestsPerDay: 1e9,
  userRequestsPerMinute: 1e9,
  userRequestsPerDay: 1e9,
  concurrentCalls: 1e9,
  userConcurrentCalls: 1e9,
};
const contexts = Array.from({ length: 1000 }, (_none, at) =>
  contextFor({ tenant: `t${at % 100}`, subject: `u${at}`, settings: { limits: all, quotas: { callsPerMonth: 1e9 } } }),
);

/** One after the other for the time of each, and 64 at one time for how many there are in a second. */
async function measure(name, work) {
  for (let at = 0; at < Math.min(rounds, 2000); at++) await work(at);
  const times = [];
  for (let at = 0; at < rounds; at++) {
    const startedAt = performance.now();
    await work(at);
    times.push(performance.now() - startedAt);
  }
  times.sort((one, two) => one - two);
  const startedAt = performance.now();
  let next = 0;
  const worker = async () => {
    while (next < rounds) await work(next++);
  };
  await Promise.all(Array.from({ length: 64 }, worker));
  const perSecond = (rounds / (performance.now() - startedAt)) * 1000;
  const at = (share) => `${(times[Math.floor(share * rounds)] * 1000).toFixed(1)} µs`.padStart(10);
  console.log(`${name.padEnd(44)} p50 ${at(0.5)}  p99 ${at(0.99)}  ${perSecond.toFixed(0).padStart(8)} a second`);
}

const server = await startRedis();
const client = createClient({ url: server.url, disableOfflineQueue: true });
await client.connect();
try {
  const memory = limiter({ store: memoryLimits() });
  const redis = limiter({ store: redisLimits(client, { timeoutMs: 5000 }) });
  await measure('a request, in memory', (at) => memory.request(contexts[at % 1000]));
  await measure('a call and its release, in memory', async (at) => (await memory.call(contexts[at % 1000])).release());
  await measure('a request, on Redis: four limits, one script', (at) => redis.request(contexts[at % 1000]));
  await measure('a call and its release, on Redis', async (at) => (await redis.call(contexts[at % 1000])).release());
  const library = new RateLimiterRedis({ storeClient: client, useRedisPackage: true, points: 1e9, duration: 60 });
  await measure('rate-limiter-flexible, one fixed window', (at) => library.consume(`u${at % 1000}`));

  const refused = contextFor({ tenant: 'noisy', settings: { limits: { requestsPerMinute: 1 } } });
  await redis.request(refused);
  await measure('a refusal, remembered', (at) => redis.request(refused, at).catch(() => undefined));

  const tracker = usageTracker({ sink: memoryUsage() });
  await measure('a count of usage', (at) => {
    const { tenant, identity } = contexts[at % 1000];
    tracker.record({
      tenant: tenant.id,
      user: identity.key,
      tool: 'note_read',
      outcome: 'allowed',
      latencyMs: at % 50,
      at: Date.now(),
    });
  });
  await tracker.close();

  const flushed = usageTracker({ sink: redisUsage(client, { timeoutMs: 10_000 }) });
  for (let at = 0; at < 10_000; at++) {
    const { tenant, identity } = contexts[at % 1000];
    flushed.record({
      tenant: tenant.id,
      user: identity.key,
      tool: `tool-${at % 5}`,
      outcome: 'allowed',
      latencyMs: at % 50,
      at: Date.now(),
    });
  }
  const startedAt = performance.now();
  await flushed.close();
  console.log(`a flush to Redis of 10,000 requests: ${(performance.now() - startedAt).toFixed(0)} ms`);

  await noisyNeighbour();
} finally {
  client.destroy();
  await server.stop();
}

/** What a quiet tenant waits beside one that sends without end. */
async function noisyNeighbour() {
  const limits = limiter({ store: redisLimits(client, { timeoutMs: 5000 }) });
  const noisy = contextFor({ tenant: 'noisy-2', settings: { limits: { requestsPerMinute: 100 } } });
  const quiet = contextFor({ tenant: 'quiet', settings: { limits: { requestsPerMinute: 1e6 } } });
  const quietly = async () => {
    const times = [];
    for (let at = 0; at < 1000; at++) {
      const startedAt = performance.now();
      await limits.request(quiet);
      times.push(performance.now() - startedAt);
    }
    return times.sort((one, two) => one - two);
  };
  const alone = await quietly();
  let isOver = false;
  let refusals = 0;
  const shouting = Promise.all(
    Array.from({ length: 16 }, async () => {
      while (!isOver) {
        await limits.request(noisy).catch(() => refusals++);
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
    }),
  );
  const beside = await quietly();
  isOver = true;
  await shouting;
  const ms = (times, share) => times[Math.floor(share * 1000)].toFixed(2);
  console.log(
    `a quiet tenant: p50 ${ms(alone, 0.5)} ms, p99 ${ms(alone, 0.99)} ms alone; p50 ${ms(beside, 0.5)} ms, p99 ${ms(beside, 0.99)} ms beside a noisy one that was refused ${refusals} times; refused: 0`,
  );
}
