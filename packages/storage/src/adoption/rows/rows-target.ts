/** What tables become. */
export interface RowsTarget {
  /** Whose rows they are. */
  readonly tenant: string;
  readonly tenantColumn: string;
  /** The setting that the policies read the tenant from. */
  readonly setting: string;
  /** The role that tenants' work runs as. */
  readonly role: string;
}
