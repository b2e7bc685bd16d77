import type { OpenTransaction } from '../transaction-source.js';
import type { Finding } from '../findings.js';

/** What an expression of a policy gave for one made-up row. */
export interface Sample {
  readonly set: 'own' | 'empty' | 'unset';
  readonly row: 'own' | 'other' | 'empty' | 'null';
  readonly value: boolean | null | 'raises';
}

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
  /** What policies of the same text gave over the same made-up rows: hundreds of tables have one policy. */
  readonly samples: Map<string, Promise<readonly Sample[] | undefined>>;
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
