import { z } from 'zod';
import { isTenantId, type Membership, type Tenant, type TenantId, type TenantStatus } from '@portcullis/core';
import { refused } from '../access.js';
import type { NewTenantRecord, TenantRecords } from './tenant-records.js';

/** A tenant's record with its members, as it goes into an archive. */
export interface RegistryEntry {
  readonly tenant: Tenant;
  readonly members: readonly Membership[];
}

/** A tenant's record with its members, as it comes out of one. */
export interface ArchivedRecord {
  readonly record: NewTenantRecord & { readonly status: TenantStatus };
  readonly members: readonly { readonly userId: string; readonly roles: readonly string[] }[];
}

const member = z.object({ tenantId: z.string(), userId: z.string(), roles: z.array(z.string()) });
/** What is used of it here is looked at here; the registry parses the whole record when it is created. */
const outline = z.looseObject({
  id: z.custom<TenantId>(isTenantId),
  name: z.string(),
  status: z.looseObject({ state: z.string() }),
});
const archived = z.object({
  tenant: z.custom<Tenant>((value) => outline.safeParse(value).success),
  members: z.array(member),
});

/** Reads an archive's registry file. @throws PortcullisError `storage_refused` */
export function parseRegistryEntry(text: string, tenant: TenantId): ArchivedRecord {
  const parsed = archived.safeParse(JSON.parse(text));
  if (!parsed.success) throw refused('the archived record of the tenant is malformed', parsed.error);
  const { tenant: stored, members } = parsed.data;
  if (stored.id !== tenant || members.some(({ tenantId }) => tenantId !== tenant))
    throw refused('the archived record is another tenant’s');
  const { createdAt: _created, updatedAt: _updated, ...record } = stored;
  return { record, members };
}

/** All that the registry has of a tenant. */
export async function registryEntry(registry: TenantRecords, tenant: Tenant): Promise<RegistryEntry> {
  return { tenant, members: await registry.getMembers(tenant.id) };
}
