import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  deepFreeze,
  PortcullisError,
  tenantId,
  type Attributes,
  type CallOptions,
  type CheckRequest,
  type Decision,
  type Plan,
  type PlanRequest,
  type PolicyDecisionPoint,
  type ResourceQuestion,
} from '@portcullis/core';
import { cached, circuitBreaker, coalesced, shadow, traced, withFallback } from '@portcullis/pdp/client';
import { refused } from '../../packages/pdp/src/unavailable.js';

const tenants = [tenantId('acme'), tenantId('globex')] as const;

/** What its policies say: every part of the question counts, so that a mixed-up one shows. */
function decided(revision: number, request: CheckRequest, { resource }: ResourceQuestion, action: string): Decision {
  const { principal, scope, policyVersion = 'default' } = request;
  const question = JSON.stringify([revision, principal, scope, policyVersion, resource, action]);
  const hash = Array.from(question).reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 65_521, 7);
  return {
    effect: hash % 2 === 0 ? 'allow' : 'deny',
    action,
    resource: { kind: resource.kind, id: resource.id },
    policy: `rule-${String(hash % 5)}`,
    policyVersion,
    scope,
    outputs: hash % 3 === 0 ? [{ source: `r${String(revision)}`, action, value: question }] : [],
    obligations: hash % 4 === 0 ? [{ id: question, type: 'mask', properties: { of: resource.tenant } }] : [],
    callId: 'one of its own each time',
    durationMs: hash,
    engine: 'test',
  };
}

/** An engine in memory. */
class Engine implements PolicyDecisionPoint {
  readonly engine = 'test';
  revision = 1;
  closed = false;
  calls = 0;
  /** Whether its n-th call fails. */
  readonly #isAway: (call: number) => boolean;
  readonly #turns: readonly number[];
  readonly #decide: typeof decided;

  constructor(isAway: (call: number) => boolean, turns: readonly number[] = [0], decide = decided) {
    this.#isAway = isAway;
    this.#turns = turns;
    this.#decide = decide;
  }

