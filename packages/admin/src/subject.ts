import { PortcullisError, type Tenant, type TenantId } from '@portcullis/core';
import type { TenantStore } from '@portcullis/tenants';
import type { Scene } from './endpoint.js';

/** The id of the path's tenant. */
export function subjectId({ subject }: Pick<Scene, 'subject'>): TenantId {
  if (subject === undefined) throw new TypeError('the path names no tenant');
  return subject.id;
}

/** The path's tenant as it is now, and not as it was cached. @throws PortcullisError `not_found` */
export async function currentTenant(
  store: Pick<TenantStore, 'getTenant'>,
  scene: Pick<Scene, 'subject'>,
): Promise<Tenant> {
  const tenant = await store.getTenant(subjectId(scene));
  if (tenant === undefined) throw new PortcullisError('not_found');
  return tenant;
}
