import { z } from 'zod';
import { isTenantId, PortcullisError, type Tenant, type TenantId } from '@portcullis/core';
import type { BackendStoreOptions } from './backend-store-options.js';
import { invitationIdOf } from './invitation-entry.js';
import { keys } from './keys.js';
import { cursorAt, type Position } from './page.js';
import { batchesOf, entriesOf, readAll, readOne } from './read-records.js';
import { isStorable, newTenant, normalDomain, tenantSchema, updatedTenant } from './record.js';
import { newRoll, rollSchema } from './roll.js';
import { requireOnly, requireVersion } from './rules.js';
import type { DeleteOptions, TenantStore } from './store.js';
import { isListed, tenantList, tenantOrders, tenantPosition } from './tenant-list.js';
import { transact, type Transaction } from './transaction.js';

/** Who a domain or a binding belongs to. */
const ownerSchema = z.custom<TenantId>(isTenantId);

type TenantRecords = Pick<
  TenantStore,
  | 'createTenant'
  | 'getTenant'
  | 'getTenantByDomain'
  | 'getTenantsByProvider'
  | 'updateTenant'
  | 'deleteTenant'
  | 'listTenants'
>;

/** The tenants of a backend store. */
export function tenantRecords({ backend, clock }: BackendStoreOptions): TenantRecords {
  const read = (id: TenantId): Promise<Tenant | undefined> => readOne(backend, keys.tenant(id), tenantSchema);

  return {
    createTenant: (input) =>
      transact(backend, async (transaction) => {
        const tenant = newTenant(input, clock());
        if ((await transaction.get(keys.tenant(tenant.id), tenantSchema)) !== undefined)
          throw new PortcullisError('conflict', `tenant \`${tenant.id}\` exists`);
        // That there is none has to hold too: the roll is what everything of a tenant hangs on.
        await transaction.get(keys.roll(tenant.id), rollSchema);
        transaction.set(keys.roll(tenant.id), newRoll());
        await writeTenant(transaction, undefined, tenant);
        return tenant;
      }),
    getTenant: read,
    async getTenantByDomain(domain) {
      const name = normalDomain(domain);
      const owner = name === undefined ? undefined : await readOne(backend, keys.domain(name), ownerSchema);
      const tenant = owner === undefined ? undefined : await read(owner);
      // The record decides: it may have changed since the index was read.
      return name !== undefined && tenant?.domains.includes(name) === true ? tenant : undefined;
    },
    async getTenantsByProvider(provider, tenantHint) {
      if (!isStorable(provider) || !isStorable(tenantHint ?? '')) return [];
      const owners =
        tenantHint === undefined
          ? z.array(ownerSchema).parse(await entriesOf(backend, keys.openBinding(provider)))
          : [await readOne(backend, keys.hintedBinding(provider, tenantHint), ownerSchema)];
      const found = owners.filter((id) => id !== undefined).map(keys.tenant);
      return (await readAll(backend, found, tenantSchema)).filter((tenant) =>
        tenant.settings.identityProviders.some(
          (binding) => binding.provider === provider && binding.tenantHint === tenantHint,
        ),
      );
    },
    updateTenant: (id, update, options) =>
      transact(backend, async (transaction) => {
        const tenant = await transaction.get(keys.tenant(id), tenantSchema);
        if (tenant === undefined) throw new PortcullisError('tenant_unknown');
        requireVersion(tenant.version, options);
        const updated = updatedTenant(tenant, update, clock());
        await writeTenant(transaction, tenant, updated);
        return updated;
      }),
    deleteTenant: (id, options) =>
      transact(backend, async (transaction) => {
        const tenant = await transaction.get(keys.tenant(id), tenantSchema);
        if (tenant === undefined) return;
        requireVersion(tenant.version, options);
        await removeBelongings(transaction, id, options);
        await writeTenant(transaction, tenant, undefined);
      }),
    async listTenants(options) {
      const list = tenantList(options);
      const set = keys.tenantsBy(list.orderBy);
      const from = { after: list.after === undefined ? undefined : entryAt(list.after), reverse: list.reverse };
      const page: Tenant[] = [];
      for await (const entries of batchesOf(backend, set, from)) {
        for (const tenant of await readAll(backend, entries.map(tenantKeyOf), tenantSchema)) {
          if (!isListed(tenant, list)) continue;
          const last = page.at(-1);
          if (page.length === list.limit && last !== undefined)
            return { tenants: page, cursor: cursorAt(list.mark, tenantPosition(last, list.orderBy)) };
          page.push(tenant);
        }
      }
      return { tenants: page };
    },
  };
}

