import { getEventListeners } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { metrics, trace } from '@opentelemetry/api';
import { describe, expect, it, vi } from 'vitest';
import {
  PortcullisError,
  tenantId,
  type CallOptions,
  type CheckRequest,
  type Decision,
  type PlanRequest,
  type PolicyDecisionPoint,
} from '@portcullis/core';
import {
  cached,
  circuitBreaker,
  coalesced,
  shadow,
  traced,
  withFallback,
  type FallbackEvent,
  type ShadowEvent,
} from './index.js';

type Answer = readonly (readonly Decision[])[];

/** Decides at once: `read` is allowed to whoever has the role `member`. Each test may put something before it. */
class Engine implements PolicyDecisionPoint {
  readonly engine: string;
  readonly asked: CheckRequest[] = [];
  readonly signals: (AbortSignal | undefined)[] = [];
  closed = 0;
  before: (request: CheckRequest) => unknown = () => undefined;
  decide: (decision: Decision) => Decision = (decision) => decision;

  constructor(engine = 'test') {
    this.engine = engine;
  }

  async check(request: CheckRequest, { signal }: CallOptions = {}): Promise<Answer> {
    this.asked.push(request);
    this.signals.push(signal);
    const callId = `${this.engine}-${String(this.asked.length)}`;
    await this.before(request);
    return request.questions.map(({ resource, actions }) =>
      actions.map((action) =>
        this.decide({
          effect: action === 'read' && request.principal.roles.includes('member') ? 'allow' : 'deny',
          action,
          resource: { kind: resource.kind, id: resource.id },
          policy: 'resource.doc.vdefault',
          policyVersion: request.policyVersion ?? 'default',
          scope: request.scope,
          outputs: [{ source: 'rule', action, value: resource.id }],
          obligations: [{ id: resource.id, type: 'mask', properties: { of: request.principal.id } }],
          callId,
          durationMs: 1,
          engine: this.engine,
        }),
      ),
    );
  }

  async plan({
    requestId = 'x',
  }: PlanRequest): Promise<{ callId: string; durationMs: number; engine: string; outcome: 'always_denied' }> {
    await this.before({} as CheckRequest);
    return { callId: requestId, durationMs: 1, engine: this.engine, outcome: 'always_denied' };
  }

  close(): Promise<void> {
    this.closed++;
    return Promise.resolve();
  }
}

function ask(
  id = 'alice',
  ids: readonly string[] = ['1'],
  more: Partial<CheckRequest> & { roles?: string[] } = {},
): CheckRequest {
  const { roles = ['member'], ...rest } = more;
  return {
    principal: { id, roles, attr: { team: 'a' } },
    scope: 'acme',
    questions: ids.map((one) => ({
      resource: { kind: 'doc', id: one, tenant: tenantId('acme') },
      actions: ['read', 'write'],
    })),
    ...rest,
  };
}

const planOf: PlanRequest = {
  principal: { id: 'alice', roles: [], attr: {} },
  scope: 'acme',
  kind: 'doc',
  action: 'read',
  tenant: tenantId('acme'),
};

const ids = (answer: Answer): readonly (string | undefined)[] => answer.map(([first]) => first?.resource.id);
const away = (): never => {
  throw new PortcullisError('pdp_unavailable', undefined, { detail: 'away' });
};
const never = (): Promise<never> => new Promise(() => undefined);
const unavailable = { code: 'pdp_unavailable' };

