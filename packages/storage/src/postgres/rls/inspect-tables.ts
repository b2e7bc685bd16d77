import { quoteIdentifier } from '../quote.js';
import { notSystem, rows, type Inspection } from './catalog.js';
import { conformingSql } from './conforming-sql.js';
import { holders } from './holders.js';
import { tenantIndexSql } from './tenant-index.js';

/** A table that the role can reach. */
export interface ReachedTable {
  readonly oid: string;
  readonly schema: string;
  readonly table: string;
  /** As SQL writes it. */
  readonly name: string;
  readonly kind: 'r' | 'p' | 'f';
  readonly secured: boolean;
  readonly forced: boolean;
  readonly owned: boolean;
  readonly reads: boolean;
  readonly inserts: boolean;
  readonly updates: boolean;
  readonly deletes: boolean;
  readonly truncates: boolean;
  readonly defines: boolean;
  /** The tenant column; `null` for a table without. */
  readonly tenantAttribute: number | null;
  readonly tenantType: string | null;
  readonly tenantNotNull: boolean | null;
  /** Its collation takes texts that differ for equal. */
  readonly tenantFolds: boolean;
  readonly tenantChecked: boolean;
  readonly indexed: boolean;
}

const privilege = (list: string): string =>
  `(pg_catalog.has_table_privilege($1::name, c.oid, '${list}') OR ${/SELECT|INSERT|UPDATE/.test(list) ? `pg_catalog.has_any_column_privilege($1::name, c.oid, '${list}')` : 'false'})`;

const tablesText = `
  SELECT c.oid::text AS oid, n.nspname AS schema, c.relname AS table, c.relkind AS kind,
    c.relrowsecurity AS secured, c.relforcerowsecurity AS forced,
    pg_catalog.pg_has_role($1::name, c.relowner, 'USAGE') AS owned,
    ${privilege('SELECT')} AS reads, ${privilege('INSERT')} AS inserts, ${privilege('UPDATE')} AS updates,
    ${privilege('DELETE')} AS deletes, ${privilege('TRUNCATE')} AS truncates,
    ${privilege('TRIGGER')} OR pg_catalog.has_table_privilege($1::name, c.oid, 'REFERENCES') AS defines,
    a.attnum AS "tenantAttribute", pg_catalog.format_type(a.atttypid, a.atttypmod) AS "tenantType",
    a.attnotnull AS "tenantNotNull",
    EXISTS (SELECT FROM pg_catalog.pg_collation l WHERE l.oid = a.attcollation AND NOT l.collisdeterministic) AS "tenantFolds",
    EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c' AND k.convalidated
            AND k.conkey = ARRAY[a.attnum] AND pg_catalog.pg_get_constraintdef(k.oid) ~ '<> ''''') AS "tenantChecked",
    EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indkey[0] = a.attnum
            AND i.indisvalid AND i.indpred IS NULL) AS indexed
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = $2 AND a.attnum > 0 AND NOT a.attisdropped
  WHERE c.relkind IN ('r', 'p', 'f') AND ${notSystem}
    AND pg_catalog.has_schema_privilege($1::name, n.oid, 'USAGE')
    AND (${privilege('SELECT, INSERT, UPDATE')} OR pg_catalog.has_table_privilege($1::name, c.oid, 'DELETE, TRUNCATE'))
  ORDER BY n.nspname, c.relname`;

/** The tables with tenants' rows; what of each falls short by itself, its policies apart. */
export async function inspectTables(inspection: Inspection): Promise<readonly ReachedTable[]> {
  const found = await rows<Omit<ReachedTable, 'name'>>(inspection, tablesText, [
    inspection.role,
    inspection.tenantColumn,
  ]);
  const all = found.map((table) => ({
    ...table,
    name: `${quoteIdentifier(table.schema)}.${quoteIdentifier(table.table)}`,
  }));
  const tenants: ReachedTable[] = [];
  for (const table of all) {
    if (table.tenantAttribute === null) inspectShared(inspection, table);
    else {
      tenants.push(table);
      inspectTable(inspection, table);
    }
  }
  return tenants;
}

function inspectShared({ sharedTables, tenantColumn, role, found }: Inspection, table: ReachedTable): void {
  const { name } = table;
  if (!sharedTables.has(`${table.schema}.${table.table}`))
    found({
      level: 'error',
      code: 'table_without_tenant',
      subject: name,
      message: `the role can reach it and it has no column \`${tenantColumn}\`: revoke, add the column, or name it in \`sharedTables\``,
      fix: `REVOKE ALL ON TABLE ${name} FROM ${holders(role)};`,
    });
  else if (table.inserts || table.updates || table.deletes || table.truncates)
    found({
      level: 'error',
      code: 'shared_table_writable',
      subject: name,
      message: 'what one tenant writes there every tenant reads',
      fix: `REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON TABLE ${name} FROM ${holders(role)};`,
    });
}

function inspectTable(inspection: Inspection, table: ReachedTable): void {
  const { tenantColumn, setting, role, found } = inspection;
  const { name: subject } = table;
  const column = quoteIdentifier(tenantColumn);
  const say = (
    level: 'error' | 'warning',
    code: Parameters<typeof found>[0]['code'],
    message: string,
    fix?: string,
  ): void => {
    found({ level, code, subject, message, ...(fix === undefined ? {} : { fix }) });
  };
  if (table.kind === 'f') say('error', 'foreign_table', 'a foreign table has no row-level security');
  if (!table.secured && table.kind !== 'f')
    say(
      'error',
      'rls_disabled',
      'row-level security is not enabled',
      conformingSql({
        schema: table.schema,
        table: table.table,
        tenantColumn,
        setting,
        role,
        tenantType: table.tenantType ?? 'text',
      }),
    );
  if (!table.forced && table.kind !== 'f')
    say(
      'error',
      'rls_not_forced',
      'row-level security does not bind the owner',
      `ALTER TABLE ${subject} FORCE ROW LEVEL SECURITY;`,
    );
  if (table.owned) say('warning', 'role_owns_table', 'the role owns it and could switch its row-level security off');
  if (table.truncates)
    say(
      'error',
      'truncate_granted',
      'TRUNCATE knows no policies',
      `REVOKE TRUNCATE ON TABLE ${subject} FROM ${holders(role)};`,
    );
  if (table.defines)
    say(
      'warning',
      'table_privileges',
      'the role may define triggers on it or refer to it',
      `REVOKE TRIGGER, REFERENCES ON TABLE ${subject} FROM ${holders(role)};`,
    );
  if (table.tenantNotNull !== true)
    say(
      'warning',
      'tenant_column_nullable',
      'a row can belong to nobody',
      `ALTER TABLE ${subject} ALTER COLUMN ${column} SET NOT NULL;`,
    );
  if (!table.tenantChecked && /^(?:text|character)/.test(table.tenantType ?? ''))
    say(
      'warning',
      'tenant_column_unchecked',
      'a row can belong to the empty tenant, which is what a setting that has ended looks like',
      `ALTER TABLE ${subject} DROP CONSTRAINT IF EXISTS portcullis_tenant_named;\nALTER TABLE ${subject} ADD CONSTRAINT portcullis_tenant_named CHECK (${column} <> '');`,
    );
  if (!table.indexed && table.kind !== 'f')
    say(
      'error',
      'tenant_index',
      'no index begins with the tenant column: every query reads all tenants’ rows',
      tenantIndexSql(table.table, subject, column),
    );
}
