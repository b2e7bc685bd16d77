import { catalogTransaction } from '../catalog-transaction.js';
import type { Finding, Verification } from '../findings.js';
import { quoteIdentifier } from '../quote.js';
import type { TenantSql } from '../tenant-sql.js';
import type { TransactionSource } from '../transaction-source.js';

/** What is taken as given. */
export interface InspectSchemasOptions {
  /** SQL comes from people or models: what only such SQL could use is an error then. @defaultValue `false` */
  readonly untrustedSql?: boolean | undefined;
  /** How long all of it may take, in milliseconds. @defaultValue 30000 */
  readonly timeoutMs?: number | undefined;
}

/** Looks at the login, the tenants' roles and their schemas, in one read-only transaction. */
export function inspectSchemas(
  source: TransactionSource,
  prefix: string,
  { untrustedSql = false, timeoutMs = 30_000 }: InspectSchemasOptions,
): Promise<Verification> {
  return catalogTransaction(source, timeoutMs, (sql) =>
    inspected(sql, `${prefix.replaceAll('_', '\\_')}%`, untrustedSql),
  );
}

async function inspected(sql: TenantSql, like: string, untrustedSql: boolean): Promise<Verification> {
  const findings: Finding[] = [];
  const all = async <Row>(text: string, values: readonly unknown[] = [like]): Promise<readonly Row[]> =>
    (await sql.query<Row>(text, values)).rows;
  const [server] = await all<{ version: string; login: string; bypasses: boolean; settable: boolean }>(
    `SELECT current_setting('server_version') AS version, current_user::text AS login, (rolsuper OR rolbypassrls) AS bypasses,
       EXISTS (SELECT FROM pg_proc WHERE oid = 'set_config(text, text, boolean)'::regprocedure
               AND (proacl IS NULL OR EXISTS (SELECT FROM aclexplode(proacl) WHERE grantee = 0))) AS settable
     FROM pg_roles WHERE rolname = current_user`,
    [],
  );
  if (server === undefined) throw new Error('the server told nothing');
  const { login, settable, bypasses, version } = server;
  const subject = quoteIdentifier(login);
  if (bypasses)
    findings.push({
      level: settable ? 'error' : 'warning',
      code: 'login_bypasses',
      subject,
      message: 'the connection’s own role reaches every schema; connect as an ordinary one',
    });
  if (settable)
    findings.push({
      level: untrustedSql ? 'error' : 'warning',
      code: 'settings_writable',
      subject,
      message: 'SQL can take on another tenant’s role by set_config: SQL from people or models must not be run',
      fix: 'REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) FROM PUBLIC;',
    });
  const schemas = await all<{ name: string; role: boolean }>(
    `SELECT n.nspname AS name, r.oid IS NOT NULL AS role FROM pg_namespace n LEFT JOIN pg_roles r ON r.rolname = n.nspname
     WHERE n.nspname LIKE $1 ORDER BY 1`,
  );
  for (const { name } of schemas.filter(({ role }) => !role))
    findings.push({
      level: 'error',
      code: 'tenant_role',
      subject: quoteIdentifier(name),
      message: 'the schema has no role of its own',
    });
  findings.push(...(await sharing(all)), ...(await roles(all, bypasses)), ...(await definers(all)));
  return { serverVersion: version, role: login, tables: schemas.map(({ name }) => quoteIdentifier(name)), findings };
}

type Query = <Row>(text: string, values?: readonly unknown[]) => Promise<readonly Row[]>;

/** Schemas that somebody other than the owner and the tenant may enter. */
async function sharing(all: Query): Promise<readonly Finding[]> {
  const found = await all<{ name: string; grantee: string }>(
    `SELECT DISTINCT n.nspname AS name, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee)::text END AS grantee
     FROM pg_namespace n, aclexplode(n.nspacl) a
     WHERE n.nspname LIKE $1 AND a.grantee <> n.nspowner AND pg_get_userbyid(a.grantee) <> n.nspname ORDER BY 1, 2`,
  );
  return found.map(({ name, grantee }) => {
    const who = grantee === 'PUBLIC' ? grantee : quoteIdentifier(grantee);
    return {
      level: 'error',
      code: 'schema_shared',
      subject: quoteIdentifier(name),
      message: `${who} may enter the schema`,
      fix: `REVOKE ALL ON SCHEMA ${quoteIdentifier(name)} FROM ${who};`,
    };
  });
}

/** Tenants' roles that are more than a tenant's role, and a login that is all of them at once. */
async function roles(all: Query, bypasses: boolean): Promise<readonly Finding[]> {
  const strong = await all<{ name: string }>(
    `SELECT rolname AS name FROM pg_roles
     WHERE rolname LIKE $1 AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication OR rolcanlogin)
       AND EXISTS (SELECT FROM pg_namespace WHERE nspname = rolname) ORDER BY 1`,
  );
  const members = await all<{ name: string; other: string }>(
    `SELECT m.rolname AS name, r.rolname AS other FROM pg_auth_members a JOIN pg_roles m ON m.oid = a.member JOIN pg_roles r ON r.oid = a.roleid
     WHERE m.rolname LIKE $1 AND EXISTS (SELECT FROM pg_namespace WHERE nspname = m.rolname) ORDER BY 1, 2`,
  );
  const inherited = bypasses
    ? []
    : await all<{ name: string }>(
        `SELECT r.rolname AS name FROM pg_roles r JOIN pg_namespace n ON n.nspname = r.rolname
         WHERE r.rolname LIKE $1 AND pg_has_role(r.oid, 'USAGE') ORDER BY 1 LIMIT 5`,
      );
  return [
    ...strong.map(({ name }): Finding => ({
      level: 'error',
      code: 'tenant_role',
      subject: quoteIdentifier(name),
      message: 'a tenant’s role has no rights of the server’s and cannot log in',
      fix: `ALTER ROLE ${quoteIdentifier(name)} NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION;`,
    })),
    ...members.map(({ name, other }): Finding => ({
      level: 'error',
      code: 'role_can_become',
      subject: quoteIdentifier(name),
      message: `is a member of ${quoteIdentifier(other)}`,
      fix: `REVOKE ${quoteIdentifier(other)} FROM ${quoteIdentifier(name)};`,
    })),
    ...inherited.map(({ name }): Finding => ({
      level: 'error',
      code: 'login_inherits',
      subject: quoteIdentifier(name),
      message:
        'the connection’s own role has its rights before it takes it on: before PostgreSQL 16 the login has to be NOINHERIT',
    })),
  ];
}

/** A SECURITY DEFINER function in a tenant's schema runs as the owner of all schemas. */
async function definers(all: Query): Promise<readonly Finding[]> {
  const found = await all<{ name: string }>(
    `SELECT format('%I.%I(%s)', n.nspname, f.proname, pg_get_function_identity_arguments(f.oid)) AS name
     FROM pg_proc f JOIN pg_namespace n ON n.oid = f.pronamespace
     WHERE f.prosecdef AND n.nspname LIKE $1 AND pg_get_userbyid(f.proowner) <> n.nspname ORDER BY 1`,
  );
  return found.map(({ name }) => ({
    level: 'error',
    code: 'function_bypasses',
    subject: name,
    message: 'SECURITY DEFINER, as the owner of all tenants’ schemas',
    fix: `ALTER ROUTINE ${name} SECURITY INVOKER;`,
  }));
}
