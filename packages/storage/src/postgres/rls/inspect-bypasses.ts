import { holders } from './holders.js';
import { notSystem, rows, type Inspection } from './catalog.js';
import type { ReachedTable } from './inspect-tables.js';

interface View {
  readonly name: string;
  readonly kind: 'v' | 'm';
  readonly invoker: boolean;
  readonly bypasses: boolean;
}

/**
 * Everything that depends on a tenants' table and that the role can read, and what that depends on in turn: a view in
 * the middle runs as its owner as well.
 */
const viewsText = `
  WITH RECURSIVE uses AS (
    SELECT DISTINCT w.ev_class AS view, d.refobjid AS source
    FROM pg_catalog.pg_rewrite w JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid
    WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> w.ev_class
  ), above AS (
    SELECT view FROM uses WHERE source = ANY ($2::oid[])
    UNION SELECT uses.view FROM uses JOIN above ON uses.source = above.view
  ), reached AS (
    SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('v', 'm') AND c.oid IN (SELECT view FROM above)
      AND pg_catalog.has_schema_privilege($1::name, n.oid, 'USAGE')
      AND (pg_catalog.has_any_column_privilege($1::name, c.oid, 'SELECT, INSERT, UPDATE') OR pg_catalog.has_table_privilege($1::name, c.oid, 'DELETE'))
    UNION SELECT uses.source FROM uses JOIN reached ON uses.view = reached.oid
  )
  SELECT format('%I.%I', n.nspname, c.relname) AS name, c.relkind AS kind,
    coalesce((SELECT option_value::boolean FROM pg_catalog.pg_options_to_table(c.reloptions) WHERE option_name = 'security_invoker'), false) AS invoker,
    (o.rolsuper OR o.rolbypassrls) AS bypasses
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_roles o ON o.oid = c.relowner
  WHERE c.oid IN (SELECT oid FROM reached) AND c.oid IN (SELECT view FROM above) AND c.relkind IN ('v', 'm')
  ORDER BY 1`;

/** Views, functions and triggers that read or write tenants' rows as somebody whom the policies do not bind. */
export async function inspectBypasses(inspection: Inspection, tables: readonly ReachedTable[]): Promise<void> {
  const { version, found } = inspection;
  // Views may also be built on tables that the role cannot reach itself.
  const all = await rows<{ readonly oid: string }>(
    inspection,
    `SELECT c.oid::text AS oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
     WHERE c.relkind IN ('r', 'p', 'f') AND a.attname = $1 AND NOT a.attisdropped`,
    [inspection.tenantColumn],
  );
  const views = await rows<View>(inspection, viewsText, [inspection.role, `{${all.map(({ oid }) => oid).join(',')}}`]);
  for (const { name, kind, invoker, bypasses } of views) {
    if (kind === 'm')
      found({
        level: 'error',
        code: 'materialized_view',
        subject: name,
        message: 'a materialized view holds rows of all tenants and has no policies',
        fix: `REVOKE ALL ON TABLE ${name} FROM ${holders(inspection.role)};`,
      });
    else if (invoker) continue;
    else if (bypasses)
      found({
        level: 'error',
        code: 'view_bypasses',
        subject: name,
        message: 'it reads as its owner, whom no policy binds',
        ...(version >= 150_000 ? { fix: `ALTER VIEW ${name} SET (security_invoker = true);` } : {}),
      });
    else if (version >= 150_000)
      found({
        level: 'warning',
        code: 'view_not_invoker',
        subject: name,
        message: 'it reads as its owner, not as the role',
        fix: `ALTER VIEW ${name} SET (security_invoker = true);`,
      });
  }
  await inspectFunctions(inspection);
  await inspectTriggers(inspection, tables);
}

async function inspectFunctions(inspection: Inspection): Promise<void> {
  const functions = await rows<{ readonly name: string }>(
    inspection,
    `SELECT format('%I.%I(%s)', n.nspname, f.proname, pg_catalog.pg_get_function_identity_arguments(f.oid)) AS name
     FROM pg_catalog.pg_proc f JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace JOIN pg_catalog.pg_roles o ON o.oid = f.proowner
     WHERE f.prosecdef AND (o.rolsuper OR o.rolbypassrls) AND ${notSystem}
       AND pg_catalog.has_schema_privilege($1::name, n.oid, 'USAGE') AND pg_catalog.has_function_privilege($1::name, f.oid, 'EXECUTE')
     ORDER BY 1`,
    [inspection.role],
  );
  for (const { name } of functions)
    inspection.found({
      level: 'error',
      code: 'function_bypasses',
      subject: name,
      message: 'SECURITY DEFINER, as an owner whom no policy binds, and the role may call it',
      fix: `REVOKE EXECUTE ON ROUTINE ${name} FROM ${holders(inspection.role)};`,
    });
}

async function inspectTriggers(inspection: Inspection, tables: readonly ReachedTable[]): Promise<void> {
  const triggers = await rows<{ readonly table: string; readonly trigger: string }>(
    inspection,
    `SELECT t.tgrelid::text AS table, t.tgname AS trigger
     FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc f ON f.oid = t.tgfoid JOIN pg_catalog.pg_roles o ON o.oid = f.proowner
     WHERE NOT t.tgisinternal AND f.prosecdef AND (o.rolsuper OR o.rolbypassrls) AND t.tgrelid = ANY ($1::oid[])`,
    [`{${tables.map(({ oid }) => oid).join(',')}}`],
  );
  for (const { table, trigger } of triggers)
    inspection.found({
      level: 'error',
      code: 'trigger_bypasses',
      subject: tables.find(({ oid }) => oid === table)?.name ?? table,
      message: `the trigger \`${trigger}\` runs SECURITY DEFINER, as an owner whom no policy binds`,
    });
}

/** Schemas that the role may put things into: what it defines there, others may run. */
export async function inspectSchemas(inspection: Inspection): Promise<void> {
  const schemas = await rows<{ readonly name: string }>(
    inspection,
    `SELECT format('%I', n.nspname) AS name FROM pg_catalog.pg_namespace n
     WHERE ${notSystem} AND pg_catalog.has_schema_privilege($1::name, n.oid, 'CREATE') ORDER BY 1`,
    [inspection.role],
  );
  for (const { name } of schemas)
    inspection.found({
      level: inspection.untrustedSql ? 'error' : 'warning',
      code: 'schema_create',
      subject: name,
      message: 'the role may create tables and functions there that others then use',
      fix: `REVOKE CREATE ON SCHEMA ${name} FROM ${holders(inspection.role)};`,
    });
}
