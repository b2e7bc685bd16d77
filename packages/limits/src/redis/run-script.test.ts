import { expect, it } from 'vitest';
import type { RedisClient } from './redis-client.js';
import { redisScript, runScript } from './run-script.js';

it('an answer that comes too late and makes no sense ends no process', async () => {
  const unhandled: unknown[] = [];
  const seen = (reason: unknown): void => void unhandled.push(reason);
  process.on('unhandledRejection', seen);
  let answer: (value: unknown) => void = () => undefined;
  const client = { evalSha: () => new Promise((resolve) => (answer = resolve)) } as unknown as RedisClient;
  const late = (): never => {
    throw new TypeError('no numbers');
  };
  const input = { keys: [], values: [] };
  await expect(runScript(client, redisScript('return 1'), input, { timeoutMs: 5, late })).rejects.toThrow('no answer');
  answer('nonsense');
  await new Promise((resolve) => setTimeout(resolve, 20));
  process.off('unhandledRejection', seen);
  expect(unhandled).toEqual([]);
});
