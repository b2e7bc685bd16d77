import type { OpenTransaction } from '../transaction-source.js';
import type { Finding } from '../findings.js';

/** What the parts of an inspection share. */
export interface Inspection {
  readonly transaction: OpenTransaction;
  readonly version: number;
  readonly setting: string;
  readonly tenantColumn: string;
  /** The role that tenants' work runs as. */
  readonly role: string;
  /** The role that the pool connects as. */
  readonly login: string;
  /** SQL comes from people who are not trusted: what only such SQL could use is an error. */
  readonly untrustedSql: boolean;
  /** Tables without a tenant that everybody may read. */
  readonly sharedTables: ReadonlySet<string>;
  readonly found: (finding: Finding) => void;
}

/** Rows of a catalog query. */
export async function rows<Row>(
  { transaction }: Pick<Inspection, 'transaction'>,
  text: string,
  values: readonly unknown[] = [],
): Promise<readonly Row[]> {
  return (await transaction.query({ text, values })).rows as readonly Row[];
}

/** Everything that is not the system's. */
export const notSystem = `n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'`;
