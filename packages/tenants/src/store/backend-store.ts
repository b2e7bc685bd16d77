import { z } from 'zod';
import {
  isTenantId,
  PortcullisError,
  systemClock,
  type Clock,
  type Membership,
  type Tenant,
  type TenantId,
} from '@portcullis/core';
import type { Backend } from './backend.js';
import {
  membershipSchema,
  newTenant,
  normalDomain,
  parseInput,
  parseStored,
  tenantSchema,
  updatedTenant,
  type NewTenant,
  type TenantUpdate,
} from './record.js';
import type { ListOptions, TenantPage, TenantStore } from './store.js';

/** The keys of all records: a list of texts as JSON, so that no two different keys can be spelled alike. */
const keys = {
  tenant: (id: TenantId) => JSON.stringify(['tenant', id]),
  tenants: JSON.stringify(['tenants']),
  domain: (domain: string) => JSON.stringify(['domain', domain]),
  binding: (provider: string, hint: string | undefined) =>
    JSON.stringify(['binding', provider, ...(hint === undefined ? [] : [hint])]),
  members: (id: TenantId) => JSON.stringify(['members', id]),
  user: (userId: string) => JSON.stringify(['user', userId]),
};

const ids = z.array(z.custom<TenantId>(isTenantId));
const memberList = z.array(membershipSchema);

/**
 * A tenant store over a backend of keys and values.
 *
 * The tenant record and the member list are the truth; the indexes (domain, binding, user) only point to it and are
 * checked against it on every read, so that a write that was cut short can leave a pointer too many and never a wrong
 * answer. Indexes are written before what they point to and removed after it. Writes of one process run one after the
 * other.
 */
