import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  PortcullisError,
  isSealedOperatorContext,
  principalOf,
  tenantId,
  type Decision,
  type Identity,
  type OperatorEvent,
  type Tenant,
  type TenantContext,
  type TenantQuery,
  type TenantResolver,
} from '@portcullis/core';
import { cerbosSidecar, type Sidecar } from '@portcullis/pdp/cerbos';
import { contextFor, identityFor, type IdentityFixture } from '@portcullis/testing/contexts';
import {
  memoryGrants,
  operatorPrincipal,
  operatorResolver,
  operators,
  type GrantStore,
  type Operators,
} from '@portcullis/operators';

const acme = tenantId('acme');
const globex = tenantId('globex');
const minute = 60_000;
const providers = {
  staff: { roles: { Support: 'operator_support', Security: 'operator_security', Admin: 'operator_admin' } },
};
const request = { requestId: 'request-1' };
const why = 'ticket 4711: cannot open a document';

let pdp: Sidecar;
let now: number;
let events: OperatorEvent[];
let record: (event: OperatorEvent) => Promise<void>;
let tenants: Map<string, Tenant>;
let store: GrantStore;
let staff: Operators;
let people: Record<'sam' | 'sue' | 'olga' | 'otto' | 'mallory', Identity>;

function person(subject: string, role: string, more: IdentityFixture = {}): Identity {
  return identityFor({ provider: 'staff', subject, roles: [role], clientId: 'console', expiresAt: 1e15, ...more });
}

function make(more: Partial<Parameters<typeof operators>[0]> = {}): Operators {
  return operators({
    pdp,
    providers,
    store,
    record: (event) => record(event),
    tenant: (id) => Promise.resolve(tenants.get(id)),
    clock: () => now,
    onError: () => undefined,
    ...more,
  });
}

/** The code that an attempt is refused with, and what the trail says of it. */
async function refusal(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt;
    return 'done';
  } catch (error) {
    return error instanceof PortcullisError ? error.code : String(error);
  }
}

beforeAll(async () => {
  pdp = await cerbosSidecar({ policies: join(import.meta.dirname, '..', '..', 'policies'), pollMs: 0 });
});
afterAll(() => pdp.close());
beforeEach(() => {
  now = 1_800_000_000_000;
  events = [];
  record = (event) => {
    events.push(event);
    return Promise.resolve();
  };
  tenants = new Map([acme, globex].map((id) => [id, contextFor({ tenant: id }).tenant]));
  store = memoryGrants({ clock: () => now });
  staff = make();
  people = {
    sam: person('sam', 'Support'),
    sue: person('sue', 'Security'),
    olga: person('olga', 'Admin'),
    otto: person('otto', 'Admin'),
    mallory: identityFor({ provider: 'customers', subject: 'mallory', roles: ['Admin', 'operator_admin'] }),
  };
});

describe('the principal of an operator', () => {
  it('is a kind of its own, with no tenant and no role of one', () => {
    const principal = operatorPrincipal(people.olga, providers);
    expect(principal).toMatchObject({ id: 'staff#olga', roles: ['operator_admin'], attr: { kind: 'operator' } });
    expect(principal?.attr).not.toHaveProperty('tenant');
  });

  it.each([
    ['of another provider, whatever its roles say', () => people.mallory],
    ['of the provider, with no role that means anything', () => person('nils', 'Guest')],
    ['with a role that every object has', () => person('nils', 'constructor')],
    ['that nobody vouched for', () => ({ ...people.olga })],
  ])('is not one of an identity %s', (_what, identity) => {
    expect(operatorPrincipal(identity(), providers)).toBeUndefined();
    expect(staff.isOperator(identity())).toBe(false);
  });

  it('does not come from a provider that every object has', () => {
    expect(operatorPrincipal(identityFor({ provider: 'constructor', roles: ['name'] }), providers)).toBeUndefined();
  });

  it.each(['owner', 'admin', 'operator', 'operator_', 'Operator_Admin', 'operator_admin '])(
    'cannot be configured to have the role %j',
    (role) => {
      expect(() => make({ providers: { staff: { roles: { Admin: role } } } })).toThrow(
        expect.objectContaining({ code: 'config_invalid' }) as Error,
      );
    },
  );

  it.each(['defaultTtlMs', 'approveWithinMs', 'minReasonLength', 'maxContextMs', 'keepMs'])(
    'is not served with a %s that is no positive integer',
    (name) => {
      for (const value of [0, -1, 1.5, Number.NaN, Infinity])
        expect(() => make({ [name]: value })).toThrow(expect.objectContaining({ code: 'config_invalid' }) as Error);
    },
  );

  it('needs a provider', () => {
    expect(() => make({ providers: {} })).toThrow(expect.objectContaining({ code: 'config_invalid' }) as Error);
  });

  it('has no rights where tenants’ members have', async () => {
    const principal = operatorPrincipal(people.olga, providers)!;
    const [decisions] = await pdp.check({
      principal: { ...principal, roles: [...principal.roles, 'owner', 'admin', 'member'] },
      scope: 'acme',
      questions: [
        { resource: { kind: 'ticket', id: 't', tenant: acme, attr: { status: 'open' } }, actions: ['list', 'comment'] },
      ],
    });
    expect(decisions?.map(({ effect }) => effect)).toEqual(['deny', 'deny']);
  });
});

