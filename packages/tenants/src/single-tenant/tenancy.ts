import { PortcullisError, type TenantResolver } from '@portcullis/core';

/** The two ways to run. */
export interface TenancyOptions {
  /** `process.env.MULTI_TENANT_MODE`: unset or empty for one tenant, `enabled` for many. */
  readonly mode: string | undefined;
  /** The resolver of a server with one tenant: `() => singleTenant({ … })`. */
  readonly single: () => TenantResolver;
  /** The resolver of a server with many: `() => resolver({ … })`. */
  readonly multi: () => TenantResolver;
}

/**
 * Chooses between one tenant and many, by an environment variable.
 *
 * Only the one that is chosen is made. A word that is nearly `enabled` is no choice: a server that was meant for many
 * tenants must not put all of them into one.
 *
 * @throws PortcullisError `config_invalid` for any other value
 * @example
 * ```ts
 * import { memoryStore, registry, resolver, singleTenant, tenancy } from '@portcullis/tenants';
 *
 * const tenants = tenancy({
 *   mode: process.env['MULTI_TENANT_MODE'],
 *   single: () => singleTenant({ otherwise: ['member'] }),
 *   multi: () => resolver({ registry: registry({ store: memoryStore() }) }),
 * });
 * ```
 */
export function tenancy({ mode, single, multi }: TenancyOptions): TenantResolver {
  switch (mode) {
    case undefined:
    case '':
      return single();
    case 'enabled':
      return multi();
    default:
      throw new PortcullisError(
        'config_invalid',
        `MULTI_TENANT_MODE is \`${mode.slice(0, 50)}\`: leave it unset for one tenant, or set it to \`enabled\``,
      );
  }
}
