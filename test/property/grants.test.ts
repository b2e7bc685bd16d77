import { join } from 'node:path';
import KeyvRedis from '@keyv/redis';
import fc from 'fast-check';
import { Keyv } from 'keyv';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PortcullisError, tenantId, type Identity, type OperatorEvent, type Tenant } from '@portcullis/core';
import { cerbosSidecar, type Sidecar } from '@portcullis/pdp/cerbos';
import { contextFor, identityFor } from '@portcullis/testing/contexts';
import { skipWithoutRedis, startRedis, type RedisServer } from '@portcullis/testing/redis';
import { memoryGrants, operators, type GrantStore } from '@portcullis/operators';
import { keyvGrants } from '@portcullis/operators/keyv';

const minute = 60_000;
const tenantIds = ['acme', 'globex'] as const;
const kinds = ['support', 'break_glass'] as const;

/** Who takes part, and what the policies let each do: `act` covers both kinds of grant. */
const cast = {
  sam: { provider: 'staff', role: 'Support', act: true, oversee: false },
  olga: { provider: 'staff', role: 'Admin', act: true, oversee: true },
  otto: { provider: 'staff', role: 'Admin', act: true, oversee: true },
  sue: { provider: 'staff', role: 'Security', act: false, oversee: true },
  mallory: { provider: 'customers', role: 'Admin', act: false, oversee: false },
} as const;
type Name = keyof typeof cast;
const names = Object.keys(cast) as Name[];
const clients = ['console', 'agent'] as const;

const nobodyInParticular = { name: 'sam', client: 'console' } as const;
const identities = new Map<string, Identity>();
for (const name of names)
  for (const clientId of clients) {
    const { provider, role } = cast[name];
    const more = { provider, subject: name, roles: [role], clientId, expiresAt: 1e15 };
    identities.set(`${name} ${clientId}`, identityFor(more));
  }

const who = fc.record({ name: fc.constantFrom(...names), client: fc.constantFrom(...clients) });
/** Mostly the operators, so that something happens. */
const operator = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      name: fc.constantFrom('sam' as const, 'olga' as const),
      client: fc.constant('console' as const),
    }),
  },
  { weight: 1, arbitrary: who },
);
const overseer = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      name: fc.constantFrom('sue' as const, 'otto' as const),
      client: fc.constant('console' as const),
    }),
  },
  { weight: 1, arbitrary: who },
);
/** Which grant: how many before the newest. Mostly the newest, so that stories come about. */
const at = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 2, arbitrary: fc.nat(4) });
const request = fc.record({
  do: fc.constant('request' as const),
  by: operator,
  tenant: fc.constantFrom(...tenantIds),
  kind: fc.constantFrom(...kinds),
  minutes: fc.integer({ min: 1, max: 60 }),
});
const approve = fc.record({ do: fc.constant('approve' as const), by: overseer, at });
const revoke = fc.record({ do: fc.constant('revoke' as const), by: overseer, at });
const use = fc.record({
  do: fc.constant('use' as const),
  by: who,
  /** By whom it belongs to, mostly; else by anybody. */
  own: fc.integer({ min: 0, max: 3 }).map((die) => die > 0),
  at,
  named: fc.constantFrom(undefined, undefined, undefined, ...tenantIds),
});
const suspend = fc.record({
  do: fc.constant('suspend' as const),
  tenant: fc.constantFrom(...tenantIds),
  suspended: fc.integer({ min: 0, max: 3 }).map((die) => die === 0),
});
const pass = fc.record({
  do: fc.constant('pass' as const),
  ms: fc.constantFrom(1, minute, 5 * minute, 14 * minute),
});
/** To the very instant at which a grant ends or lapses, or just before it. */
const reach = fc.record({ do: fc.constant('reach' as const), at, early: fc.boolean() });

const anything = fc.oneof(request, approve, revoke, use, suspend, pass, reach).map((step) => [step]);
/** What has to come together for a use to succeed, so that it does, and the rest can spoil it. */
const story = fc.tuple(request, approve, use, use);
const steps = fc
  .array(fc.oneof(anything, story), { minLength: 1, maxLength: 12, size: 'max' })
  .map((run) => run.flat());
type Step = typeof steps extends fc.Arbitrary<(infer S)[]> ? S : never;

/** A grant, as the plainest model has it. */
interface ModelGrant {
  readonly id: string;
  readonly kind: (typeof kinds)[number];
  readonly tenant: string;
  readonly by: Name;
  readonly client: string;
  readonly ttlMs: number;
  readonly approveBy: number;
  ends: number | undefined;
  revoked: boolean;
  uses: number;
}

let pdp: Sidecar;
let redis: RedisServer | undefined;
beforeAll(async () => {
  const policies = join(import.meta.dirname, '..', '..', 'policies');
  pdp = await cerbosSidecar({ policies, pollMs: 0 });
});
afterAll(async () => {
  await pdp.close();
  await redis?.stop();
});

/** What an attempt gives, or nothing where it was refused. Anything but a refusal is a failure of the test. */
async function orRefused<T>(attempt: Promise<T>): Promise<T | undefined> {
  try {
    return await attempt;
  } catch (error) {
    expect(error).toBeInstanceOf(PortcullisError);
    return undefined;
  }
}

/** How often something was allowed at all: a property that only ever sees refusals shows little. */
const used = { support: 0, break_glass: 0 };

