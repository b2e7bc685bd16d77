import { PortcullisError } from '@portcullis/core';
import type { Query, Sql } from './sql.js';

/** One step of the tables' history. */
export interface Migration {
  readonly version: number;
  readonly name: string;
  /** What it runs. */
  readonly sql: string;
}

/** How long all of a migration may take. */
const timeoutMs = 60_000;
/** `port` in ASCII: the half of the advisory lock's name that is ours; the other half is the schema. */
const lockClass = 0x706f7274;

/**
 * All steps, in order. One that was released is never edited: what comes later is a step of its own.
 *
 * Texts that are compared or ordered have the collation `C`: by bytes, on every server alike. Indexes begin with the
 * tenant wherever the question does.
 *
 * @param s - the schema, quoted
 */
function migrationsIn(s: string): readonly Migration[] {
  const c = 'text COLLATE "C"';
  const tenant = `tenant_id ${c} NOT NULL REFERENCES ${s}.tenants ON DELETE CASCADE`;
  return [
    {
      version: 1,
      name: 'tenants, members, roles, invitations, domain claims',
      sql: `
CREATE TABLE ${s}.tenants (
  id ${c} PRIMARY KEY, name text NOT NULL, name_key ${c} NOT NULL, domains jsonb NOT NULL, status jsonb NOT NULL,
  plan ${c} NOT NULL, settings jsonb NOT NULL, created_at bigint NOT NULL, updated_at bigint NOT NULL,
  version bigint NOT NULL CHECK (version >= 1));
CREATE INDEX tenants_by_name ON ${s}.tenants (name_key, id);
CREATE INDEX tenants_by_creation ON ${s}.tenants (created_at, id);
CREATE INDEX tenants_by_state ON ${s}.tenants ((status ->> 'state'), id);
CREATE TABLE ${s}.tenant_domains (domain ${c} CONSTRAINT tenant_domains_pkey PRIMARY KEY, ${tenant});
CREATE INDEX tenant_domains_by_tenant ON ${s}.tenant_domains (tenant_id);
CREATE TABLE ${s}.tenant_bindings (${tenant}, provider ${c} NOT NULL, tenant_hint ${c});
CREATE UNIQUE INDEX tenant_bindings_hint ON ${s}.tenant_bindings (provider, tenant_hint) WHERE tenant_hint IS NOT NULL;
CREATE UNIQUE INDEX tenant_bindings_open ON ${s}.tenant_bindings (provider, tenant_id) WHERE tenant_hint IS NULL;
CREATE INDEX tenant_bindings_by_tenant ON ${s}.tenant_bindings (tenant_id);
CREATE TABLE ${s}.memberships (
  ${tenant}, user_id ${c} NOT NULL, roles jsonb NOT NULL, joined_at bigint NOT NULL,
  version bigint NOT NULL CHECK (version >= 1), PRIMARY KEY (tenant_id, user_id));
CREATE INDEX memberships_by_user ON ${s}.memberships (user_id, tenant_id);
CREATE INDEX memberships_of_owners ON ${s}.memberships (tenant_id) WHERE roles @> '["owner"]';
CREATE TABLE ${s}.tenant_roles (
  ${tenant}, role_id ${c} NOT NULL, name text NOT NULL, parent_roles jsonb NOT NULL, permissions jsonb NOT NULL,
  version bigint NOT NULL CHECK (version >= 1), PRIMARY KEY (tenant_id, role_id));
CREATE TABLE ${s}.invitations (
  ${tenant}, id ${c} NOT NULL, email text NOT NULL, roles jsonb NOT NULL, invited_by text NOT NULL,
  secret_hash text NOT NULL, created_at bigint NOT NULL, expires_at bigint NOT NULL, PRIMARY KEY (tenant_id, id));
CREATE INDEX invitations_by_expiry ON ${s}.invitations (tenant_id, expires_at);
CREATE TABLE ${s}.domain_claims (
  ${tenant}, domain ${c} NOT NULL, challenge text NOT NULL, created_at bigint NOT NULL, expires_at bigint NOT NULL,
  PRIMARY KEY (tenant_id, domain));`,
    },
  ];
}

/** The steps that have not been made. @throws PortcullisError `config_invalid`, `store_unavailable` */
export function pendingMigrations(sql: Sql, schema: string): Promise<readonly Migration[]> {
  return sql.transaction((query) => pending(query, schema), timeoutMs);
}

/**
 * Makes the steps that have not been made, all or none. Two that run at once wait for one another.
 *
 * @returns what was done
 * @throws PortcullisError `config_invalid` where the tables are newer than this program; `store_unavailable`
 */
export function migrate(sql: Sql, schema: string): Promise<readonly Migration[]> {
  const s = quoted(schema);
  return sql.transaction(async (query) => {
    await query('SELECT pg_advisory_xact_lock($1, hashtext($2))', [lockClass, schema]);
    // `IF NOT EXISTS` would ask for the right to create one even where it is there.
    const [found] = await query('SELECT to_regnamespace($1) IS NOT NULL AS here', [s]);
    if (found?.['here'] !== true) await query(`CREATE SCHEMA ${s}`);
    const open = await pending(query, schema);
    if (open.length === 0) return open;
    await query(
      `CREATE TABLE IF NOT EXISTS ${s}.tenant_store_migrations ` +
        `(version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`,
    );
    for (const { version, name, sql: text } of open) {
      await query(text);
      await query(`INSERT INTO ${s}.tenant_store_migrations (version, name) VALUES ($1, $2)`, [version, name]);
    }
    return open;
  }, timeoutMs);
}

async function pending(query: Query, schema: string): Promise<readonly Migration[]> {
  const all = migrationsIn(quoted(schema));
  const table = `${quoted(schema)}.tenant_store_migrations`;
  const [found] = await query('SELECT to_regclass($1) IS NOT NULL AS here', [table]);
  if (found?.['here'] !== true) return all;
  const done = new Set((await query(`SELECT version FROM ${table}`)).map(({ version }) => Number(version)));
  const unknown = [...done].find((version) => !all.some((step) => step.version === version));
  if (unknown !== undefined)
    throw new PortcullisError(
      'config_invalid',
      `schema \`${schema}\` was migrated to version ${String(unknown)}, which this program does not know`,
    );
  return all.filter(({ version }) => !done.has(version));
}

/** A name as SQL takes it literally. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