/** Writes a tenant with all that points to it. @throws PortcullisError `conflict` */
async function writeTenant(
  transaction: Transaction,
  before: Tenant | undefined,
  after: Tenant | undefined,
): Promise<void> {
  const pointersBefore = pointersTo(before);
  const pointersAfter = pointersTo(after);
  for (const [key, conflict] of pointersAfter) {
    if (pointersBefore.has(key)) continue;
    if ((await transaction.get(key, ownerSchema)) !== undefined) throw conflict();
    transaction.set(key, after?.id);
  }
  for (const key of pointersBefore.keys()) if (!pointersAfter.has(key)) transaction.delete(key);
  const setsAfter = setsWith(after);
  for (const { set, entry } of setsWith(before).values()) transaction.exclude(set, entry);
  for (const { set, entry } of setsAfter.values()) transaction.include(set, entry);
  if (after !== undefined) transaction.set(keys.tenant(after.id), after);
  else if (before !== undefined) transaction.delete(keys.tenant(before.id));
}

/** What speaks for one tenant at the most: its domains, and its bindings with a hint. */
function pointersTo(tenant: Tenant | undefined): ReadonlyMap<string, () => PortcullisError> {
  const pointers = new Map<string, () => PortcullisError>();
  for (const domain of tenant?.domains ?? [])
    pointers.set(keys.domain(domain), () => new PortcullisError('conflict', `domain \`${domain}\` is taken`));
  for (const { provider, tenantHint } of tenant?.settings.identityProviders ?? [])
    if (tenantHint !== undefined)
      pointers.set(
        keys.hintedBinding(provider, tenantHint),
        () =>
          new PortcullisError('conflict', 'an identity-provider binding is taken', {
            detail: `${provider} ${tenantHint}`,
          }),
      );
  return pointers;
}

/** The ordered sets that have the tenant. */
function setsWith(tenant: Tenant | undefined): ReadonlyMap<string, { readonly set: string; readonly entry: string }> {
  if (tenant === undefined) return new Map();
  const lists = tenantOrders.map((order) => ({
    set: keys.tenantsBy(order),
    entry: entryAt(tenantPosition(tenant, order)),
  }));
  const bindings = tenant.settings.identityProviders
    .filter(({ tenantHint }) => tenantHint === undefined)
    .map(({ provider }) => ({ set: keys.openBinding(provider), entry: tenant.id }));
  return new Map([...lists, ...bindings].map((place) => [place.set, place]));
}

/** No name contains NUL, which sorts first: equals are ordered by id, and a name before one that it begins. */
function entryAt({ key, id }: Position): string {
  return `${key}\u0000${id}`;
}

function tenantKeyOf(entry: string): string {
  return keys.tenant(ownerSchema.parse(entry.slice(entry.lastIndexOf('\u0000') + 1)));
}

/** Removes all that hangs on the roll of a tenant, and the roll. */
async function removeBelongings(transaction: Transaction, id: TenantId, options?: DeleteOptions): Promise<void> {
  await transaction.get(keys.roll(id), rollSchema);
  transaction.delete(keys.roll(id));
  const members = await removeSet(transaction, keys.members(id), (userId) => keys.member(id, userId));
  for (const userId of members) transaction.exclude(keys.tenantsOf(userId), id);
  const others = [
    await removeSet(transaction, keys.roles(id), (roleId) => keys.role(id, roleId)),
    await removeSet(transaction, keys.invitations(id), (entry) => keys.invitation(id, invitationIdOf(entry))),
    await removeSet(transaction, keys.claims(id), (domain) => keys.claim(id, domain)),
  ];
  requireOnly(members, others.flat().length, options);
}

async function removeSet(
  transaction: Transaction,
  set: string,
  keyOf: (entry: string) => string,
): Promise<readonly string[]> {
  const entries = await entriesOf(transaction, set);
  for (const entry of entries) {
    transaction.delete(keyOf(entry));
    transaction.exclude(set, entry);
  }
  return entries;
}
