import { LRUCache } from 'lru-cache';
import { describe, expect, it, vi } from 'vitest';
import { tenantId, type PolicyDecisionPoint } from '@portcullis/core';
import { cached } from './cached.js';
import { ask, away, TestEngine, unavailable } from './test-engine.js';

describe('a cache', () => {
  function make(options: Partial<Parameters<typeof cached>[1]> = {}): {
    engine: TestEngine;
    pdp: PolicyDecisionPoint;
    at: { now: number; revision: string | undefined };
  } {
    const engine = new TestEngine();
    const at = { now: 0, revision: 'r1' as string | undefined };
    return { engine, at, pdp: cached(engine, { revisionOf: () => at.revision, now: () => at.now, ...options }) };
  }

  it('answers the same question from memory until the time is over, with its obligations and outputs', async () => {
    const { engine, at, pdp } = make();
    const first = await pdp.check(ask('a', ['1', '2'], { requestId: 'r1' }));
    at.now = 999;
    expect(await pdp.check(ask('a', ['1', '2'], { requestId: 'r2' }))).toEqual(first);
    expect(engine.asked).toHaveLength(1);
    at.now = 1000;
    engine.before = () => (at.now += 600); // the time that the engine takes counts
    await pdp.check(ask('a', ['1', '2']));
    expect(engine.asked).toHaveLength(2);
    at.now = 2000;
    await pdp.check(ask('a', ['1', '2']));
    expect(engine.asked).toHaveLength(3);
  });

  it.each([
    ['another principal', ask('b')],
    ['another role', ask('a', ['1'], { roles: ['guest'] })],
    ['another scope', ask('a', ['1'], { scope: 'globex' })],
    ['another version', ask('a', ['1'], { policyVersion: 'next' })],
    ['another resource', ask('a', ['2'])],
    ['another attribute', ask('a', ['1'], { principal: { id: 'a', roles: ['member'], attr: { team: 'b' } } })],
  ])('asks again for %s', async (_what, other) => {
    const { engine, pdp } = make();
    await pdp.check(ask('a'));
    await pdp.check(other);
    expect(engine.asked).toHaveLength(2);
  });

  it('asks again for another tenant’s resource of the same name', async () => {
    const { engine, pdp } = make();
    await pdp.check(ask('a'));
    const [question] = ask('a').questions;
    await pdp.check(
      ask('a', [], { questions: [{ ...question!, resource: { ...question!.resource, tenant: tenantId('globex') } }] }),
    );
    expect(engine.asked).toHaveLength(2);
  });

  it('keeps nothing across revisions, nor while the revision is not known, nor when it changes meanwhile', async () => {
    const { engine, at, pdp } = make();
    await pdp.check(ask());
    at.revision = 'r2';
    await pdp.check(ask());
    expect(engine.asked).toHaveLength(2);
    at.revision = undefined;
    await pdp.check(ask());
    await pdp.check(ask());
    expect(engine.asked).toHaveLength(4);
    at.revision = 'r3';
    engine.before = () => (at.revision = 'r4');
    await pdp.check(ask('b'));
    at.revision = 'r3';
    await pdp.check(ask('b'));
    expect(engine.asked).toHaveLength(6);
  });

  it('never keeps a failure, nor half an answer', async () => {
    const { engine, pdp } = make();
    engine.before = away;
    await expect(pdp.check(ask())).rejects.toMatchObject(unavailable);
    engine.before = () => undefined;
    expect(await pdp.check(ask())).toHaveLength(1);
    engine.decide = (decision) => ({ ...decision, action: 'another' });
    await pdp.check(ask('b'));
    await pdp.check(ask('b'));
    expect(engine.asked).toHaveLength(4);
  });

  it('keeps no answer to what has no key, which would be one for all of those', async () => {
    const { engine, pdp } = make();
    // What callers in JavaScript may send.
    const dated = (id: string) =>
      ask(id, ['1'], { principal: { id, roles: ['member'], attr: { since: new Date() as never } } });
    await pdp.check(dated('a'));
    await pdp.check(dated('b'));
    expect(engine.asked).toHaveLength(2);
    engine.decide = (decision) => ({ ...decision, outputs: [new Date() as never] });
    await pdp.check(ask());
    await pdp.check(ask());
    expect(engine.asked).toHaveLength(4);
  });

  it('gives nobody a way to change what the next one gets', async () => {
    const { pdp } = make();
    const [first] = await pdp.check(ask('a', ['1'], { roles: [] }));
    (first![0] as { effect: string }).effect = 'allow';
    const [second] = await pdp.check(ask('a', ['1'], { roles: [] }));
    expect(second![0]!.effect).toBe('deny');
    expect(() => {
      (second![0] as { effect: string }).effect = 'allow';
    }).toThrow(TypeError);
  });

  it('keeps no answer to a question that the caller changed meanwhile', async () => {
    const { engine, pdp } = make();
    const mine = ask('a', ['1'], { roles: [] });
    engine.before = (request) => {
      (request.principal.roles as string[]).push('member');
    };
    await pdp.check(mine);
    engine.before = () => undefined;
    const [answer] = await pdp.check(ask('a', ['1'], { roles: [] }));
    expect(answer![0]!.effect).toBe('deny');
  });

  it('keeps no more than may be, and nothing after it is closed', async () => {
    const { engine, pdp } = make({ maxBytes: 6000 });
    for (let each = 0; each < 50; each++) await pdp.check(ask('a', [String(each)]));
    await pdp.check(ask('a', ['49']));
    expect(engine.asked).toHaveLength(50);
    await pdp.check(ask('a', ['0']));
    expect(engine.asked).toHaveLength(51);
    await pdp.close();
    await pdp.check(ask('a', ['0']));
    await pdp.check(ask('a', ['0']));
    expect([engine.asked.length, engine.closed]).toEqual([53, 1]);
  });

  it('gives a caller that gave up nothing, also from memory', async () => {
    const { pdp } = make();
    await pdp.check(ask());
    await expect(pdp.check(ask(), { signal: AbortSignal.abort() })).rejects.toMatchObject(unavailable);
  });

  it('keeps no answer that comes after it is closed', async () => {
    const set = vi.spyOn(LRUCache.prototype, 'set');
    try {
      const { engine, pdp } = make();
      await pdp.check(ask());
      expect(set).toHaveBeenCalledTimes(1);
      engine.before = () => pdp.close();
      await pdp.check(ask('b'));
      expect(set).toHaveBeenCalledTimes(1);
    } finally {
      set.mockRestore();
    }
  });
});