describe('what an operator does from outside', () => {
  it('is decided by policy and recorded before it is done, in the tenant’s trail', async () => {
    await staff.authorize(people.sue, { action: 'suspend', tenant: acme, reason: why, requestId: 'r' });
    expect(events).toMatchObject([
      {
        effect: 'allow',
        action: 'tenant.suspend',
        tenant: 'acme',
        operator: { key: 'staff#sue' },
        reason: why,
        requestId: 'r',
      },
    ]);
  });

  it.each([
    ['short', 'because'],
    ['short but for spaces', '   because   '],
    ['empty', ''],
    ['long', 'x'.repeat(501)],
    ['of two lines', `${why}\nand more`],
    ['an escape sequence in one character', `${why}\u009b2J`],
    ['a new line in one character', `${why}\u0085`],
    ['turned round', `${why}\u202e`],
  ])('is not done for a reason that is %s', async (_what, words) => {
    const wanted = { action: 'suspend', tenant: acme, reason: words, requestId: 'r' };
    expect(await refusal(staff.authorize(people.sue, wanted))).toBe('request_invalid');
    expect(events).toEqual([]);
  });

  it('is done for a reason as long as is asked for, which is recorded without the spaces around it', async () => {
    const strict = make({ minReasonLength: why.length });
    const wanted = { action: 'suspend', tenant: acme, requestId: 'r' };
    expect(await refusal(strict.authorize(people.sue, { ...wanted, reason: why.slice(1) }))).toBe('request_invalid');
    await strict.authorize(people.sue, { ...wanted, reason: ` ${why} ` });
    expect(events).toMatchObject([{ effect: 'allow', reason: why }]);
  });

  it('is recorded when it is denied, with the code', async () => {
    expect(await refusal(staff.authorize(people.sam, { action: 'suspend', tenant: acme, ...request }))).toBe('denied');
    expect(events).toMatchObject([{ effect: 'deny', action: 'tenant.suspend', tenant: 'acme', code: 'denied' }]);
  });

  it('is not done under an obligation, nor on an answer to something else', async () => {
    const answering = (change: (decision: Decision) => readonly Decision[]): Operators =>
      make({
        pdp: {
          ...pdp,
          check: async (asked) => [change((await pdp.check(asked))[0]![0]!)],
        },
      });
    const obligation = { id: 'o', type: 'human_approval', properties: {} };
    const wanted = { action: 'read', tenant: acme, ...request };
    const asks = answering((decision) => [{ ...decision, obligations: [obligation] }]);
    expect(await refusal(asks.authorize(people.olga, wanted))).toBe('obligation_failed');
    for (const lie of [() => [], (decision: Decision) => [{ ...decision, action: 'suspend' }]])
      expect(await refusal(answering(lie).authorize(people.olga, wanted))).toBe('pdp_unavailable');
    expect(events.map(({ effect }) => effect)).toEqual(['deny', 'deny', 'deny']);
  });

  it('is denied to everybody else', async () => {
    for (const action of ['read', 'suspend', 'tenants:list'])
      expect(await refusal(staff.authorize(people.mallory, { action, ...request }))).toBe('denied');
    expect(events.map(({ effect }) => effect)).toEqual(['deny', 'deny', 'deny']);
  });

  it('is not done when it cannot be recorded', async () => {
    record = () => Promise.reject(new Error('disk full'));
    expect(await refusal(staff.authorize(people.olga, { action: 'tenants:list', ...request }))).toBe(
      'audit_unavailable',
    );
  });

  it('stays denied when the denial cannot be recorded, and that is told', async () => {
    const told: Error[] = [];
    const service = make({
      record: () => Promise.reject(new Error('disk full')),
      onError: (error) => told.push(error),
    });
    expect(await refusal(service.authorize(people.sam, { action: 'suspend', tenant: acme, ...request }))).toBe(
      'denied',
    );
    expect(told.map(({ message }) => message)).toEqual(['disk full']);
  });

  it('gives a sealed context for a reason and a time, each tenant recorded', async () => {
    const context = await staff.contextFor(people.olga, {
      action: 'storage:open',
      tenants: [acme, globex, acme],
      reason: why,
      ttlMs: 5 * minute,
      requestId: 'r',
    });
    expect(isSealedOperatorContext(context)).toBe(true);
    expect(context).toMatchObject({ tenants: ['acme', 'globex'], action: 'storage:open', expiresAt: now + 5 * minute });
    expect(events.map(({ action, tenant }) => [action, tenant])).toEqual([
      ['tenant.storage:open', 'acme'],
      ['tenant.storage:open', 'globex'],
    ]);
  });

  it.each([
    ['support', () => people.sam, {}, 'denied'],
    ['security', () => people.sue, {}, 'denied'],
    ['a user of a customer', () => people.mallory, {}, 'denied'],
    ['an administrator without a reason', () => people.olga, { reason: '   \t  ' }, 'request_invalid'],
    [
      'an administrator with a reason of two lines',
      () => people.olga,
      { reason: 'ticket 4711\nall fine' },
      'request_invalid',
    ],
    [
      'an administrator with a reason that turns text around',
      () => people.olga,
      { reason: 'ticket \u202e4711 here' },
      'request_invalid',
    ],
    [
      'an administrator with a reason that has no end',
      () => people.olga,
      { reason: 'x'.repeat(501) },
      'request_invalid',
    ],
    ['an administrator for too long', () => people.olga, { ttlMs: 60 * minute + 1 }, 'request_invalid'],
    ['an administrator for no time', () => people.olga, { ttlMs: 0 }, 'request_invalid'],
    ['an administrator for ever', () => people.olga, { ttlMs: Infinity }, 'request_invalid'],
    ['an administrator for no tenant', () => people.olga, { tenants: [] }, 'request_invalid'],
  ])('gives no context to %s', async (_who, identity, more, code) => {
    const wanted = {
      action: 'provision' as const,
      tenants: 'all' as const,
      reason: why,
      ttlMs: minute,
      ...request,
      ...more,
    };
    expect(await refusal(staff.contextFor(identity(), wanted))).toBe(code);
  });

  it('is a TypeError with an identity that nobody vouched for', async () => {
    const forged = { ...people.olga };
    const grant = await staff.requestGrant(people.sam, { tenant: acme, kind: 'support', reason: why, ...request });
    for (const attempt of [
      () => staff.authorize(forged, { action: 'read', ...request }),
      () => staff.contextFor(forged, { action: 'provision', tenants: 'all', reason: why, ttlMs: 1, ...request }),
      () => staff.requestGrant(forged, { tenant: acme, kind: 'support', reason: why, ...request }),
      () => staff.approve(forged, grant.id, request),
      () => staff.revoke(forged, grant.id, request),
      () => staff.grants(forged),
      () => staff.grantsOn(forged, acme, request),
      () => staff.tenantGrants({ ...contextFor() }),
      () => staff.use(forged, { id: grant.id, ...request }),
      () => staff.recheck(forged, { id: grant.id, ...request }),
    ])
      await expect(attempt()).rejects.toThrow(TypeError);
  });
});

