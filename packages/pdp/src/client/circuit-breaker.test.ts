import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { PortcullisError } from '@portcullis/core';
import { circuitBreaker } from './circuit-breaker.js';
import { refused } from '../unavailable.js';
import { ask, away, never, planOf, TestEngine, unavailable } from './test-engine.js';

describe('a circuit breaker', () => {
  it('opens after failures in a row, tries one question after a while, and closes on its success', async () => {
    let now = 0;
    const states: string[] = [];
    const engine = new TestEngine();
    const pdp = circuitBreaker(engine, {
      failures: 2,
      openMs: 100,
      now: () => now,
      onState: (state) => states.push(state),
    });
    engine.before = away;
    for (let times = 0; times < 5; times++) await expect(pdp.check(ask())).rejects.toMatchObject(unavailable);
    expect(engine.asked).toHaveLength(2);
    now = 100;
    await expect(pdp.plan(planOf)).rejects.toMatchObject({ detail: 'away' });
    await expect(pdp.plan(planOf)).rejects.toMatchObject({ detail: expect.stringContaining('open') as string });
    now = 200;
    engine.before = turn;
    const [probe, other] = await Promise.allSettled([pdp.check(ask()), pdp.check(ask())]);
    expect([probe.status, other.status]).toEqual(['fulfilled', 'rejected']);
    await pdp.check(ask());
    expect(states).toEqual(['open', 'half_open', 'open', 'half_open', 'closed']);
  });

  it('counts a deadline, and tells the engine to give up', async () => {
    const engine = new TestEngine();
    engine.before = never;
    const pdp = circuitBreaker(engine, { failures: 1, deadlineMs: 5, openMs: 60_000 });
    await expect(pdp.check(ask())).rejects.toMatchObject({ ...unavailable, detail: 'no answer within 5 ms' });
    expect(engine.signals[0]?.aborted).toBe(true);
    await expect(pdp.check(ask())).rejects.toMatchObject(unavailable);
    expect(engine.asked).toHaveLength(1);
  });

  it('counts neither a caller that gives up, nor a misuse, nor what it is told not to count', async () => {
    const engine = new TestEngine();
    const counts = ({ detail }: PortcullisError): boolean => detail !== 'malformed';
    const pdp = circuitBreaker(engine, { failures: 1, openMs: 60_000, counts });
    const controller = new AbortController();
    engine.before = never;
    const given = pdp.check(ask(), { signal: controller.signal });
    controller.abort();
    await expect(given).rejects.toMatchObject({ ...unavailable, detail: 'the caller gave up' });
    await expect(pdp.check(ask(), { signal: controller.signal })).rejects.toMatchObject(unavailable);
    expect(engine.asked).toHaveLength(1);
    // What an engine of this package refuses needs no telling.
    engine.before = () => {
      throw refused('malformed');
    };
    const told = circuitBreaker(engine, { failures: 1, openMs: 60_000 });
    for (let asked = 0; asked < 2; asked++)
      await expect(told.check(ask())).rejects.toMatchObject({ detail: 'malformed' });
    const unsure = circuitBreaker(engine, { failures: 1, openMs: 60_000, counts: away });
    engine.before = away;
    await expect(unsure.check(ask())).rejects.toMatchObject({ detail: 'away' });
    await expect(unsure.check(ask())).rejects.toMatchObject({ detail: expect.stringContaining('open') as string });
    engine.before = () => Promise.reject(new TypeError('misuse'));
    await expect(pdp.check(ask())).rejects.toThrow(TypeError);
    engine.before = () => Promise.reject(new PortcullisError('pdp_unavailable', undefined, { detail: 'malformed' }));
    await expect(pdp.check(ask())).rejects.toMatchObject(unavailable);
    engine.before = () => undefined;
    expect(await pdp.check(ask())).toHaveLength(1);
  });

  it('closes its engine, and takes no bound that is none', async () => {
    const engine = new TestEngine();
    await circuitBreaker(engine).close();
    expect(engine.closed).toBe(1);
    for (const options of [{ failures: 0 }, { openMs: -1 }, { deadlineMs: 0 }])
      expect(() => circuitBreaker(engine, options)).toThrow(expect.objectContaining({ code: 'config_invalid' }));
  });

  it('has one question out at a time while it finds out, whatever becomes of those from before', async () => {
    let now = 0;
    const engine = new TestEngine();
    engine.before = never;
    const pdp = circuitBreaker(engine, { failures: 1, openMs: 10, deadlineMs: 60_000, now: () => now });
    const before = Array.from({ length: 3 }, () => new AbortController());
    const old = before.map(({ signal }) => pdp.check(ask(), { signal }));
    engine.before = away;
    await expect(pdp.check(ask())).rejects.toMatchObject({ detail: 'away' });
    now = 10;
    engine.before = never;
    const last = new AbortController();
    const probe = pdp.check(ask(), { signal: last.signal });
    for (const [index, controller] of before.entries()) {
      controller.abort();
      await expect(old[index]).rejects.toMatchObject(unavailable);
      await expect(pdp.check(ask())).rejects.toMatchObject({ detail: expect.stringContaining('open') as string });
    }
    expect(engine.asked).toHaveLength(5);
    last.abort();
    await expect(probe).rejects.toMatchObject(unavailable);
    engine.before = () => undefined;
    expect(await pdp.check(ask())).toHaveLength(1);
  });
});