  async check(request: CheckRequest, options: CallOptions = {}): Promise<readonly (readonly Decision[])[]> {
    const { revision } = this;
    await this.#takesItsTime(request.principal.id, options);
    if (request.questions.some(({ resource }) => resource.id === 'malformed')) throw new TypeError('malformed');
    if (request.questions.some(({ resource }) => resource.id === 'refused')) throw refused('refused');
    return request.questions.map((question) =>
      question.actions.map((action) => this.#decide(revision, request, question, action)),
    );
  }

  async plan(request: PlanRequest, options: CallOptions = {}): Promise<Plan> {
    const { revision } = this;
    await this.#takesItsTime(request.principal.id, options);
    const value = JSON.stringify([revision, request]);
    return { callId: 'c', durationMs: 1, engine: 'test', outcome: 'conditional', condition: { type: 'value', value } };
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }

  async #takesItsTime(principal: string, { signal }: CallOptions): Promise<void> {
    const call = this.calls++;
    const turns = this.#turns[call % this.#turns.length] ?? 0;
    for (let waited = 0; waited < turns; waited++) await turn();
    if (this.closed || signal?.aborted === true || principal === 'nobody can ask about her' || this.#isAway(call))
      throw new PortcullisError('pdp_unavailable');
  }
}

const opposite: typeof decided = (...question) => {
  const decision = decided(...question);
  return { ...decision, effect: decision.effect === 'allow' ? 'deny' : 'allow', obligations: [], policy: 'opposite' };
};

/** What a stack is built around. */
interface World {
  readonly engine: Engine;
  /** The same policies in a second place, as of the revision there. */
  readonly twin: Engine;
  /** Decides the opposite of everything. */
  readonly liar: Engine;
}

interface Layer {
  readonly name: string;
  readonly around: (pdp: PolicyDecisionPoint, world: World) => PolicyDecisionPoint;
}

const layer = (name: string, around: Layer['around']): Layer => ({ name, around });
const broken = (): never => {
  throw new Error('broken');
};

const revisionOf =
  ({ engine, twin, liar }: World) =>
  (pdp: PolicyDecisionPoint): string =>
    pdp === twin ? `r${String(twin.revision)}` : pdp === liar ? 'lies' : `r${String(engine.revision)}`;

/** Those that are to change nothing at all. */
const transparent = fc.oneof(
  fc
    .integer({ min: 1, max: 8 })
    .map((maxQuestions) => layer(`coalesced(${String(maxQuestions)})`, (pdp) => coalesced(pdp, { maxQuestions }))),
  fc
    .integer({ min: 1, max: 3 })
    .map((maxConcurrent) =>
      layer(`shadow(${String(maxConcurrent)})`, (pdp, { liar }) =>
        shadow(pdp, { engine: liar, maxConcurrent, onEvent: broken }),
      ),
    ),
  fc.constant(
    layer('withFallback(liar)', (pdp, world) =>
      withFallback(pdp, { fallback: world.liar, revisionOf: revisionOf(world), onFallback: broken }),
    ),
  ),
  fc.constant(layer('circuitBreaker', (pdp) => circuitBreaker(pdp, { failures: 1e9, deadlineMs: 60_000 }))),
  fc.constant(layer('cached', (pdp, world) => cached(pdp, { revisionOf: revisionOf(world), ttlMs: 60_000 }))),
  fc.constant(
    layer('traced', (pdp) =>
      traced(pdp, { tracer: { startActiveSpan: broken }, meter: { createHistogram: () => ({ record: broken }) } }),
    ),
  ),
);

/** Those that may fail where the engine does not, or answer where it fails: but never with another decision. */
const cautious = fc.oneof(
  transparent,
  fc
    .integer({ min: 1, max: 3 })
    .map((failures) =>
      layer(`circuitBreaker(${String(failures)})`, (pdp) =>
        circuitBreaker(pdp, { failures, openMs: 0, onState: broken }),
      ),
    ),
  fc.constant(
    layer('withFallback(twin)', (pdp, world) =>
      withFallback(pdp, { fallback: world.twin, revisionOf: revisionOf(world) }),
    ),
  ),
);

/** Mostly of one, so that there is something to put together. */
const mostly = <T>(usual: T, ...others: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(...others) });
const asker = {
  principal: fc.record({
    id: mostly('alice', 'bob', 'nobody can ask about her'),
    roles: mostly(['member'], [], ['admin'], ['member', 'admin']),
    attr: mostly<Attributes>({}, { team: 'a' }, { team: ['a'] }),
  }),
  scope: mostly(...tenants),
};
const version = mostly({}, { policyVersion: 'next' });
const request: fc.Arbitrary<CheckRequest> = fc
  .tuple(
    fc.record({
      ...asker,
      questions: fc.array(
        fc.record({
          resource: fc.record({
            kind: fc.constantFrom('doc', 'file'),
            id: fc.constantFrom('1', '2', '1', '2', '3', '4', 'malformed', 'refused'),
            tenant: fc.constantFrom(...tenants),
            attr: fc.constantFrom({}, { owner: 'alice' }),
          }),
          actions: fc.subarray(['read', 'write', 'delete']),
        }),
        { maxLength: 3 },
      ),
    }),
    version,
  )
  .map(([made, more]) => deepFreeze({ ...made, ...more }));
const plan: fc.Arbitrary<PlanRequest> = fc
  .record({
    ...asker,
    kind: fc.constantFrom('doc', 'file'),
    action: fc.constantFrom('read', 'write'),
    tenant: fc.constantFrom(...tenants),
  })
  .map((made) => deepFreeze(made));
const turns = fc.array(fc.nat({ max: 3 }), { minLength: 1, maxLength: 5 });

function stack(layers: readonly Layer[], world: World): PolicyDecisionPoint {
  return layers.reduce<PolicyDecisionPoint>((pdp, { around }) => around(pdp, world), world.engine);
}