describe('a support grant', () => {
  it('holds at once, and until its very end', async () => {
    const grant = await staff.requestGrant(people.sam, { tenant: acme, kind: 'support', reason: why, ...request });
    expect(grant).toMatchObject({ state: 'active', expiresAt: now + 15 * minute, operator: 'staff#sam', uses: 0 });
    now += 15 * minute - 1;
    expect((await staff.use(people.sam, { id: grant.id, ...request })).tenant.id).toBe('acme');
    now += 1;
    expect(await refusal(staff.use(people.sam, { id: grant.id, ...request }))).toBe('grant_invalid');
  });

  it('is recorded before it is there: without a record there is none', async () => {
    let kept = 0;
    store = { ...store, create: (...args) => (kept++, memoryGrants().create(...args)) };
    record = () => Promise.reject(new PortcullisError('audit_unavailable'));
    const attempt = make().requestGrant(people.sam, { tenant: acme, kind: 'support', reason: why, ...request });
    expect(await refusal(attempt)).toBe('audit_unavailable');
    expect(kept).toBe(0);
  });

  it('is counted and recorded on every use', async () => {
    const { id } = await staff.requestGrant(people.sam, { tenant: acme, kind: 'support', reason: why, ...request });
    for (let use = 0; use < 3; use++) await staff.use(people.sam, { id, requestId: `use-${String(use)}` });
    expect((await staff.grants(people.sam)).grants).toMatchObject([{ id, uses: 3 }]);
    expect(events.filter(({ action }) => action === 'grant.use')).toMatchObject(
      [0, 1, 2].map((use) => ({
        requestId: `use-${String(use)}`,
        effect: 'allow',
        tenant: 'acme',
        grant: id,
        reason: why,
      })),
    );
  });

  it('is not used when the use cannot be recorded', async () => {
    const { id } = await staff.requestGrant(people.sam, { tenant: acme, kind: 'support', reason: why, ...request });
    record = () => Promise.reject(new Error('disk full'));
    expect(await refusal(staff.use(people.sam, { id, ...request }))).toBe('audit_unavailable');
    expect((await staff.grants(people.sam)).grants).toMatchObject([{ uses: 0 }]);
  });

  it('is not used when it ends while the use is being recorded', async () => {
    const { id } = await staff.requestGrant(people.sam, { tenant: acme, kind: 'support', reason: why, ...request });
    record = () => {
      now += 15 * minute;
      return Promise.resolve();
    };
    expect(await refusal(staff.use(people.sam, { id, ...request }))).toBe('grant_invalid');
  });

  it('is not used when it is revoked while the use is being recorded', async () => {
    const { id } = await staff.requestGrant(people.sam, { tenant: acme, kind: 'support', reason: why, ...request });
    const plain = record;
    record = async (event) => {
      await plain(event);
      if (event.action === 'grant.use' && event.effect === 'allow') await staff.revoke(people.sue, id, request);
    };
    expect(await refusal(staff.use(people.sam, { id, ...request }))).toBe('grant_invalid');
    expect(events.map(({ action, effect }) => `${action} ${effect}`).slice(-1)).toEqual(['grant.use deny']);
  });

  it.each([
    ['longer than it may be', { ttlMs: 8 * 60 * minute + 1 }, 'request_invalid'],
    ['without a reason', { reason: 'x' }, 'request_invalid'],
    ['for a tenant that does not exist', { tenant: tenantId('nobody') }, 'tenant_unknown'],
    ['for a malformed tenant', { tenant: '../acme' as typeof acme }, 'tenant_unknown'],
  ])('is not given %s', async (_what, more, code) => {
    const wanted = { tenant: acme, kind: 'support' as const, reason: why, ...request, ...more };
    expect(await refusal(staff.requestGrant(people.sam, wanted))).toBe(code);
  });

  it.each([
    ['an operator whom policy does not let act', () => people.sue],
    ['a user of a customer', () => people.mallory],
    ['a program that acts for itself', () => person('robot', 'Support', { kind: 'client' })],
  ])('is not given to %s, and the attempt is recorded', async (_who, identity) => {
    const wanted = { tenant: acme, kind: 'support' as const, reason: why, ...request };
    expect(await refusal(staff.requestGrant(identity(), wanted))).toBe('denied');
    expect(events).toMatchObject([{ action: 'grant.request', effect: 'deny', tenant: 'acme', code: 'denied' }]);
  });

  it('is neither given nor used where the tenant may not work', async () => {
    const wanted = { tenant: acme, kind: 'support' as const, reason: why, ...request };
    const { id } = await staff.requestGrant(people.sam, wanted);
    tenants.set(acme, { ...tenants.get(acme)!, status: { state: 'suspended' } });
    expect(await refusal(staff.use(people.sam, { id, ...request }))).toBe('tenant_suspended');
    expect(await refusal(staff.requestGrant(people.sam, wanted))).toBe('tenant_suspended');
    tenants.set(acme, { ...tenants.get(acme)!, status: { state: 'trial', expiresAt: now } });
    expect(await refusal(staff.use(people.sam, { id, ...request }))).toBe('tenant_expired');
    tenants.set(acme, tenants.get(globex)!);
    expect(await refusal(staff.use(people.sam, { id, ...request }))).toBe('tenant_unknown');
  });

  it('is asked for by one client for another by name, and then used by that one alone', async () => {
    const wanted = { tenant: acme, kind: 'support' as const, reason: why, client: 'agent', ...request };
    const { id } = await staff.requestGrant(people.sam, wanted);
    expect(await refusal(staff.use(people.sam, { id, ...request }))).toBe('grant_invalid');
    await staff.use(person('sam', 'Support', { clientId: 'agent' }), { id, ...request });
  });

  it('does not hold before it began, on a clock that was set back', async () => {
    const { id } = await staff.requestGrant(people.sam, { tenant: acme, kind: 'support', reason: why, ...request });
    now -= minute;
    await staff.use(people.sam, { id, ...request });
    now -= 1;
    expect(await refusal(staff.use(people.sam, { id, ...request }))).toBe('grant_invalid');
  });

  it('does not hold when the store fails, and that is no miss', async () => {
    const { id } = await staff.requestGrant(people.sam, { tenant: acme, kind: 'support', reason: why, ...request });
    const down = (): Promise<never> => Promise.reject(new Error('connection lost'));
    for (const broken of [{ get: down }, { use: down }])
      expect(await refusal(make({ store: { ...store, ...broken } }).use(people.sam, { id, ...request }))).toBe(
        'grants_unavailable',
      );
  });

  it('does not hold when the store answers with another grant', async () => {
    const mine = await staff.requestGrant(people.sam, { tenant: acme, kind: 'support', reason: why, ...request });
    const other = await staff.requestGrant(people.sam, { tenant: globex, kind: 'support', reason: why, ...request });
    const lying = make({ store: { ...store, get: () => store.get(other.id) } });
    expect(await refusal(lying.use(people.sam, { id: mine.id, ...request }))).toBe('grants_unavailable');
  });

  it('ends with the right to act: policy is asked again on every use', async () => {
    const { id } = await staff.requestGrant(people.sam, { tenant: acme, kind: 'support', reason: why, ...request });
    expect(await refusal(staff.use(person('sam', 'Security'), { id, ...request }))).toBe('denied');
    expect(await refusal(staff.use(person('sam', 'Guest'), { id, ...request }))).toBe('grant_invalid');
  });
});

