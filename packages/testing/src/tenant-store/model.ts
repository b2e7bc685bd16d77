import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tenantId, type TenantId } from '@portcullis/core';
import type { TenantStore } from '@portcullis/tenants';
import { codeOf, invitationTo, type MakeReplicas } from './replicas.js';

/** What the store should hold, said as plainly as can be. */
interface ModelTenant {
  version: number;
  domain: string | undefined;
  maxUsers: number | undefined;
  readonly members: Map<string, { roles: readonly string[]; version: number }>;
  readonly open: Set<string>;
}

type Model = Map<TenantId, ModelTenant>;

const ids = ['t1', 't2', 't3'].map((id) => tenantId(id));
const kinds = ['create', 'update', 'delete', 'add', 'accept', 'change', 'put', 'remove', 'invite', 'revoke'] as const;

const operation = fc.record({
  kind: fc.constantFrom(...kinds),
  id: fc.constantFrom(...ids),
  user: fc.constantFrom('u', 'v', 'w', 'x'),
  roles: fc.constantFrom<readonly string[]>(['owner'], ['admin'], ['owner', 'member'], []),
  domain: fc.constantFrom('a.example', 'b.example', undefined),
  maxUsers: fc.constantFrom(undefined, 0, 1, 2, 3),
  invitation: fc.constantFrom('i', 'j'),
  /** How far the version that is named is from the present one; `undefined` names none. */
  off: fc.constantFrom(undefined, undefined, 0, 0, 1),
});

type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

/** The version that an operation names, seen from the present one. */
const named = (present: number, by: number | undefined): { readonly ifVersion?: number } =>
  by === undefined ? {} : { ifVersion: present + by };

function ownersOf(tenant: ModelTenant): number {
  return [...tenant.members.values()].filter((member) => member.roles.includes('owner')).length;
}

/** How the operation should end; the model is changed when it ends well. */
function expected(model: Model, op: Operation): string {
  const tenant = model.get(op.id);
  if (tenant === undefined) {
    if (op.kind === 'create') return create(model, op);
    if (op.kind === 'change') return 'not_found';
    return ['delete', 'remove', 'revoke'].includes(op.kind) ? 'done' : 'tenant_unknown';
  }
  switch (op.kind) {
    case 'create':
      return 'conflict';
    case 'update':
      if (isStale(op)) return 'precondition_failed';
      if (isTaken(model, op)) return 'conflict';
      Object.assign(tenant, { version: tenant.version + 1, domain: op.domain, maxUsers: op.maxUsers });
      return 'done';
    case 'delete':
      if (isStale(op)) return 'precondition_failed';
      model.delete(op.id);
      return 'done';
    case 'invite':
      if (tenant.open.has(op.invitation)) return 'conflict';
      if (isFull(tenant, tenant.members.size + tenant.open.size)) return 'quota_exceeded';
      tenant.open.add(op.invitation);
      return 'done';
    case 'revoke':
      tenant.open.delete(op.invitation);
      return 'done';
    case 'add':
    case 'accept':
    case 'change':
    case 'put':
    case 'remove':
      return expectedOfMember(tenant, op);
  }
}

function create(model: Model, op: Operation): string {
  if (isTaken(model, op)) return 'conflict';
  model.set(op.id, { version: 1, domain: op.domain, maxUsers: undefined, members: new Map(), open: new Set() });
  return 'done';
}

function expectedOfMember(tenant: ModelTenant, op: Operation): string {
  const member = tenant.members.get(op.user);
  if (member === undefined) {
    if (op.kind === 'change') return 'not_found';
    if (op.kind === 'remove') return 'done';
    if (op.kind === 'accept' && !tenant.open.has(op.invitation)) return 'invitation_invalid';
    const others = tenant.members.size + (op.kind === 'accept' ? 0 : tenant.open.size);
    if (isFull(tenant, others)) return 'quota_exceeded';
    if (op.kind === 'accept') tenant.open.delete(op.invitation);
    tenant.members.set(op.user, { roles: op.roles, version: 1 });
    return 'done';
  }
  if (op.kind === 'add' || op.kind === 'accept') return 'conflict';
  if (op.kind !== 'put' && isStale(op)) return 'precondition_failed';
  const remains = op.kind !== 'remove' && op.roles.includes('owner');
  if (member.roles.includes('owner') && !remains && ownersOf(tenant) === 1) return 'last_owner';
  if (op.kind === 'remove') tenant.members.delete(op.user);
  else tenant.members.set(op.user, { roles: op.roles, version: member.version + 1 });
  return 'done';
}