export function backendStore(backend: Backend, clock: Clock = systemClock): TenantStore {
  let turn: Promise<unknown> = Promise.resolve();
  function inTurn<T>(write: () => Promise<T>): Promise<T> {
    const result = turn.then(write);
    turn = result.catch(() => undefined);
    return result;
  }

  async function read<T>(key: string, schema: z.ZodType<T>): Promise<T | undefined> {
    const value = await backend.get(key);
    return value === undefined || value === null ? undefined : parseStored(schema, value);
  }

  const readTenant = (id: TenantId): Promise<Tenant | undefined> => read(keys.tenant(id), tenantSchema);
  const readIds = async (key: string): Promise<readonly TenantId[]> => (await read(key, ids)) ?? [];
  const readMembers = async (id: TenantId): Promise<readonly Membership[]> =>
    (await read(keys.members(id), memberList)) ?? [];

  async function addTo(key: string, id: TenantId): Promise<void> {
    const known = await readIds(key);
    if (!known.includes(id)) await backend.set(key, [...known, id].sort());
  }

  async function removeFrom(key: string, id: TenantId): Promise<void> {
    const rest = (await readIds(key)).filter((known) => known !== id);
    await (rest.length === 0 ? backend.delete(key) : backend.set(key, rest));
  }

  const indexesOf = (tenant: Tenant | undefined): ReadonlySet<string> =>
    new Set(
      tenant === undefined
        ? []
        : [
            ...tenant.domains.map(keys.domain),
            ...tenant.settings.identityProviders.map(({ provider, tenantHint }) => keys.binding(provider, tenantHint)),
          ],
    );

  /** A domain, and a binding with a hint, speak for one tenant at the most. */
  async function requireFree(tenant: Tenant): Promise<void> {
    for (const domain of tenant.domains) {
      const owner = await tenantByDomain(domain);
      if (owner !== undefined && owner.id !== tenant.id)
        throw new PortcullisError('conflict', `domain \`${domain}\` is taken`);
    }
    for (const { provider, tenantHint } of tenant.settings.identityProviders) {
      if (tenantHint === undefined) continue;
      const owners = await tenantsByProvider(provider, tenantHint);
      if (owners.some(({ id }) => id !== tenant.id))
        throw new PortcullisError('conflict', 'an identity-provider binding is taken', {
          detail: `${provider} ${tenantHint}`,
        });
    }
  }

  async function write(tenant: Tenant, previous: Tenant | undefined): Promise<Tenant> {
    await requireFree(tenant);
    const before = indexesOf(previous);
    const after = indexesOf(tenant);
    for (const key of after) await addTo(key, tenant.id);
    if (previous === undefined) await addTo(keys.tenants, tenant.id);
    await backend.set(keys.tenant(tenant.id), tenant);
    for (const key of before) if (!after.has(key)) await removeFrom(key, tenant.id);
    return tenant;
  }

  async function tenantByDomain(domain: string): Promise<Tenant | undefined> {
    const name = normalDomain(domain);
    if (name === undefined) return undefined;
    for (const id of await readIds(keys.domain(name))) {
      const tenant = await readTenant(id);
      if (tenant?.domains.includes(name) === true) return tenant;
    }
    return undefined;
  }

  async function tenantsByProvider(provider: string, tenantHint: string | undefined): Promise<readonly Tenant[]> {
    const found = await Promise.all((await readIds(keys.binding(provider, tenantHint))).map(readTenant));
    return found.filter(
      (tenant) =>
        tenant?.settings.identityProviders.some(
          (binding) => binding.provider === provider && binding.tenantHint === tenantHint,
        ) === true,
    ) as readonly Tenant[];
  }

  async function membership(tenant: TenantId, userId: string): Promise<Membership | undefined> {
    return (await readMembers(tenant)).find((member) => member.userId === userId);
  }

  return {
    createTenant: (input: NewTenant) =>
      inTurn(async () => {
        const tenant = newTenant(input, clock());
        if ((await readTenant(tenant.id)) !== undefined)
          throw new PortcullisError('conflict', `tenant \`${tenant.id}\` exists`);
        // A deletion that was cut short must not hand its members to a tenant of the same name.
        await backend.delete(keys.members(tenant.id));
        return write(tenant, undefined);
      }),
    getTenant: readTenant,
    getTenantByDomain: tenantByDomain,
    getTenantsByProvider: tenantsByProvider,
    updateTenant: (id: TenantId, update: TenantUpdate) =>
      inTurn(async () => {
        const tenant = await readTenant(id);
        if (tenant === undefined) throw new PortcullisError('tenant_unknown');
        return write(updatedTenant(tenant, update, clock()), tenant);
      }),
    deleteTenant: (id: TenantId) =>
      inTurn(async () => {
        const tenant = await readTenant(id);
        const members = await readMembers(id);
        await backend.delete(keys.tenant(id));
        await backend.delete(keys.members(id));
        for (const { userId } of members) await removeFrom(keys.user(userId), id);
        for (const key of indexesOf(tenant)) await removeFrom(key, id);
        await removeFrom(keys.tenants, id);
      }),
    async listTenants({ state, limit = 100, cursor }: ListOptions = {}): Promise<TenantPage> {
      if (!Number.isSafeInteger(limit) || limit < 1)
        throw new PortcullisError('request_invalid', 'limit: must be a positive integer');
      const rest = (await readIds(keys.tenants)).filter((id) => cursor === undefined || id > cursor);
      const page: Tenant[] = [];
      for (const id of rest) {
        const tenant = await readTenant(id);
        if (tenant === undefined || (state !== undefined && tenant.status.state !== state)) continue;
        if (page.length === limit) return { tenants: page, cursor: page.at(-1)?.id };
        page.push(tenant);
      }
      return { tenants: page };
    },
    putMember: (tenantId: TenantId, userId: string, roles: readonly string[]) =>
      inTurn(async () => {
        if ((await readTenant(tenantId)) === undefined) throw new PortcullisError('tenant_unknown');
        const members = await readMembers(tenantId);
        const known = members.find((member) => member.userId === userId);
        const member = parseInput(membershipSchema, {
          tenantId,
          userId,
          roles: [...new Set(roles)],
          joinedAt: known?.joinedAt ?? clock(),
          version: (known?.version ?? 0) + 1,
        });
        await addTo(keys.user(userId), tenantId);
        await backend.set(keys.members(tenantId), [...members.filter((other) => other.userId !== userId), member]);
        return member;
      }),
    removeMember: (tenantId: TenantId, userId: string) =>
      inTurn(async () => {
        await backend.set(
          keys.members(tenantId),
          (await readMembers(tenantId)).filter((member) => member.userId !== userId),
        );
        await removeFrom(keys.user(userId), tenantId);
      }),
    getMembership: membership,
    getMembers: readMembers,
    async getUserMemberships(userId: string) {
      const found = await Promise.all((await readIds(keys.user(userId))).map((id) => membership(id, userId)));
      return found.filter((member) => member !== undefined);
    },
    close: () => backend.close(),
  };
}
