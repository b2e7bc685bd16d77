import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import type { PolicyDecisionPoint } from '@portcullis/core';
import { shadow, type ShadowEvent } from './shadow.js';
import { ask, away, never, TestEngine, unavailable } from './test-engine.js';

describe('a shadow', () => {
  function pair(options: { maxConcurrent?: number; deadlineMs?: number } = {}): {
    own: TestEngine;
    other: TestEngine;
    events: ShadowEvent[];
    pdp: PolicyDecisionPoint;
  } {
    const [own, other] = [new TestEngine('own'), new TestEngine('other')];
    const events: ShadowEvent[] = [];
    return {
      own,
      other,
      events,
      pdp: shadow(own, { engine: other, onEvent: (event) => events.push(event), ...options }),
    };
  }

  it('tells what it would have decided, and changes nothing', async () => {
    const { other, events, pdp } = pair();
    other.decide = (decision) =>
      decision.action === 'write' ? { ...decision, effect: 'allow', policy: 'next', obligations: [] } : decision;
    const answer = await pdp.check(ask('alice', ['1'], { requestId: 'r1' }));
    expect(answer[0]?.map(({ effect, engine }) => [effect, engine])).toEqual([
      ['allow', 'own'],
      ['deny', 'own'],
    ]);
    await vi.waitFor(() => {
      expect(events).toMatchObject([
        {
          type: 'difference',
          aspects: ['effect', 'policy', 'obligations'],
          principal: { id: 'alice' },
          scope: 'acme',
          requestId: 'r1',
          action: 'write',
          enforced: { effect: 'deny' },
          shadow: { effect: 'allow', policy: 'next', obligations: [] },
        },
      ]);
    });
  });

  it('asks no more than may be at the same time, though all came at once', async () => {
    const { other, events, pdp } = pair({ maxConcurrent: 1 });
    other.before = never;
    await Promise.all(Array.from({ length: 5 }, () => pdp.check(ask())));
    await vi.waitFor(() => {
      expect(events).toEqual(Array.from({ length: 4 }, () => ({ type: 'skipped' })));
    });
    expect(other.asked).toHaveLength(1);
  });

  it('is not asked once it is closed, and takes no bound that is none', async () => {
    const { own, other, pdp } = pair();
    await pdp.close();
    await pdp.check(ask());
    await turn();
    expect([own.asked.length, other.asked.length]).toEqual([1, 0]);
    for (const options of [{ maxConcurrent: 0 }, { deadlineMs: 0 }, { deadlineMs: NaN }])
      expect(() => pair(options)).toThrow(expect.objectContaining({ code: 'config_invalid' }));
  });

  it('tells nothing when it agrees, in whatever order its obligations are', async () => {
    const { own, other, events, pdp } = pair();
    const [a, b] = ['a', 'b'].map((id) => ({ id, type: 'mask', properties: {} }));
    own.decide = (decision) => ({ ...decision, obligations: [a!, b!] });
    other.decide = (decision) => ({ ...decision, obligations: [b!, a!], callId: 'z', durationMs: 9, outputs: [] });
    await pdp.check(ask());
    await turn();
    await turn();
    expect(other.asked).toHaveLength(1);
    expect(events).toEqual([]);
  });

  it('cannot reach what is enforced, nor can who is told', async () => {
    const own = new TestEngine('own');
    const other = new TestEngine('other');
    other.before = (request) => {
      (request.principal.roles as string[]).length = 0;
    };
    let told = 0;
    const pdp = shadow(own, {
      engine: other,
      onEvent: (event) => {
        told++;
        if (event.type === 'difference') {
          (event.enforced as { effect: string }).effect = 'deny';
          for (const { properties } of event.enforced.obligations) (properties as { of: string }).of = 'nobody';
        }
        throw new Error('the observer is broken');
      },
    });
    const request = ask();
    const answer = await pdp.check(request);
    await vi.waitFor(() => {
      expect(told).toBe(1);
    });
    expect(answer[0]?.[0]).toMatchObject({ effect: 'allow', obligations: [{ properties: { of: 'alice' } }] });
    expect(request.principal.roles).toEqual(['member']);
  });

  it('is not waited for, and holds its place while it hangs: further questions are skipped', async () => {
    const { own, other, events, pdp } = pair({ maxConcurrent: 2, deadlineMs: 5 });
    other.before = never;
    for (let times = 0; times < 5; times++) await pdp.check(ask());
    await vi.waitFor(() => {
      expect(events.map(({ type }) => type).sort()).toEqual(['failure', 'failure', 'skipped', 'skipped', 'skipped']);
    });
    await pdp.check(ask());
    await turn();
    await turn();
    expect([own.asked.length, other.asked.length]).toEqual([6, 2]);
    expect(other.signals.map((signal) => signal?.aborted)).toEqual([true, true]);
  });

  it('tells its failures and nonsense, and does not throw them', async () => {
    const { own, other, events, pdp } = pair();
    other.before = away;
    await pdp.check(ask());
    await vi.waitFor(() => {
      expect(events).toMatchObject([{ type: 'failure', error: unavailable }]);
    });
    other.before = () => undefined;
    other.decide = (decision) => ({ ...decision, resource: { kind: 'doc', id: 'another' } });
    await pdp.check(ask());
    await vi.waitFor(() => {
      expect(events.map(({ type }) => type)).toEqual(['failure', 'failure']);
    });
    own.before = away;
    await expect(pdp.check(ask())).rejects.toMatchObject(unavailable);
  });

  it('is closed with the engine, and is asked nothing more', async () => {
    const { own, other, events, pdp } = pair();
    await pdp.check(ask());
    await pdp.close();
    await turn();
    await turn();
    expect([own.closed, other.closed, other.asked.length, events.length]).toEqual([1, 1, 0, 0]);
  });

  it('is asked what was asked, whatever the caller does to its question while it waits or afterwards', async () => {
    const { own, other, events, pdp } = pair();
    const roles = ['guest'];
    const mine = { ...ask(), principal: { id: 'a', roles, attr: {} } };
    own.before = turn;
    const pending = pdp.check(mine);
    roles.push('member');
    await pending;
    roles.push('admin');
    await vi.waitFor(() => {
      expect(other.asked).toHaveLength(1);
    });
    expect(other.asked[0]?.principal.roles).toEqual(['guest']);
    expect(events.every(({ type }) => type === 'difference')).toBe(true);
  });

  it('is compared with what was answered, whatever the caller makes of it', async () => {
    const { other, events, pdp } = pair();
    const [row] = await pdp.check(ask());
    (row![0] as { effect: string }).effect = 'deny';
    await vi.waitFor(() => {
      expect(other.asked).toHaveLength(1);
    });
    await turn();
    expect(events).toEqual([]);
  });

  it('is not asked what a copy would change, and that is told', async () => {
    const { other, events, pdp } = pair();
    const attr = { at: new URL('https://example.com') as never };
    await pdp.check(
      ask('a', [], { questions: [{ ...ask().questions[0]!, resource: { ...ask().questions[0]!.resource, attr } }] }),
    );
    await vi.waitFor(() => {
      expect(events).toMatchObject([{ type: 'failure', error: { name: 'TypeError' } }]);
    });
    expect(other.asked).toEqual([]);
  });
});
