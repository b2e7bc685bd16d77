import { getEventListeners } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { cached } from './cached.js';
import { circuitBreaker } from './circuit-breaker.js';
import { coalesced } from './coalesced.js';
import { ask, away, never, TestEngine, unavailable } from './test-engine.js';
import { withFallback } from './with-fallback.js';

describe('a question that is over', () => {
  it.each([
    ['coalesced', (engine: TestEngine) => coalesced(engine)],
    ['circuitBreaker', (engine: TestEngine) => circuitBreaker(engine, { deadlineMs: 60_000 })],
    ['cached', (engine: TestEngine) => cached(engine, { revisionOf: () => 'r1', revisionDeadlineMs: 60_000 })],
    [
      'withFallback',
      (engine: TestEngine) => withFallback(engine, { fallback: engine, revisionOf: () => 'r1', deadlineMs: 60_000 }),
    ],
  ])('leaves no timer and no listener of %s behind', async (_name, around) => {
    const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const before = timers();
    const { signal } = new AbortController();
    const engine = new TestEngine();
    const pdp = around(engine);
    await Promise.all([pdp.check(ask(), { signal }), pdp.check(ask(), { signal })]);
    engine.before = away;
    await Promise.allSettled([pdp.check(ask('b'), { signal }), pdp.check(ask('b'), { signal })]);
    expect(timers()).toBeLessThanOrEqual(before);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it.each([
    ['circuitBreaker', (engine: TestEngine) => circuitBreaker(engine, { failures: 1, deadlineMs: 60_000 })],
    [
      'withFallback',
      (engine: TestEngine) => {
        const fallback = new TestEngine();
        fallback.before = never;
        return withFallback(engine, { fallback, revisionOf: () => 'r1', deadlineMs: 60_000 });
      },
    ],
    [
      'withFallback, which does not know the revision yet',
      (engine: TestEngine) =>
        withFallback(engine, { fallback: new TestEngine(), revisionOf: never, deadlineMs: 60_000 }),
    ],
  ])('because the client is closed leaves no timer of %s behind', async (name, around) => {
    const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const before = timers();
    const engine = new TestEngine();
    engine.before = name === 'circuitBreaker' ? never : away;
    const pdp = around(engine);
    const pending = [pdp.check(ask()), pdp.check(ask())];
    const ended = Promise.allSettled(pending);
    await turn();
    expect(timers()).toBeGreaterThan(before);
    await pdp.close();
    expect(await ended).toMatchObject([{ reason: unavailable }, { reason: unavailable }]);
    expect(timers()).toBeLessThanOrEqual(before);
  });
});