describe('a stolen grant', () => {
  it.each([
    ['another operator', () => people.olga],
    ['a user of a customer', () => people.mallory],
    ['the same person with another client', () => person('sam', 'Support', { clientId: 'agent' })],
    ['a program under the same key', () => person('sam', 'Support', { kind: 'client' })],
    ['the same person with no client', () => person('sam', 'Support', { clientId: undefined })],
    [
      'the same subject at another provider',
      () => identityFor({ provider: 'customers', subject: 'sam', roles: ['Support'], clientId: 'console' }),
    ],
  ])('is of no use to %s, and the attempt is recorded', async (_who, thief) => {
    const { id } = await staff.requestGrant(people.sam, { tenant: acme, kind: 'support', reason: why, ...request });
    events.length = 0;
    expect(await refusal(staff.use(thief(), { id, ...request }))).toBe('grant_invalid');
    expect(await refusal(staff.recheck(thief(), { id, ...request }))).toBe('grant_invalid');
    expect(events).toMatchObject([
      { action: 'grant.use', effect: 'deny' },
      { action: 'grant.use', effect: 'deny' },
    ]);
  });

  it.each([
    '',
    ' ',
    'x',
    'a'.repeat(32),
    '../'.repeat(11),
    `${'a'.repeat(31)}\n`,
    `${'a'.repeat(32)}, ${'a'.repeat(32)}`,
  ])('is not guessed: %j', async (id) => {
    expect(await refusal(staff.use(people.sam, { id, ...request }))).toBe('grant_invalid');
  });

  it('tells a customer’s user nothing about the tenant that it is for', async () => {
    const { id } = await staff.requestGrant(people.sam, { tenant: acme, kind: 'support', reason: why, ...request });
    events.length = 0;
    await refusal(staff.use(people.mallory, { id, ...request }));
    expect(events[0]?.tenant).toBeUndefined();
  });
});

