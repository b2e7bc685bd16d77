import { refused } from '../access.js';
import { quoteIdentifier } from '../postgres/quote.js';
import type { TenantSql } from '../postgres/tenant-sql.js';

/** A column, as the catalog has it. */
export interface TableColumn {
  readonly name: string;
  /** With its modifiers: `numeric(10,2)`. */
  readonly type: string;
  /** Computed by the database, and not to be written. */
  readonly generated: boolean;
}

/** A table and its columns, in order. */
export interface SqlTable {
  /** As an export names it. */
  readonly name: string;
  /** Quoted, and qualified where it has to be. */
  readonly quoted: string;
  readonly columns: readonly TableColumn[];
}

/**
 * How values are written as text and read again without a loss, whatever the server's and the role's own settings are:
 * as `pg_dump` sets them.
 *
 * @see https://www.postgresql.org/docs/current/runtime-config-client.html
 */
export const exactText: readonly string[] = [
  "SET LOCAL timezone = 'UTC'",
  "SET LOCAL datestyle = 'ISO, YMD'",
  "SET LOCAL intervalstyle = 'postgres'",
  'SET LOCAL extra_float_digits = 1',
  "SET LOCAL bytea_output = 'hex'",
  "SET LOCAL xmloption = 'content'",
  "SET LOCAL lc_monetary = 'C'",
  'SET LOCAL standard_conforming_strings = on',
  'SET LOCAL array_nulls = on',
];

/** Looks a table up. @throws PortcullisError `storage_refused` when there is none of that name */
export async function tableOf(sql: TenantSql, name: string, quoted = quoteIdentifier(name)): Promise<SqlTable> {
  const { rows: found } = await sql.query<{ oid: string | null }>('SELECT to_regclass($1)::oid::text AS oid', [quoted]);
  const oid = found[0]?.oid ?? null;
  if (oid === null) throw refused(`there is no table \`${name}\``);
  const { rows } = await sql.query<TableColumn>(
    `SELECT attname::text AS name, format_type(atttypid, atttypmod) AS type, attgenerated <> '' AS generated
     FROM pg_attribute WHERE attrelid = $1::oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
    [oid],
  );
  return { name, quoted, columns: rows };
}

/** The columns that are exported, and written when they come back. */
export function storedColumns({ columns }: SqlTable): readonly TableColumn[] {
  return columns.filter(({ generated }) => !generated);
}
