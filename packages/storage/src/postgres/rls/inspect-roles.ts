import { quoteIdentifier } from '../quote.js';
import { rows, type Inspection } from './catalog.js';
import { activityFunctions, largeObjectFunctions } from './conforming-sql.js';
import { holders } from './holders.js';

interface Role {
  readonly name: string;
  readonly bypasses: boolean;
}

/** Releases before these let a role read statistics of rows that it may not see (CVE-2025-8713). */
const safeMinor: Readonly<Record<number, number>> = { 14: 19, 15: 14, 16: 10, 17: 6 };

/** The roles, and what they could become; what the database lets every role do. */
export async function inspectRoles(inspection: Inspection): Promise<void> {
  const { version, role, login, found } = inspection;
  const major = Math.floor(version / 10_000);
  const minor = version % 10_000;
  if (major < 14)
    found({
      level: 'error',
      code: 'server_version',
      subject: String(major),
      message: 'PostgreSQL 14 is the oldest supported',
    });
  else if (minor < (safeMinor[major] ?? 0))
    found({
      level: 'warning',
      code: 'server_version',
      subject: `${String(major)}.${String(minor)}`,
      message: `statistics of other tenants’ rows leak before ${String(major)}.${String(safeMinor[major])} (CVE-2025-8713)`,
    });

  const settable = await maySetSettings(inspection);
  const [effective, connected] = await Promise.all([bypasses(inspection, role), bypasses(inspection, login)]);
  if (effective)
    found({
      level: 'error',
      code: 'role_bypasses',
      subject: quoteIdentifier(role),
      message: 'row-level security does not bind a superuser or a role with BYPASSRLS',
      fix: `ALTER ROLE ${quoteIdentifier(role)} NOSUPERUSER NOBYPASSRLS;`,
    });
  else await inspectMemberships(inspection);
  if (connected && login !== role)
    found({
      level: settable ? 'error' : 'warning',
      code: 'login_bypasses',
      subject: quoteIdentifier(login),
      message: settable
        ? 'the connection’s own role is bound by no policy, and any SQL can go back to it by set_config'
        : 'the connection’s own role is bound by no policy; connect as an ordinary one',
    });
  await inspectPrivileges(inspection, settable);
}

async function bypasses(inspection: Inspection, role: string): Promise<boolean> {
  const [found] = await rows<Role>(
    inspection,
    'SELECT rolname AS name, (rolsuper OR rolbypassrls) AS bypasses FROM pg_catalog.pg_roles WHERE rolname = $1',
    [role],
  );
  // A role that is not there binds nothing.
  return found?.bypasses ?? true;
}

async function inspectMemberships(inspection: Inspection): Promise<void> {
  const { role, found } = inspection;
  const others = await rows<Role>(
    inspection,
    `SELECT r.rolname AS name, (r.rolsuper OR r.rolbypassrls) AS bypasses FROM pg_catalog.pg_roles r
     WHERE r.rolname <> $1 AND pg_catalog.pg_has_role($1::name, r.oid, 'MEMBER')
       AND (r.rolsuper OR r.rolbypassrls
            OR r.rolname IN ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program'))`,
    [role],
  );
  for (const other of others)
    found({
      level: 'error',
      code: 'role_can_become',
      subject: quoteIdentifier(role),
      message: `is a member of ${quoteIdentifier(other.name)}, which ${other.bypasses ? 'no policy binds' : 'reaches the server’s files'}`,
      fix: `REVOKE ${quoteIdentifier(other.name)} FROM ${quoteIdentifier(role)};`,
    });
}

async function maySetSettings(inspection: Inspection): Promise<boolean> {
  const [may] = await rows<{ readonly may: boolean }>(
    inspection,
    `SELECT pg_catalog.has_function_privilege($1::name, 'pg_catalog.set_config(text, text, boolean)', 'EXECUTE') AS may`,
    [inspection.role],
  );
  return may?.may ?? true;
}

/** Whether the role may call one of the built-in functions that a parameter lists. */
const mayCallAny = (parameter: string): string =>
  `EXISTS (SELECT FROM unnest(${parameter}::text[]) AS f(name)
           WHERE pg_catalog.has_function_privilege($1::name, 'pg_catalog.' || f.name, 'EXECUTE'))`;

async function inspectPrivileges(inspection: Inspection, settable: boolean): Promise<void> {
  const { role, untrustedSql, found } = inspection;
  const level = untrustedSql ? 'error' : 'warning';
  const [may] = await rows<
    Readonly<Record<'temporary' | 'activity' | 'objects' | 'dblink', boolean>> & { readonly database: string }
  >(
    inspection,
    `SELECT pg_catalog.current_database() AS database,
       pg_catalog.has_database_privilege($1::name, pg_catalog.current_database(), 'TEMPORARY') AS temporary,
       pg_catalog.has_table_privilege($1::name, 'pg_catalog.pg_stat_activity', 'SELECT') OR ${mayCallAny('$3')} AS activity,
       ${mayCallAny('$2')} AS objects,
       EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.proname LIKE 'dblink%'
               AND pg_catalog.has_function_privilege($1::name, p.oid, 'EXECUTE')) AS dblink`,
    [role, largeObjectFunctions, activityFunctions],
  );
  const subject = quoteIdentifier(role);
  if (settable)
    found({
      level,
      code: 'settings_writable',
      subject,
      message: 'SQL can name another tenant by set_config: SQL from people or models must not be run',
      fix: `REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) FROM ${holders(role)};`,
    });
  if (may?.temporary !== false)
    found({
      level,
      code: 'temporary_tables',
      subject,
      message: 'a temporary table outlives the transaction, and the next user of the connection can read it',
      fix: `REVOKE TEMPORARY ON DATABASE ${quoteIdentifier(may?.database ?? 'postgres')} FROM ${holders(role)};`,
    });
  if (!untrustedSql) return;
  if (may?.activity !== false)
    found({
      level: 'warning',
      code: 'activity_visible',
      subject,
      message: 'pg_stat_activity shows the text of what other tenants’ connections run',
      fix: [
        `REVOKE SELECT ON pg_catalog.pg_stat_activity FROM ${holders(role)};`,
        ...activityFunctions.map((name) => `REVOKE EXECUTE ON FUNCTION pg_catalog.${name} FROM ${holders(role)};`),
      ].join('\n'),
    });
  if (may?.objects !== false)
    found({
      level,
      code: 'large_objects',
      subject,
      message: 'large objects belong to the role and so to all tenants',
      fix: largeObjectFunctions
        .map((name) => `REVOKE EXECUTE ON FUNCTION pg_catalog.${name} FROM ${holders(role)};`)
        .join('\n'),
    });
  if (may?.dblink !== false)
    found({ level, code: 'dblink', subject, message: 'dblink opens connections that are not this transaction’s' });
}
