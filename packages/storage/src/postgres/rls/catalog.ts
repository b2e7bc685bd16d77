import { PortcullisError } from '@portcullis/core';
import type { Finding } from '../findings.js';
import { isBackendFailure, sqlState } from '../sql-state.js';
import type { TenantSql } from '../tenant-sql.js';

/** What an expression of a policy gave for one made-up row. */
export interface Sample {
  /** The tenant that was set; `''` for a setting that has ended, `undefined` for one that was never set. */
  readonly set: string | undefined;
  /** Whose the row was. */
  readonly row: string | null;
  /** The tenant or the row is one that the policy names. */
  readonly named: boolean;
  readonly value: boolean | null | 'raises';
}

/** What the parts of an inspection share. */
export interface Inspection {
  readonly sql: TenantSql;
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
  { sql }: Pick<Inspection, 'sql'>,
  text: string,
  values: readonly unknown[] = [],
): Promise<readonly Row[]> {
  return (await sql.query<Row>(text, values)).rows;
}

/**
 * Undoes what is tried: a setting, a role, a statement that may fail.
 *
 * @returns `raises` when the statement itself failed; a server or a connection that failed is no answer
 */
export async function tried<T>({ sql }: Pick<Inspection, 'sql'>, work: () => Promise<T>): Promise<T | 'raises'> {
  await sql.query('SAVEPOINT inspected');
  try {
    return await work();
  } catch (error) {
    const state = sqlState(error);
    if (error instanceof PortcullisError || state === undefined || isBackendFailure(state)) throw error;
    return 'raises';
  } finally {
    await sql.query('ROLLBACK TO SAVEPOINT inspected');
    await sql.query('RELEASE SAVEPOINT inspected');
  }
}

/** Everything that is not the system's. */
export const notSystem = `n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'`;