describe('coalesced questions', () => {
  it('are those of one principal in one turn, and each caller gets the decisions at its own places', async () => {
    const engine = new Engine();
    const pdp = coalesced(engine);
    const answers = await Promise.all([
      pdp.check(ask('a', ['1', '2'])),
      pdp.check(ask('b', ['3'])),
      pdp.check(ask('a', ['4'])),
    ]);
    expect(engine.asked.map(({ principal, questions }) => [principal.id, questions.length])).toEqual([
      ['a', 3],
      ['b', 1],
    ]);
    expect(answers.map(ids)).toEqual([['1', '2'], ['3'], ['4']]);
    await pdp.check(ask('a'));
    expect(engine.asked).toHaveLength(3);
  });

  it.each([
    ['another role', ask('a', ['2'], { roles: ['admin'] })],
    ['another scope', ask('a', ['2'], { scope: 'globex' })],
    ['another version', ask('a', ['2'], { policyVersion: 'next' })],
    ['another attribute', ask('a', ['2'], { principal: { id: 'a', roles: ['member'], attr: {} } })],
  ])('are not those of %s', async (_what, other) => {
    const engine = new Engine();
    const pdp = coalesced(engine);
    const [, second] = await Promise.all([pdp.check(ask('a')), pdp.check(other)]);
    expect(engine.asked).toHaveLength(2);
    expect(second[0]?.[0]).toMatchObject({
      scope: other.scope,
      effect: other.principal.roles.includes('member') ? 'allow' : 'deny',
    });
  });

  it('are what they were when they were asked, whatever a caller does to its objects afterwards', async () => {
    const pdp = coalesced(new Engine());
    const mine = { ...ask('a', ['1']), principal: { id: 'a', roles: ['guest'], attr: {} } };
    const first = pdp.check(mine);
    const second = pdp.check(structuredClone(mine));
    mine.principal.roles.push('member');
    (mine.questions as unknown[]).push(ask().questions[0]);
    expect((await Promise.all([first, second])).map((answer) => answer.map(([one]) => one?.effect))).toEqual([
      ['deny'],
      ['deny'],
    ]);
  });

  it('fail together when the engine is away, and alone when one of them is malformed', async () => {
    const engine = new Engine();
    const pdp = coalesced(engine);
    engine.before = away;
    const both = await Promise.allSettled([pdp.check(ask('a')), pdp.check(ask('a'))]);
    expect(both).toMatchObject([{ reason: unavailable }, { reason: unavailable }]);
    expect(engine.asked).toHaveLength(1);
    engine.before = ({ questions }) => {
      if (questions.some(({ resource }) => resource.id === 'bad')) throw new TypeError('bad');
    };
    const [good, bad] = await Promise.allSettled([pdp.check(ask('a')), pdp.check(ask('a', ['bad']))]);
    expect(good).toMatchObject({ status: 'fulfilled' });
    expect(bad).toMatchObject({ reason: new TypeError('bad') });
  });

  it('fail when the engine answers one decision too few, or another than was asked', async () => {
    const engine = new Engine();
    const pdp = coalesced({ ...portOf(engine), check: async (request) => (await engine.check(request)).slice(1) });
    await expect(Promise.all([pdp.check(ask('a', ['1'])), pdp.check(ask('a', ['2']))])).rejects.toMatchObject(
      unavailable,
    );
    const turned = coalesced({
      ...portOf(engine),
      check: async (request) => (await engine.check(request)).toReversed(),
    });
    await expect(Promise.all([turned.check(ask('a', ['1'])), turned.check(ask('a', ['2']))])).rejects.toMatchObject(
      unavailable,
    );
  });

  it('go on when one caller gives up, and are given up with the last', async () => {
    const engine = new Engine();
    const pdp = coalesced(engine);
    const [one, two] = [new AbortController(), new AbortController()];
    let go: () => void = () => undefined;
    engine.before = () => new Promise<void>((resolve) => (go = resolve));
    const given = pdp.check(ask('a'), { signal: one.signal });
    const kept = pdp.check(ask('a', ['2']), { signal: two.signal });
    await turn();
    await turn();
    one.abort();
    await expect(given).rejects.toMatchObject(unavailable);
    expect(engine.signals[0]?.aborted).toBe(false);
    go();
    expect(ids(await kept)).toEqual(['2']);
    const late = pdp.check(ask('a'), { signal: two.signal });
    const later = pdp.check(ask('a', ['2']), { signal: two.signal });
    await turn();
    await turn();
    two.abort();
    await expect(late).rejects.toMatchObject(unavailable);
    await expect(later).rejects.toMatchObject(unavailable);
    expect(engine.signals[1]?.aborted).toBe(true);
  });

  it('are not asked for those who gave up before', async () => {
    const engine = new Engine();
    const pdp = coalesced(engine);
    const controller = new AbortController();
    const given = [
      pdp.check(ask('a'), controller),
      pdp.check(ask('a', ['2']), controller),
      pdp.check(ask('b'), controller),
    ];
    const kept = pdp.check(ask('a', ['3']));
    controller.abort();
    for (const { status } of await Promise.allSettled(given)) expect(status).toBe('rejected');
    expect(ids(await kept)).toEqual(['3']);
    expect(engine.asked.flatMap(({ questions }) => questions.map(({ resource }) => resource.id))).toEqual(['3']);
  });

  it('carry a request id only if all have it, and are no more than may be', async () => {
    const engine = new Engine();
    const pdp = coalesced(engine, { maxQuestions: 2 });
    const from = (requestId: string): Promise<Answer> => pdp.check(ask('a', ['1'], { requestId }));
    await Promise.all([from('r1'), from('r1'), from('r2'), from('r3'), from('r4')]);
    expect(engine.asked.map(({ questions, requestId }) => [questions.length, requestId])).toEqual([
      [2, 'r1'],
      [2, undefined],
      [1, 'r4'],
    ]);
    expect(() => coalesced(engine, { maxQuestions: 0 })).toThrow(expect.objectContaining({ code: 'config_invalid' }));
  });

  it('reject, and do not throw, when the engine throws at once', async () => {
    const pdp = coalesced({ ...portOf(new Engine()), check: away });
    const odd = ask('a', ['1'], { principal: { id: 'a', roles: [], attr: { at: new Date(0) as never } } });
    for (const one of [ask('a'), odd, ask('a', [])]) await expect(pdp.check(one)).rejects.toMatchObject(unavailable);
  });
});

