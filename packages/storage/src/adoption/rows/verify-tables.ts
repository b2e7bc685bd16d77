import { PortcullisError, type TenantId } from '@portcullis/core';
import { pgSource } from '../../postgres/pg-source.js';
import { assertVerified } from '../../postgres/findings.js';
import { inspect } from '../../postgres/rls/inspect.js';
import type { RowsWork } from './rows-work.js';
import { qualified } from './qualified.js';

/**
 * Proves that the tables keep tenants apart, as a server with tenants does at its start.
 *
 * @throws PortcullisError `storage_unproven`
 */
export async function verifyTables({ tables, source, verify, target }: RowsWork, tenant: TenantId): Promise<void> {
  const { pool, ...options } = verify;
  const { setting, role, tenantColumn } = target(tenant);
  const looking = pool === undefined ? source : 'begin' in pool ? pool : pgSource(pool);
  const searchPath = [...new Set(tables.map(({ schema }) => schema))];
  const found = assertVerified(await inspect(looking, { ...options, tenantColumn, setting, role, searchPath }));
  const unseen = tables.map(qualified).filter((name) => !found.tables.includes(name));
  if (unseen.length > 0)
    throw new PortcullisError('storage_unproven', undefined, {
      detail: `\`${role}\` cannot reach ${unseen.join(', ')}, so that nothing is shown: it needs USAGE on the schema`,
    });
}