describe('a break-glass grant', () => {
  const ask = (): ReturnType<Operators['requestGrant']> =>
    staff.requestGrant(people.olga, { tenant: acme, kind: 'break_glass', reason: why, ttlMs: 30 * minute, ...request });

  it('holds when a second person has approved it, from that moment', async () => {
    const asked = await ask();
    expect(asked).toMatchObject({ state: 'pending', approveBy: now + 15 * minute });
    expect(asked.expiresAt).toBeUndefined();
    expect(await refusal(staff.use(people.olga, { id: asked.id, ...request }))).toBe('grant_invalid');
    now += 10 * minute;
    const approved = await staff.approve(people.sue, asked.id, request);
    expect(approved).toMatchObject({ state: 'active', approvedBy: 'staff#sue', expiresAt: now + 30 * minute });
    await staff.use(people.olga, { id: asked.id, ...request });
    expect(events.filter(({ effect }) => effect === 'allow')).toMatchObject([
      { action: 'grant.request', operator: { key: 'staff#olga' }, tenant: 'acme' },
      { action: 'grant.approve', operator: { key: 'staff#sue' }, tenant: 'acme', approvedBy: 'staff#sue', reason: why },
      { action: 'grant.use', operator: { key: 'staff#olga' }, tenant: 'acme', approvedBy: 'staff#sue' },
    ]);
  });

  it('may not be longer than an hour', async () => {
    const wanted = { tenant: acme, kind: 'break_glass' as const, reason: why, ttlMs: 60 * minute + 1, ...request };
    expect(await refusal(staff.requestGrant(people.olga, wanted))).toBe('request_invalid');
  });

  it.each([
    ['the person who asked', () => people.olga, 'denied'],
    ['the person who asked, with another client', () => person('olga', 'Security', { clientId: 'other' }), 'denied'],
    [
      'the same subject at another provider',
      () => identityFor({ provider: 'staff2', subject: 'olga', roles: ['Security'] }),
      'denied',
    ],
    [
      'somebody with the same e-mail address',
      () => person('olga2', 'Security', { email: ' OLGA@example.com' }),
      'denied',
    ],
    ['an operator whom policy does not let approve', () => people.sam, 'denied'],
    ['a user of a customer', () => people.mallory, 'denied'],
    ['a program that acts for itself', () => person('robot', 'Security', { kind: 'client' }), 'denied'],
    [
      'the person who asked, with a token that the second one delegated',
      () => person('sue', 'Security', { actors: [{ subject: 'olga' }] }),
      'denied',
    ],
  ])('is not approved by %s, and the attempt is recorded', async (_who, identity, code) => {
    staff = make({ providers: { ...providers, staff2: providers.staff } });
    people.olga = person('olga', 'Admin', { email: 'olga@example.com' });
    const { id } = await ask();
    events.length = 0;
    expect(await refusal(staff.approve(identity(), id, request))).toBe(code);
    expect(events).toMatchObject([{ action: 'grant.approve', effect: 'deny', code }]);
    expect(await refusal(staff.use(people.olga, { id, ...request }))).toBe('grant_invalid');
  });

  it('lapses when nobody approves it in time', async () => {
    const { id } = await ask();
    now += 15 * minute;
    expect(await refusal(staff.approve(people.sue, id, request))).toBe('grant_invalid');
    expect((await staff.grants(people.olga)).grants).toMatchObject([{ state: 'lapsed' }]);
    // It is not even on record that it was approved.
    expect(events.map(({ action, effect }) => `${action} ${effect}`)).toEqual([
      'grant.request allow',
      'grant.approve deny',
    ]);
  });

  it('lapses also while the approval is being recorded', async () => {
    const { id } = await ask();
    record = () => {
      now += 15 * minute;
      return Promise.resolve();
    };
    expect(await refusal(staff.approve(people.sue, id, request))).toBe('grant_invalid');
    expect(await refusal(staff.use(people.olga, { id, ...request }))).toBe('grant_invalid');
  });

  it('is approved once, however many approve it at one time', async () => {
    const { id } = await ask();
    const approvers = Array.from({ length: 8 }, (_, index) => person(`sue${String(index)}`, 'Security'));
    const outcomes = await Promise.all(approvers.map((identity) => refusal(staff.approve(identity, id, request))));
    expect(outcomes.sort()).toEqual(['done', ...Array<string>(7).fill('grant_invalid')]);
    expect(await refusal(staff.approve(people.sue, id, request))).toBe('grant_invalid');
  });

  it('is not approved when the approval cannot be recorded', async () => {
    const { id } = await ask();
    record = () => Promise.reject(new Error('disk full'));
    expect(await refusal(staff.approve(people.sue, id, request))).toBe('audit_unavailable');
    expect((await staff.grants(people.olga)).grants).toMatchObject([{ state: 'pending' }]);
  });

  it('is not approved once it was revoked, and no support grant is ever approved', async () => {
    const { id } = await ask();
    await staff.revoke(people.olga, id, request);
    expect(await refusal(staff.approve(people.sue, id, request))).toBe('grant_invalid');
    const support = await staff.requestGrant(people.sam, { tenant: acme, kind: 'support', reason: why, ...request });
    expect(await refusal(staff.approve(people.sue, support.id, request))).toBe('grant_invalid');
  });

  it('is not approved for a tenant that may not work', async () => {
    const { id } = await ask();
    tenants.set(acme, { ...tenants.get(acme)!, status: { state: 'suspended' } });
    expect(await refusal(staff.approve(people.sue, id, request))).toBe('tenant_suspended');
  });

  it('does not hold where a store says it begins without approval', async () => {
    const { id } = await ask();
    const found = (await store.get(id))!;
    const begun = { ...found.record, startsAt: now, expiresAt: now + minute };
    for (const record of [begun, { ...begun, approvedBy: 'staff#olga' }]) {
      const lying = make({ store: { ...store, get: () => Promise.resolve({ record, uses: 0 }) } });
      expect(await refusal(lying.use(people.olga, { id, ...request }))).toBe('grant_invalid');
    }
  });
});

