import { PortcullisError, type Tenant, type TenantId } from '@portcullis/core';
import type { Parts } from './options.js';

/**
 * The tenant, if it is in good standing now. A suspended one is refused to operators as to everybody: a context in a
 * tenant says that the tenant may work. What an operator has to do to a suspended tenant it does from outside, with an
 * operator context.
 *
 * @throws PortcullisError `tenant_unknown`, `tenant_suspended`, `tenant_expired`
 */
export async function tenantInGoodStanding({ tenant: find, clock }: Parts, id: TenantId): Promise<Tenant> {
  const tenant = await find(id);
  // An answer about another tenant is none.
  if (tenant?.id !== id) throw new PortcullisError('tenant_unknown');
  switch (tenant.status.state) {
    case 'active':
      return tenant;
    case 'suspended':
      throw new PortcullisError('tenant_suspended');
    case 'trial':
      if (clock() >= tenant.status.expiresAt) throw new PortcullisError('tenant_expired');
      return tenant;
  }
}
