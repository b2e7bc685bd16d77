import { isTenantId } from '@portcullis/core';
import { tenantPrefix } from '../../tenant-key.js';

/** The tenants, of any that there could be, below whose prefixes keys stand that are nobody's yet. */
export function tenantsOfPrefixes(keys: readonly string[]): readonly string[] {
  const segments = new Set(keys.filter((key) => key.includes('/')).map((key) => key.slice(0, key.indexOf('/'))));
  return [...segments].flatMap((segment) => {
    const tenant = segment.replace(/_([0-9a-f]{4})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
    return isTenantId(tenant) && tenantPrefix(tenant) === `${segment}/` ? [tenant] : [];
  });
}