describe('a revocation', () => {
  it('is final, and may be repeated', async () => {
    const { id } = await staff.requestGrant(people.sam, { tenant: acme, kind: 'support', reason: why, ...request });
    expect(await staff.revoke(people.sam, id, request)).toMatchObject({ state: 'revoked', revokedBy: 'staff#sam' });
    expect(await staff.revoke(people.sue, id, request)).toMatchObject({ state: 'revoked', revokedBy: 'staff#sam' });
    expect(await refusal(staff.use(people.sam, { id, ...request }))).toBe('grant_invalid');
    expect(await refusal(staff.recheck(people.sam, { id, ...request }))).toBe('grant_invalid');
    expect(events.slice(1, 3)).toMatchObject([
      { action: 'grant.revoke', effect: 'allow', operator: { key: 'staff#sam' }, tenant: 'acme', grant: id },
      { action: 'grant.revoke', effect: 'allow', operator: { key: 'staff#sue' }, tenant: 'acme', grant: id },
    ]);
  });

  it('is for oneself and for those whom policy lets revoke', async () => {
    const { id } = await staff.requestGrant(people.sam, { tenant: acme, kind: 'support', reason: why, ...request });
    expect(await refusal(staff.revoke(person('sid', 'Support'), id, request))).toBe('denied');
    expect(await refusal(staff.revoke(people.mallory, id, request))).toBe('denied');
    expect(await refusal(staff.revoke(people.sue, id, request))).toBe('done');
  });

  it('wins over an approval at the same time, or comes after it', async () => {
    for (let round = 0; round < 20; round++) {
      const { id } = await staff.requestGrant(people.olga, {
        tenant: acme,
        kind: 'break_glass',
        reason: why,
        ...request,
      });
      await Promise.all([refusal(staff.approve(people.sue, id, request)), staff.revoke(people.olga, id, request)]);
      expect(await refusal(staff.use(people.olga, { id, ...request }))).toBe('grant_invalid');
    }
  });
});

describe('lists of grants', () => {
  beforeEach(async () => {
    for (let count = 0; count < 5; count++) {
      await staff.requestGrant(people.sam, {
        tenant: count % 2 === 0 ? acme : globex,
        kind: 'support',
        reason: why,
        ...request,
      });
      now += 1;
    }
    await staff.requestGrant(people.olga, { tenant: acme, kind: 'support', reason: why, ...request });
  });

  it('show an operator its own, page by page', async () => {
    const first = await staff.grants(people.sam, { limit: 3 });
    const second = await staff.grants(people.sam, { limit: 3, cursor: first.cursor });
    expect([...first.grants, ...second.grants].map(({ tenant }) => tenant)).toEqual([
      'acme',
      'globex',
      'acme',
      'globex',
      'acme',
    ]);
    expect(second.cursor).toBeUndefined();
  });

  it('show a tenant’s administrators those on their tenant, and nobody’s address', async () => {
    const { grants } = await staff.tenantGrants(contextFor({ tenant: 'acme', memberRoles: ['owner'] }));
    expect(grants.map(({ operator, tenant }) => [operator, tenant])).toEqual([
      ['staff#olga', 'acme'],
      ['staff#sam', 'acme'],
      ['staff#sam', 'acme'],
      ['staff#sam', 'acme'],
    ]);
    expect(JSON.stringify(grants)).not.toContain('email');
    expect(await refusal(staff.tenantGrants(contextFor({ tenant: 'acme', memberRoles: ['member'] })))).toBe('denied');
  });

  it('show those on a tenant to the operators who oversee it, which is recorded', async () => {
    events.length = 0;
    expect((await staff.grantsOn(people.sue, acme, request)).grants).toHaveLength(4);
    expect(await refusal(staff.grantsOn(people.sam, acme, request))).toBe('denied');
    expect(events.map(({ action, effect }) => `${action} ${effect}`)).toEqual([
      'tenant.grants:read allow',
      'tenant.grants:read deny',
    ]);
  });

  it('refuse a limit or a cursor that is none', async () => {
    for (const page of [{ limit: 0 }, { limit: 201 }, { limit: 1.5 }, { cursor: 'x' }, { cursor: '+' }])
      expect(await refusal(staff.grants(people.sam, page))).toBe('request_invalid');
    expect(await refusal(staff.grants(people.mallory))).toBe('denied');
  });
});

