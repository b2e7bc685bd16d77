import { z } from 'zod';
import { unavailable } from '../../access.js';
import type { TenantSql } from '../../postgres/tenant-sql.js';
import { phaseNames, type PhaseName } from './adoption-phases.js';
import { parsedFacts, type TableFacts, type TableName } from './table-facts.js';
import type { AdoptedTable } from './undo-sql.js';

/** Written in the same transaction as what it tells of: it is never ahead of the tables, and never behind. */
const table = 'portcullis.adopted_tables';
const mark = 'made by the adoption of tables';

const row = z.strictObject({ tenant: z.string(), step: z.string(), phase: z.enum(phaseNames), before: z.string() });

/** A table's record, and whose it is. */
export interface AdoptedRecord extends AdoptedTable {
  readonly tenant: string;
  readonly step: string;
}

/** All records there are. None where there is no table of them. */
export async function adoptedRecords(sql: TenantSql): Promise<readonly AdoptedRecord[]> {
  const { rows: there } = await sql.query<{ there: boolean }>(`SELECT to_regclass('${table}') IS NOT NULL AS there`);
  if (there[0]?.there !== true) return [];
  const { rows } = await sql.query(
    `SELECT tenant, step, phase, before FROM ${table} ORDER BY schema_name COLLATE "C", table_name COLLATE "C"`,
  );
  return rows.map((each) => {
    const parsed = row.safeParse(each);
    if (!parsed.success) throw unavailable(parsed.error, `a row of ${table} is malformed`);
    const { tenant, step, phase, before } = parsed.data;
    return { tenant, step, phase, facts: parsedFacts(before) };
  });
}

/** Makes the table of records where there is none. A role that may not make schemas needs one `portcullis` of its own. */
export async function makeRecords(sql: TenantSql): Promise<void> {
  const { rows } = await sql.query<{ schema: boolean }>("SELECT to_regnamespace('portcullis') IS NOT NULL AS schema");
  if (rows[0]?.schema !== true)
    await sql.query(
      `CREATE SCHEMA portcullis; REVOKE ALL ON SCHEMA portcullis FROM PUBLIC; COMMENT ON SCHEMA portcullis IS '${mark}'`,
    );
  await sql.query(
    `CREATE TABLE IF NOT EXISTS ${table} (schema_name text NOT NULL, table_name text NOT NULL, tenant text NOT NULL,
       step text NOT NULL, phase text NOT NULL, before text NOT NULL, adopted_at timestamptz NOT NULL DEFAULT now(),
       PRIMARY KEY (schema_name, table_name))`,
  );
}

/** Writes a table's first record. */
export async function addRecord(sql: TenantSql, { facts, phase, tenant, step }: AdoptedRecord): Promise<void> {
  await sql.query(
    `INSERT INTO ${table} (schema_name, table_name, tenant, step, phase, before) VALUES ($1, $2, $3, $4, $5, $6)`,
    [facts.schema, facts.table, tenant, step, phase, JSON.stringify(facts)],
  );
}

/** Writes down how far a table is. */
export async function setPhase(sql: TenantSql, name: TableName, from: PhaseName, to: PhaseName): Promise<void> {
  const { rowCount } = await sql.query(
    `UPDATE ${table} SET phase = $3 WHERE schema_name = $1 AND table_name = $2 AND phase = $4`,
    [name.schema, name.table, to, from],
  );
  if (rowCount !== 1)
    throw unavailable(undefined, `the record of \`${name.schema}.${name.table}\` is not where it was`);
}

/** Deletes records, and what was made for them once there are no others. */
export async function removeRecords(sql: TenantSql, all: readonly TableFacts[]): Promise<void> {
  for (const { schema, table: name } of all)
    await sql.query(`DELETE FROM ${table} WHERE schema_name = $1 AND table_name = $2`, [schema, name]);
  const { rows } = await sql.query<{ left: boolean }>(`SELECT EXISTS (SELECT FROM ${table}) AS left`);
  if (rows[0]?.left !== false) return;
  await sql.query(`DROP TABLE ${table};`);
  const { rows: alone } = await sql.query<{ alone: boolean }>(
    `SELECT obj_description(n.oid, 'pg_namespace') = $1
       AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid) AS alone
     FROM pg_namespace n WHERE n.nspname = 'portcullis'`,
    [mark],
  );
  if (alone[0]?.alone === true) await sql.query('DROP SCHEMA portcullis;');
}