describe('a shadow', () => {
  function pair(options: { maxConcurrent?: number; deadlineMs?: number } = {}): {
    own: Engine;
    other: Engine;
    events: ShadowEvent[];
    pdp: PolicyDecisionPoint;
  } {
    const [own, other] = [new Engine('own'), new Engine('other')];
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
    const own = new Engine('own');
    const other = new Engine('other');
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
});

describe('a fallback', () => {
  function pair(
    revisionOf: (engine: PolicyDecisionPoint) => string | undefined | Promise<string | undefined> = () => 'r1',
  ): {
    own: Engine;
    other: Engine;
    events: FallbackEvent[];
    pdp: PolicyDecisionPoint;
  } {
    const [own, other] = [new Engine('own'), new Engine('other')];
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

describe('a circuit breaker', () => {
  it('opens after failures in a row, tries one question after a while, and closes on its success', async () => {
    let now = 0;
    const states: string[] = [];
    const engine = new Engine();
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
    const engine = new Engine();
    engine.before = never;
    const pdp = circuitBreaker(engine, { failures: 1, deadlineMs: 5, openMs: 60_000 });
    await expect(pdp.check(ask())).rejects.toMatchObject({ ...unavailable, detail: 'no answer within 5 ms' });
    expect(engine.signals[0]?.aborted).toBe(true);
    await expect(pdp.check(ask())).rejects.toMatchObject(unavailable);
    expect(engine.asked).toHaveLength(1);
  });

  it('counts neither a caller that gives up, nor a misuse, nor what it is told not to count', async () => {
    const engine = new Engine();
    const counts = ({ detail }: PortcullisError): boolean => detail !== 'malformed';
    const pdp = circuitBreaker(engine, { failures: 1, openMs: 60_000, counts });
    const controller = new AbortController();
    engine.before = never;
    const given = pdp.check(ask(), { signal: controller.signal });
    controller.abort();
    await expect(given).rejects.toMatchObject({ ...unavailable, detail: 'the caller gave up' });
    await expect(pdp.check(ask(), { signal: controller.signal })).rejects.toMatchObject(unavailable);
    expect(engine.asked).toHaveLength(1);
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
});

describe('a question that is over', () => {
  it.each([
    ['coalesced', (engine: Engine) => coalesced(engine)],
    ['circuitBreaker', (engine: Engine) => circuitBreaker(engine, { deadlineMs: 60_000 })],
    ['cached', (engine: Engine) => cached(engine, { revisionOf: () => 'r1', revisionDeadlineMs: 60_000 })],
    [
      'withFallback',
      (engine: Engine) => withFallback(engine, { fallback: engine, revisionOf: () => 'r1', deadlineMs: 60_000 }),
    ],
  ])('leaves no timer and no listener of %s behind', async (_name, around) => {
    const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const before = timers();
    const { signal } = new AbortController();
    const engine = new Engine();
    const pdp = around(engine);
    await Promise.all([pdp.check(ask(), { signal }), pdp.check(ask(), { signal })]);
    engine.before = away;
    await Promise.allSettled([pdp.check(ask('b'), { signal }), pdp.check(ask('b'), { signal })]);
    expect(timers()).toBeLessThanOrEqual(before);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });
});

describe('a cache', () => {
  function make(options: Partial<Parameters<typeof cached>[1]> = {}): {
    engine: Engine;
    pdp: PolicyDecisionPoint;
    at: { now: number; revision: string | undefined };
  } {
    const engine = new Engine();
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
});

describe('traces', () => {
  function telemetry(): {
    spans: unknown[];
    measured: unknown[];
    options: Parameters<typeof traced>[1];
    current: () => string | undefined;
  } {
    const spans: unknown[] = [];
    const measured: unknown[] = [];
    let current: string | undefined;
    return {
      spans,
      measured,
      current: () => current,
      options: {
        tracer: {
          startActiveSpan(name, { attributes }, run) {
            const span = { name, attributes: { ...attributes }, status: 0, ended: 0 };
            spans.push(span);
            current = name;
            try {
              return run({
                setAttributes: (more) => Object.assign(span.attributes, more),
                setStatus: ({ code }) => (span.status = code),
                end: () => span.ended++,
              });
            } finally {
              current = undefined;
            }
          },
        },
        meter: {
          createHistogram: (name) => ({ record: (value, attributes) => measured.push([name, value, attributes]) }),
        },
      },
    };
  }

  it('take the tracers and meters of @opentelemetry/api', async () => {
    const pdp = traced(new Engine(), { tracer: trace.getTracer('test'), meter: metrics.getMeter('test') });
    expect(await pdp.check(ask())).toHaveLength(1);
    expect(await pdp.plan(planOf)).toMatchObject({ outcome: 'always_denied' });
  });

  it('say how long it took and how many were denied, and nobody’s name', async () => {
    const { spans, measured, options, current } = telemetry();
    const engine = new Engine();
    let within: string | undefined;
    engine.before = () => (within = current());
    let now = 0;
    const pdp = traced(engine, { ...options, now: () => (now += 250) });
    await pdp.check(ask('alice', ['1', '2'], { requestId: 'r1' }));
    expect(within).toBe('portcullis.check');
    await pdp.plan(planOf);
    expect(spans).toMatchObject([
      {
        name: 'portcullis.check',
        attributes: {
          'portcullis.engine': 'test',
          'portcullis.scope': 'acme',
          'portcullis.resources': 2,
          'portcullis.actions': 4,
          'portcullis.denied': 2,
          'portcullis.request_id': 'r1',
        },
        status: 0,
        ended: 1,
      },
      { name: 'portcullis.plan', attributes: { 'portcullis.plan.outcome': 'always_denied' }, ended: 1 },
    ]);
    expect(measured).toEqual(
      ['check', 'plan'].map((operation) => [
        'portcullis.pdp.duration',
        0.25,
        { 'portcullis.engine': 'test', 'portcullis.operation': operation, 'portcullis.outcome': 'answered' },
      ]),
    );
    expect(JSON.stringify([spans, measured])).not.toContain('alice');
  });

  it('give a failure its code, and pass it on', async () => {
    const { spans, measured, options } = telemetry();
    const engine = new Engine();
    engine.before = away;
    await expect(traced(engine, options).check(ask())).rejects.toMatchObject({ detail: 'away' });
    expect(spans).toMatchObject([{ attributes: { 'error.type': 'pdp_unavailable' }, status: 2, ended: 1 }]);
    expect(measured).toEqual([
      [
        'portcullis.pdp.duration',
        expect.any(Number),
        expect.objectContaining({ 'portcullis.outcome': 'pdp_unavailable' }),
      ],
    ]);
  });

  it('that fail change nothing: the engine is asked once, and its answer stands', async () => {
    const broken = (): never => {
      throw new Error('broken');
    };
    for (const tracer of [
      { startActiveSpan: broken },
      {
        startActiveSpan<T>(_name: string, _options: object, run: (span: never) => T): T {
          run({ setAttributes: broken, setStatus: broken, end: broken } as never);
          return broken();
        },
      },
    ]) {
      const engine = new Engine();
      const pdp = traced(engine, { tracer, meter: { createHistogram: () => ({ record: broken }) } });
      expect((await pdp.check(ask()))[0]?.[0]?.effect).toBe('allow');
      expect(engine.asked).toHaveLength(1);
      engine.before = away;
      await expect(pdp.check(ask())).rejects.toMatchObject({ detail: 'away' });
    }
  });
});

/** The engine as a plain object, to be changed in parts. */
function portOf(engine: Engine): PolicyDecisionPoint {
  return {
    engine: engine.engine,
    check: (request, options) => engine.check(request, options),
    plan: (request) => engine.plan(request),
    close: () => engine.close(),
  };
}
