import { describe, expect, it } from 'vitest';
import type { PolicyDecisionPoint } from '@portcullis/core';
import { ask, away, never, planOf, TestEngine, unavailable } from './test-engine.js';
import { withFallback, type FallbackEvent } from './with-fallback.js';

describe('a fallback', () => {
  function pair(
    revisionOf: (engine: PolicyDecisionPoint) => string | undefined | Promise<string | undefined> = () => 'r1',
  ): {
    own: TestEngine;
    other: TestEngine;
    events: FallbackEvent[];
    pdp: PolicyDecisionPoint;
  } {
    const [own, other] = [new TestEngine('own'), new TestEngine('other')];
    const events: FallbackEvent[] = [];
    const onFallback = (event: FallbackEvent): number => events.push(event);
    return { own, other, events, pdp: withFallback(own, { fallback: other, revisionOf, onFallback, deadlineMs: 20 }) };
  }

  it('decides while the engine is away, and only then', async () => {
    const { own, other, events, pdp } = pair();
    expect((await pdp.check(ask()))[0]?.[0]?.engine).toBe('own');
    expect(other.asked).toHaveLength(0);
    own.before = away;
    expect((await pdp.check(ask()))[0]?.map(({ effect, engine }) => [effect, engine])).toEqual([
      ['allow', 'other'],
      ['deny', 'other'],
    ]);
    expect(await pdp.plan(planOf)).toMatchObject({ engine: 'other' });
    expect(events).toEqual([
      { type: 'used', revision: 'r1' },
      { type: 'used', revision: 'r1' },
    ]);
    own.before = () => {
      throw new TypeError('malformed');
    };
    await expect(pdp.check(ask())).rejects.toThrow(TypeError);
  });

  it.each([
    ['differ', (engine: PolicyDecisionPoint) => engine.engine, 'revision_differs'],
    ['are not known', () => undefined, 'revision_unknown'],
    ['are empty', () => '', 'revision_unknown'],
    [
      'are not known of the first',
      ({ engine }: PolicyDecisionPoint) => (engine === 'own' ? undefined : 'r1'),
      'revision_unknown',
    ],
    [
      'are not known of the fallback',
      ({ engine }: PolicyDecisionPoint) => (engine === 'own' ? 'r1' : undefined),
      'revision_unknown',
    ],
    ['cannot be asked', away, 'revision_unknown'],
    ['are not said in time', never, 'revision_unknown'],
    ['are no text', () => 7 as unknown as string, 'revision_unknown'],
  ])('does not decide when the revisions %s', async (_what, revisionOf, reason) => {
    const { own, other, events, pdp } = pair(revisionOf);
    own.before = away;
    await expect(pdp.check(ask())).rejects.toMatchObject({ ...unavailable, detail: 'away' });
    await expect(pdp.plan(planOf)).rejects.toMatchObject({ ...unavailable, detail: 'away' });
    expect(other.asked).toHaveLength(0);
    expect(events).toEqual([
      { type: 'refused', reason },
      { type: 'refused', reason },
    ]);
  });

  it('does not decide when policies are replaced while it does', async () => {
    let revision = 'r1';
    const { own, other, events, pdp } = pair(() => revision);
    own.before = away;
    other.before = () => (revision = 'r2');
    await expect(pdp.check(ask())).rejects.toMatchObject({ detail: 'away' });
    expect(events).toEqual([{ type: 'refused', reason: 'revision_differs' }]);
  });

  it('passes the failure on when it fails itself, hangs, or answers something else', async () => {
    const { own, other, events, pdp } = pair();
    own.before = away;
    for (const before of [() => Promise.reject(new Error('broken')), never]) {
      other.before = before;
      await expect(pdp.check(ask())).rejects.toMatchObject({ detail: 'away' });
    }
    other.before = () => undefined;
    other.decide = (decision) => ({ ...decision, resource: { kind: 'doc', id: 'another' } });
    await expect(pdp.check(ask())).rejects.toMatchObject({ detail: 'away' });
    expect(events.map(({ type }) => type)).toEqual(['failed', 'failed', 'failed']);
  });

  it.each([0, -1, NaN])('takes no deadline of %s', (deadlineMs) => {
    const engine = new TestEngine();
    expect(() => withFallback(engine, { fallback: engine, revisionOf: () => 'r1', deadlineMs })).toThrow(
      expect.objectContaining({ code: 'config_invalid' }),
    );
  });

  it('is not asked for a caller that gave up', async () => {
    const { own, other, events, pdp } = pair();
    const controller = new AbortController();
    own.before = () => {
      controller.abort();
      away();
    };
    await expect(pdp.check(ask(), { signal: controller.signal })).rejects.toMatchObject(unavailable);
    expect([other.asked, events]).toEqual([[], []]);
    await pdp.close();
    expect([own.closed, other.closed]).toEqual([1, 1]);
  });
});