function isStale({ off }: Operation): boolean {
  return off !== undefined && off !== 0;
}

function isTaken(model: Model, { id, domain }: Operation): boolean {
  return [...model].some(([of, { domain: known }]) => of !== id && known !== undefined && known === domain);
}

function isFull({ maxUsers }: ModelTenant, others: number): boolean {
  return maxUsers !== undefined && others >= maxUsers;
}

async function run(store: TenantStore, model: Model, op: Operation): Promise<unknown> {
  const { kind, id, user, roles, invitation, off } = op;
  const tenant = model.get(id);
  const domains = op.domain === undefined ? [] : [op.domain];
  const ofTenant = named(tenant?.version ?? 1, off);
  const ofMember = named(tenant?.members.get(user)?.version ?? 1, off);
  switch (kind) {
    case 'create':
      return store.createTenant({ id, name: id, domains });
    case 'update':
      return store.updateTenant(id, { domains, settings: { quotas: { maxUsers: op.maxUsers } } }, ofTenant);
    case 'delete':
      return store.deleteTenant(id, ofTenant);
    case 'add':
      return store.addMember(id, user, roles);
    case 'accept':
      return store.addMember(id, user, roles, { invitation });
    case 'change':
      return store.changeMember(id, user, roles, ofMember);
    case 'put':
      return store.putMember(id, user, roles);
    case 'remove':
      return store.removeMember(id, user, ofMember);
    case 'invite':
      return store.putInvitation(invitationTo(id, invitation));
    case 'revoke':
      return store.removeInvitation(id, invitation);
  }
}

/** All that can be seen of the store, by every way that leads to it. */
async function seen(store: TenantStore): Promise<unknown> {
  const { tenants } = await store.listTenants();
  return {
    tenants: await Promise.all(
      tenants.map(async (tenant) => [
        tenant.id,
        tenant.version,
        tenant.domains[0],
        (await store.getMembers(tenant.id)).map((member) => [member.userId, member.roles, member.version]),
        (await store.getInvitations(tenant.id)).map((one) => one.id),
      ]),
    ),
    domains: [(await store.getTenantByDomain('a.example'))?.id, (await store.getTenantByDomain('b.example'))?.id],
    users: await Promise.all(
      ['u', 'v', 'w', 'x'].map(async (name) => (await store.getUserMemberships(name)).map((member) => member.tenantId)),
    ),
  };
}

function shouldBeSeen(model: Model): unknown {
  const sorted = [...model].sort(([a], [b]) => (a < b ? -1 : 1));
  const owner = (name: string): TenantId | undefined => sorted.find(([, tenant]) => tenant.domain === name)?.[0];
  return {
    tenants: sorted.map(([of, tenant]) => [
      of,
      tenant.version,
      tenant.domain,
      [...tenant.members]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, member]) => [name, member.roles, member.version]),
      [...tenant.open].sort(),
    ]),
    domains: [owner('a.example'), owner('b.example')],
    users: ['u', 'v', 'w', 'x'].map((name) =>
      sorted.filter(([, tenant]) => tenant.members.has(name)).map(([of]) => of),
    ),
  };
}

/** Any sequence of changes, by turns on two replicas, ends and is seen as in a model that is nothing but maps. */
export function modelContract(make: MakeReplicas, numRuns: number): void {
  describe('as in a model', () => {
    it('every sequence of changes ends, and every record is', async () => {
      const { one, two } = await make();
      const operations = fc.array(operation, { minLength: 1, maxLength: 40, size: 'max' });
      await fc.assert(
        fc.asyncProperty(operations, async (sequence) => {
          for (const tenant of ids) await one.deleteTenant(tenant);
          const model: Model = new Map();
          for (const [index, op] of sequence.entries()) {
            const end = await codeOf(run(index % 2 === 0 ? one : two, model, op));
            expect([op, end]).toEqual([op, expected(model, op)]);
          }
          expect(await seen(two)).toEqual(shouldBeSeen(model));
        }),
        { numRuns },
      );
    });
  });
}