/** Runs the steps against the service and the model: each has to do what the model says, and nothing else. */
async function agree(run: readonly Step[], openStore: (clock: () => number) => GrantStore): Promise<void> {
  let now = 1_800_000_000_000;
  const clock = (): number => now;
  const suspended = new Set<string>();
  const events: OperatorEvent[] = [];
  const plain = new Map<string, Tenant>(tenantIds.map((id) => [id, contextFor({ tenant: id }).tenant]));
  const store = openStore(clock);
  const staff = operators({
    pdp,
    providers: {
      staff: { roles: { Support: 'operator_support', Security: 'operator_security', Admin: 'operator_admin' } },
    },
    store,
    record: (event) => (events.push(event), Promise.resolve()),
    tenant: (id) => {
      const tenant = plain.get(id)!;
      return Promise.resolve(suspended.has(id) ? { ...tenant, status: { state: 'suspended' } } : tenant);
    },
    clock,
  });
  const model: ModelGrant[] = [];
  let serial = 0;

  for (const step of run) {
    const about = { requestId: `r${String(serial++)}` };
    const pick = 'at' in step ? model.at(-1 - step.at) : undefined;
    if ('at' in step && pick === undefined) continue;
    const by =
      step.do === 'use' && step.own
        ? { name: pick!.by, client: pick!.client }
        : 'by' in step
          ? step.by
          : nobodyInParticular;
    const identity = identities.get(`${by.name} ${by.client}`)!;
    events.length = 0;
    let expected: boolean;
    let done: boolean;
    switch (step.do) {
      case 'request': {
        const { tenant, kind } = step;
        const ttlMs = step.minutes * minute;
        const { act } = cast[step.by.name];
        expected = act && !suspended.has(tenant);
        const wanted = { tenant: tenantId(tenant), kind, reason: 'ticket 4711', ttlMs, ...about };
        const grant = await orRefused(staff.requestGrant(identity, wanted));
        done = grant !== undefined;
        if (grant !== undefined)
          model.push({
            id: grant.id,
            kind,
            tenant,
            by: step.by.name,
            client: step.by.client,
            ttlMs,
            approveBy: now + 15 * minute,
            ends: kind === 'support' ? now + ttlMs : undefined,
            revoked: false,
            uses: 0,
          });
        break;
      }
      case 'approve': {
        const grant = pick!;
        expected =
          cast[step.by.name].oversee &&
          step.by.name !== grant.by &&
          grant.kind === 'break_glass' &&
          grant.ends === undefined &&
          !grant.revoked &&
          now < grant.approveBy &&
          !suspended.has(grant.tenant);
        done = (await orRefused(staff.approve(identity, grant.id, about))) !== undefined;
        if (done) grant.ends = now + grant.ttlMs;
        break;
      }
      case 'revoke': {
        const grant = pick!;
        const { provider, oversee } = cast[step.by.name];
        expected = provider === 'staff' && (oversee || step.by.name === grant.by);
        done = (await orRefused(staff.revoke(identity, grant.id, about))) !== undefined;
        if (done) grant.revoked = true;
        break;
      }
      case 'use': {
        const grant = pick!;
        expected =
          by.name === grant.by &&
          by.client === grant.client &&
          !grant.revoked &&
          grant.ends !== undefined &&
          now < grant.ends &&
          (step.named === undefined || step.named === grant.tenant) &&
          !suspended.has(grant.tenant);
        const named = step.named === undefined ? [] : [step.named];
        const live = await orRefused(staff.use(identity, { id: grant.id, named, ...about }));
        done = live !== undefined;
        if (live !== undefined) {
          expect(live.tenant.id).toBe(grant.tenant);
          grant.uses++;
          used[grant.kind]++;
        }
        break;
      }
      case 'suspend':
        if (step.suspended) suspended.add(step.tenant);
        else suspended.delete(step.tenant);
        continue;
      case 'pass':
        now += step.ms;
        continue;
      case 'reach': {
        const end = pick!.ends ?? pick!.approveBy;
        now = Math.max(now, end - (step.early ? 1 : 0));
        continue;
      }
    }
    expect({ step, done }).toEqual({ step, done: expected });
    // Each attempt is on record, with its outcome as the last word.
    expect(events.at(-1)).toMatchObject({
      effect: done ? 'allow' : 'deny',
      operator: { key: identity.key },
      ...about,
    });
  }
  for (const grant of model) expect((await store.get(grant.id))?.uses).toBe(grant.uses);
}

describe(
  'over any sequence of requests, approvals, revocations, uses, suspensions and time',
  { timeout: 120_000 },
  () => {
    it('a use succeeds if, and only if, a live, matching, approved grant exists (in memory)', async () => {
      await fc.assert(
        fc.asyncProperty(steps, (run) => agree(run, (clock) => memoryGrants({ clock }))),
        { numRuns: 80 },
      );
      expect(Math.min(used.support, used.break_glass)).toBeGreaterThan(20);
    });

    it.skipIf(skipWithoutRedis())(
      'a use succeeds if, and only if, a live, matching, approved grant exists (Redis)',
      async () => {
        redis = await startRedis();
        const store = keyvGrants(new Keyv({ store: new KeyvRedis(redis.url) }));
        await fc.assert(
          fc.asyncProperty(steps, (run) => agree(run, () => store)),
          { numRuns: 30 },
        );
        await store.close();
      },
    );
  },
);
