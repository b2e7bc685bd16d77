import { tenantId, type TenantId } from '@portcullis/core';
import type { TenantStore } from '@portcullis/tenants';

/** What a store has said is done. Whether what it failed at was done is not known. */
export interface Acknowledged {
  /** Tenants that were made, and not asked to be deleted. */
  readonly tenants: Set<TenantId>;
  /** Members that were added, and not asked to be removed, as `tenant user`. */
  readonly members: Set<string>;
  /** Tenants whose deletion was acknowledged. */
  readonly deleted: Set<TenantId>;
}

/** Nothing so far. */
export function nothing(): Acknowledged {
  return { tenants: new Set(), members: new Set(), deleted: new Set() };
}

/** One round of changes: makes a tenant, moves its domain, adds and removes members, deletes every third. */
export async function round(store: TenantStore, name: string, index: number, done: Acknowledged): Promise<void> {
  const id = tenantId(`${name}-${String(index)}`);
  await store.createTenant({ id, name: `Tenant ${id}`, domains: [`${id}.example`] });
  done.tenants.add(id);
  for (const user of ['boss', `user-${String(index % 5)}`, 'leaver']) {
    await store.addMember(id, user, user === 'boss' ? ['owner'] : ['member']);
    done.members.add(`${id} ${user}`);
  }
  await store.updateTenant(id, { domains: [`${id}.moved.example`], name: `Moved ${id}` }, { ifVersion: 1 });
  done.members.delete(`${id} leaver`);
  await store.removeMember(id, 'leaver');
  if (index % 3 !== 2) return;
  done.tenants.delete(id);
  for (const user of ['boss', `user-${String(index % 5)}`]) done.members.delete(`${id} ${user}`);
  await store.deleteTenant(id);
  done.deleted.add(id);
}

/** Everything that is wrong with a store: records and indexes that contradict one another, and work that it lost. */
export async function faultsOf(store: TenantStore, names: readonly string[], rounds: number, done: Acknowledged) {
  const faults: string[] = [];
  const listed: Record<string, readonly TenantId[]> = {};
  for (const orderBy of ['id', 'name', 'createdAt'] as const) {
    const ids: TenantId[] = [];
    for (let cursor: string | undefined; ;) {
      const page = await store.listTenants({ orderBy, cursor });
      ids.push(...page.tenants.map(({ id }) => id));
      if (page.cursor === undefined) break;
      ({ cursor } = page);
    }
    listed[orderBy] = ids.sort();
  }
  const known = new Set(listed['id']);
  for (const order of ['name', 'createdAt'])
    if (JSON.stringify(listed[order]) !== JSON.stringify(listed['id'])) faults.push(`the list by ${order} differs`);
  for (const id of done.tenants) if (!known.has(id)) faults.push(`${id} was acknowledged and is gone`);
  for (const id of done.deleted) if (known.has(id)) faults.push(`${id} was deleted and is there`);
  for (const member of done.members) {
    const [id = '', user = ''] = member.split(' ');
    if ((await store.getMembership(tenantId(id), user)) === undefined) faults.push(`${member} was added and is gone`);
  }
  for (const user of ['boss', 'leaver', ...[0, 1, 2, 3, 4].map((index) => `user-${String(index)}`)]) {
    const memberships = await store.getUserMemberships(user);
    for (const { tenantId: id } of memberships)
      if (!known.has(id)) faults.push(`${user} is a member of ${id}, which is not there`);
    for (const id of known) {
      const inTenant = (await store.getMembers(id)).some(({ userId }) => userId === user);
      const inUser = memberships.some(({ tenantId: of }) => of === id);
      if (inTenant !== inUser) faults.push(`${user} and ${id} do not agree`);
    }
  }
  for (const name of names)
    for (let index = 0; index < rounds; index++) {
      const id = tenantId(`${name}-${String(index)}`);
      const record = await store.getTenant(id);
      if ((record !== undefined) !== known.has(id)) faults.push(`${id} and the lists do not agree`);
      for (const domain of [`${id}.example`, `${id}.moved.example`]) {
        const found = await store.getTenantByDomain(domain);
        if (found?.id !== (record?.domains.includes(domain) === true ? id : undefined))
          faults.push(`${domain} finds ${String(found?.id)}`);
        // A pointer that is left behind would keep the domain for nobody.
        if (record?.domains.includes(domain) === true) continue;
        const probe = tenantId('probe');
        await store.createTenant({ id: probe, name: 'Probe', domains: [domain] }).catch(() => {
          faults.push(`${domain} is taken by nobody`);
        });
        await store.deleteTenant(probe);
      }
    }
  return faults;
}
