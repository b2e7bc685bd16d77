import { quoteIdentifier, quoteLiteral } from '../quote.js';
import { holders } from './holders.js';
import { tenantIndexSql } from './tenant-index.js';

/** A table that is to hold tenants' rows. */
export interface TenantTable {
  readonly table: string;
  /** @defaultValue `public` */
  readonly schema?: string | undefined;
  /** @defaultValue `tenant_id` */
  readonly tenantColumn?: string | undefined;
  /** The type of the tenant column, as SQL writes it. @defaultValue `text` */
  readonly tenantType?: string | undefined;
  /** @defaultValue `app.tenant_id` */
  readonly setting?: string | undefined;
  /**
   * The role that tenants' work runs as: it gets SELECT, INSERT, UPDATE and DELETE, and everybody's privileges are
   * taken away. @defaultValue no grant
   */
  readonly role?: string | undefined;
  /** Add the tenant column first, for a table that has none; rows that exist belong to this tenant. */
  readonly assignExistingRowsTo?: string | undefined;
}

/**
 * The migration that makes a table hold each tenant's rows apart, as `verify` demands it.
 *
 * The policy exists twice, once permissive and once restrictive: permissive policies are joined with OR, and one that
 * somebody adds later then cannot widen it. The setting is read in a sub-select, so that it is read once a statement
 * and not once a row; `NULLIF` because a setting that has ended is `''` and no longer NULL. The text can be run again.
 *
 * @returns SQL statements, to be run by the owner of the table in one transaction
 * @example
 * ```ts
 * import { conformingSql } from '@portcullis/storage/postgres';
 *
 * console.log(conformingSql({ table: 'notes', role: 'app' }).split('\n')[0]);
 * // prints: ALTER TABLE "public"."notes" ALTER COLUMN "tenant_id" SET NOT NULL;
 * ```
 * @see https://www.postgresql.org/docs/current/sql-createpolicy.html
 */
export function conformingSql(options: TenantTable): string {
  const { table, schema = 'public', tenantColumn = 'tenant_id', role, assignExistingRowsTo } = options;
  const name = `${quoteIdentifier(schema)}.${quoteIdentifier(table)}`;
  const column = quoteIdentifier(tenantColumn);
  const type = options.tenantType ?? 'text';
  return [
    ...(assignExistingRowsTo === undefined
      ? []
      : [
          `ALTER TABLE ${name} ADD COLUMN IF NOT EXISTS ${column} ${type};`,
          `UPDATE ${name} SET ${column} = ${quoteLiteral(assignExistingRowsTo)} WHERE ${column} IS NULL;`,
        ]),
    ...columnSql(name, column, options),
    tenantIndexSql(table, name, column),
    policySql(options),
    ...(role === undefined
      ? []
      : [
          `REVOKE ALL ON TABLE ${name} FROM ${holders(role)};`,
          `GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE ${name} TO ${quoteIdentifier(role)};`,
        ]),
  ].join('\n');
}

function columnSql(name: string, column: string, options: TenantTable): readonly string[] {
  return [
    `ALTER TABLE ${name} ALTER COLUMN ${column} SET NOT NULL;`,
    `ALTER TABLE ${name} ALTER COLUMN ${column} SET DEFAULT ${currentTenant(options)};`,
    ...(textual.test(options.tenantType ?? 'text')
      ? [
          `ALTER TABLE ${name} DROP CONSTRAINT IF EXISTS portcullis_tenant_named;`,
          `ALTER TABLE ${name} ADD CONSTRAINT portcullis_tenant_named CHECK (${column} <> '');`,
        ]
      : []),
  ];
}

/** Row-level security and its two policies. */
export function policySql(options: TenantTable): string {
  const { table, schema = 'public', tenantColumn = 'tenant_id' } = options;
  const name = `${quoteIdentifier(schema)}.${quoteIdentifier(table)}`;
  const own = `${quoteIdentifier(tenantColumn)} = (SELECT ${currentTenant(options)})`;
  return [
    `ALTER TABLE ${name} ENABLE ROW LEVEL SECURITY;`,
    `ALTER TABLE ${name} FORCE ROW LEVEL SECURITY;`,
    ...(['PERMISSIVE', 'RESTRICTIVE'] as const).flatMap((kind) => {
      const policy = kind === 'PERMISSIVE' ? 'portcullis_tenant' : 'portcullis_tenant_only';
      return [
        `DROP POLICY IF EXISTS ${policy} ON ${name};`,
        `CREATE POLICY ${policy} ON ${name} AS ${kind} FOR ALL TO PUBLIC USING (${own}) WITH CHECK (${own});`,
      ];
    }),
  ].join('\n');
}

function currentTenant({ setting = 'app.tenant_id', tenantType = 'text' }: TenantTable): string {
  const value = `NULLIF(current_setting(${quoteLiteral(setting)}, true), '')`;
  // A cast to a type with a length cuts off: the rest of a longer id could then be another tenant's.
  if (/^char(?:acter)?(?! varying)\b|^bpchar/.test(tenantType)) return `${value}::bpchar`;
  return textual.test(tenantType) ? value : `${value}::${tenantType}`;
}

const textual = /^(?:text|varchar|char|character|bpchar)\b/;

/**
 * What a database needs so that not even SQL of somebody else's making leaves its tenant: no function that changes a
 * setting, no temporary tables that the next user of the connection could read, no large objects, which have no
 * policies, and no view of what others run. To be run by a superuser, once a database.
 *
 * @param database - its name
 */
export function hardeningSql(database: string): string {
  return [
    'REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) FROM PUBLIC;',
    `REVOKE TEMPORARY ON DATABASE ${quoteIdentifier(database)} FROM PUBLIC;`,
    'REVOKE CREATE ON SCHEMA public FROM PUBLIC;',
    'REVOKE SELECT ON pg_catalog.pg_stat_activity FROM PUBLIC;',
    ...activityFunctions.map((name) => `REVOKE EXECUTE ON FUNCTION pg_catalog.${name} FROM PUBLIC;`),
    ...largeObjectFunctions.map((name) => `REVOKE EXECUTE ON FUNCTION pg_catalog.${name} FROM PUBLIC;`),
  ].join('\n');
}

/** What `pg_stat_activity` reads from, and anybody could as well. */
export const activityFunctions: readonly string[] = [
  'pg_stat_get_activity(integer)',
  'pg_stat_get_backend_activity(integer)',
];

/** What makes, changes and reads large objects in SQL: they belong to the role, and so to all tenants at once. */
export const largeObjectFunctions: readonly string[] = [
  'lo_creat(integer)',
  'lo_create(oid)',
  'lo_from_bytea(oid, bytea)',
  'lo_get(oid)',
  'lo_get(oid, bigint, integer)',
  'lo_put(oid, bigint, bytea)',
  'lo_open(oid, integer)',
  'lo_unlink(oid)',
];