/** What came of a question, without what every call has of its own. */
async function outcome(answer: Promise<unknown>): Promise<unknown> {
  try {
    return JSON.parse(JSON.stringify(await answer, (name, value: unknown) => (name === 'callId' ? undefined : value)));
  } catch (error) {
    return error instanceof PortcullisError ? error.code : String(error);
  }
}

/** Most callers wait. */
const givesUpAfter = fc.oneof(
  { weight: 3, arbitrary: fc.constant(null) },
  { weight: 1, arbitrary: fc.nat({ max: 3 }) },
);

const examples = fc.context();

describe('a stack of decorators', () => {
  it('has the decisions, places and failures of the engine alone', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(transparent, { maxLength: 6 }),
        fc.array(fc.array(request, { maxLength: 6 }), { minLength: 1, maxLength: 3 }),
        fc.array(plan, { maxLength: 2 }),
        turns,
        examples,
        async (layers, rounds, plans, times, context) => {
          context.log(layers.map(({ name }) => name).join(' in '));
          const up = (): boolean => false;
          const world = { engine: new Engine(up, times), twin: new Engine(up), liar: new Engine(up, times, opposite) };
          const alone = new Engine(up);
          const pdp = stack(layers, world);
          for (const requests of rounds) {
            const [own, expected] = await Promise.all([
              Promise.all(requests.map((one) => outcome(pdp.check(one)))),
              Promise.all(requests.map((one) => outcome(alone.check(one)))),
            ]);
            expect(own).toEqual(expected);
          }
          for (const one of plans) expect(await outcome(pdp.plan(one))).toEqual(await outcome(alone.plan(one)));
          await pdp.close();
          expect(world.engine.closed).toBe(true);
        },
      ),
      { numRuns: 400 },
    );
  });

  it('never decides otherwise than the present policies do, whoever fails, gives up, lies or changes policies', async () => {
    const step = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.array(fc.record({ asked: request, givesUpAfter }), {
          maxLength: 6,
        }),
      },
      { weight: 1, arbitrary: fc.constantFrom('engine' as const, 'twin' as const, 'both' as const) },
    );
    let answered = 0;
    let unanswered = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(cautious, { maxLength: 6 }),
        fc.array(step, { minLength: 1, maxLength: 6 }),
        fc.array(fc.constantFrom(false, false, false, true), { minLength: 1, maxLength: 5 }),
        turns,
        examples,
        async (layers, steps, failures, times, context) => {
          context.log(layers.map(({ name }) => name).join(' in '));
          const isAway = (call: number): boolean => failures[call % failures.length] ?? false;
          const world = {
            engine: new Engine(isAway, times),
            twin: new Engine(isAway),
            liar: new Engine(isAway, times, opposite),
          };
          const pdp = stack(layers, world);
          for (const one of steps) {
            if (typeof one === 'string') {
              if (one !== 'twin') world.engine.revision++;
              if (one !== 'engine') world.twin.revision++;
              continue;
            }
            const alone = new Engine(() => false);
            alone.revision = world.engine.revision;
            await Promise.all(
              one.map(async ({ asked, givesUpAfter }) => {
                const own = await outcome(
                  pdp.check(asked, givesUpAfter === null ? {} : { signal: after(givesUpAfter) }),
                );
                if (own === 'pdp_unavailable') unanswered++;
                else answered++;
                if (own !== 'pdp_unavailable') expect(own).toEqual(await outcome(alone.check(asked)));
              }),
            );
          }
          await pdp.close();
          expect(world.engine.closed).toBe(true);
        },
      ),
      { numRuns: 400 },
    );
    // A stack that answers nothing would keep the law, too.
    expect(Math.min(answered, unanswered)).toBeGreaterThan(100);
  });
});

/** A signal of a caller that gives up after some turns of the event loop. */
function after(turnsLeft: number): AbortSignal {
  const controller = new AbortController();
  void (async () => {
    for (let waited = 0; waited < turnsLeft; waited++) await turn();
    controller.abort();
  })();
  return controller.signal;
}