describe('acting in a tenant', () => {
  let asked: TenantQuery[];
  let members: Map<string, TenantContext>;
  let resolve: (identity: Identity, headers?: Readonly<Record<string, string>>) => Promise<TenantContext>;
  let tenantsFor: TenantResolver;

  function resolverWith(more: Partial<Parameters<typeof operatorResolver>[0]> = {}): TenantResolver {
    const inner: TenantResolver = {
      resolve(query) {
        asked.push(query);
        const context = members.get(query.identity.key);
        return context === undefined ? Promise.reject(new PortcullisError('not_a_member')) : Promise.resolve(context);
      },
      recheck: (context) => Promise.resolve(context),
    };
    return operatorResolver({
      resolver: inner,
      operators: staff,
      hints: ({ header }) => ({ header: header?.('x-tenant-id'), subdomain: header?.('x-subdomain') }),
      ...more,
    });
  }

  beforeEach(() => {
    asked = [];
    members = new Map();
    tenantsFor = resolverWith();
    resolve = (identity, headers = {}) =>
      tenantsFor.resolve({ identity, requestId: 'r', header: (name) => headers[name] });
  });

  const grantFor = async (identity: Identity, kind: 'support' | 'break_glass' = 'support'): Promise<string> => {
    const { id } = await staff.requestGrant(identity, { tenant: acme, kind, reason: why, ...request });
    if (kind === 'break_glass') await staff.approve(people.sue, id, request);
    return id;
  };

  it('needs a grant', async () => {
    expect(await refusal(resolve(people.sam))).toBe('grant_required');
    expect(await refusal(resolve(people.mallory))).toBe('not_a_member');
  });

  it('with one has the mark, and a role that reads', async () => {
    const id = await grantFor(people.sam);
    const context = await resolve(people.sam, { 'x-operator-grant': id });
    expect(context).toMatchObject({
      tenant: { id: 'acme' },
      membership: { tenantId: 'acme', userId: 'staff#sam', roles: ['readonly'] },
      impersonation: { grant: id, kind: 'support', operator: 'staff#sam', reason: why, expiresAt: now + 15 * minute },
    });
    expect(principalOf(context)).toMatchObject({
      id: 'staff#sam',
      roles: ['readonly'],
      attr: { kind: 'user', tenant: 'acme', impersonation: { kind: 'support', reason: why, grant: id } },
    });
    expect(asked).toEqual([]);
  });

  it('through broken glass has a role below the owner’s, and the second person’s name on it', async () => {
    const id = await grantFor(people.olga, 'break_glass');
    const context = await resolve(people.olga, { 'x-operator-grant': id });
    expect(context.membership.roles).toEqual(['admin']);
    expect(context.impersonation).toMatchObject({ kind: 'break_glass', approvedBy: 'staff#sue' });
    tenantsFor = resolverWith({ breakGlassRole: 'readonly' });
    expect((await resolve(people.olga, { 'x-operator-grant': id })).membership.roles).toEqual(['readonly']);
  });

  it('cannot be configured to be the owner', () => {
    for (const role of ['owner', 'operator_admin', ''])
      expect(() => resolverWith({ breakGlassRole: role as 'admin' })).toThrow(
        expect.objectContaining({ code: 'config_invalid' }) as Error,
      );
  });

  it('is as a member where the operator is one and names no grant, and never both', async () => {
    members.set('staff#sam', contextFor({ tenant: 'acme', memberRoles: ['owner'] }));
    expect((await resolve(people.sam)).impersonation).toBeUndefined();
    const id = await grantFor(people.sam);
    expect(await resolve(people.sam, { 'x-operator-grant': id })).toMatchObject({
      membership: { roles: ['readonly'] },
      impersonation: { grant: id },
    });
  });

  it('is refused to a member of the tenant who names a grant, and not ignored', async () => {
    members.set('customers#mallory', contextFor({ tenant: 'acme' }));
    const id = await grantFor(people.sam);
    for (const header of [id, 'x', ''])
      expect(await refusal(resolve(people.mallory, { 'x-operator-grant': header }))).toBe('grant_invalid');
    expect(asked).toEqual([]);
  });

  it.each([
    [{ 'x-tenant-id': 'globex' }, 'tenant_mismatch'],
    [{ 'x-tenant-id': 'Acme' }, 'tenant_mismatch'],
    [{ 'x-subdomain': 'globex' }, 'tenant_mismatch'],
    [{ 'x-tenant-id': 'acme', 'x-subdomain': 'globex' }, 'tenant_mismatch'],
    [{ 'x-tenant-id': 'acme', 'x-subdomain': 'acme' }, 'done'],
  ])('has to be in the tenant that the request names: %j', async (headers, code) => {
    const id = await grantFor(people.sam);
    expect(await refusal(resolve(people.sam, { 'x-operator-grant': id, ...headers }))).toBe(code);
  });

  it('does not tell another operator which tenant a grant is for', async () => {
    const id = await grantFor(people.sam);
    const headers = { 'x-operator-grant': id, 'x-tenant-id': 'globex' };
    expect(await refusal(resolve(people.olga, headers))).toBe('grant_invalid');
  });

  it.each([
    ['its time', () => void (now += 15 * minute)],
    ['a revocation', (id: string) => staff.revoke(people.sue, id, request)],
    [
      'the tenant’s suspension',
      () => void tenants.set(acme, { ...tenants.get(acme)!, status: { state: 'suspended' } }),
    ],
    ['the end of the operator’s token, before the grant’s', () => void (now += 5 * minute)],
  ])('ends for open streams with %s', async (_what, end) => {
    people.sam = person('sam', 'Support', { expiresAt: now + 5 * minute });
    const id = await grantFor(people.sam);
    const context = await resolve(people.sam, { 'x-operator-grant': id });
    const again = await tenantsFor.recheck(await tenantsFor.recheck(context));
    expect(again).toMatchObject({ impersonation: { grant: id }, membership: { roles: ['readonly'] } });
    expect((await staff.grants(people.sam)).grants).toMatchObject([{ uses: 1 }]);
    await end(id);
    await expect(tenantsFor.recheck(again)).rejects.toBeInstanceOf(PortcullisError);
    expect(events.at(-1)).toMatchObject({ action: 'grant.use', effect: 'deny' });
  });

  it('is not rechecked as a member’s context, nor with a context of somebody’s own making', async () => {
    const user = contextFor();
    expect(await tenantsFor.recheck(user)).toBe(user);
    const context = await resolve(people.sam, { 'x-operator-grant': await grantFor(people.sam) });
    await expect(tenantsFor.recheck({ ...context })).rejects.toThrow(TypeError);
    const { sealTenantContext } = await import('@portcullis/core/seal');
    expect(await refusal(tenantsFor.recheck(sealTenantContext({ ...context })))).toBe('grant_invalid');
  });

  it('is where it ends: the context’s identity is no operator’s, and gets no grant, approval or context', async () => {
    const id = await grantFor(people.olga, 'break_glass');
    const context = await resolve(people.olga, { 'x-operator-grant': id });
    const { identity } = context;
    expect(identity).toEqual(people.olga);
    expect(staff.isOperator(identity)).toBe(false);
    const pending = await staff.requestGrant(people.otto, {
      tenant: globex,
      kind: 'break_glass',
      reason: why,
      ...request,
    });
    for (const attempt of [
      () => staff.requestGrant(identity, { tenant: globex, kind: 'support', reason: why, ...request }),
      () => staff.approve(identity, pending.id, request),
      () => staff.revoke(identity, id, request),
      () => staff.contextFor(identity, { action: 'provision', tenants: 'all', reason: why, ttlMs: minute, ...request }),
      () => staff.authorize(identity, { action: 'tenants:list', ...request }),
      () => staff.grants(identity),
    ])
      expect(await refusal(attempt())).toBe('denied');
    expect(await refusal(resolve(identity, { 'x-operator-grant': id }))).toBe('grant_invalid');
    members.set('staff#olga', contextFor({ tenant: 'acme', memberRoles: ['owner'] }));
    expect(await refusal(resolve(identity))).toBe('grant_invalid');
    await expect(
      staff.requestGrant(context as never, { tenant: globex, kind: 'support', reason: why, ...request }),
    ).rejects.toThrow(TypeError);
  });

  it('leaves nothing behind: policy denies an impersonated administrator members, roles and settings', async () => {
    const context = await resolve(people.olga, { 'x-operator-grant': await grantFor(people.olga, 'break_glass') });
    const ask = async (of: TenantContext): Promise<readonly string[]> => {
      const actions = ['read', 'members:write', 'roles:write', 'settings:write', 'sessions:end'];
      const [decisions] = await pdp.check({
        principal: principalOf(of),
        scope: 'acme',
        questions: [{ resource: { kind: 'tenant', id: 'acme', tenant: acme }, actions }],
      });
      return decisions!.filter(({ effect }) => effect === 'allow').map(({ action }) => action);
    };
    expect(await ask(context)).toEqual(['read']);
    expect(await ask(contextFor({ memberRoles: ['admin'] }))).toHaveLength(5);
  });
});
