import { PortcullisError } from '@portcullis/core';
import { catalogTransaction } from '../catalog-transaction.js';
import type { TenantSql } from '../tenant-sql.js';
import type { TransactionSource } from '../transaction-source.js';
import { rows, type Inspection } from './catalog.js';
import type { Finding, FindingCode, Verification } from '../findings.js';
import { inspectBypasses, inspectSchemas } from './inspect-bypasses.js';
import { inspectKeys } from './inspect-keys.js';
import { inspectPolicies, inspectUnset } from './inspect-policies.js';
import { inspectRoles } from './inspect-roles.js';
import { inspectTables, type ReachedTable } from './inspect-tables.js';

/** What is taken as given, and what is let pass. */
export interface InspectOptions {
  /** The column that says whose a row is, in every table. @defaultValue `tenant_id` */
  readonly tenantColumn?: string | undefined;
  /** Tables that all tenants may read and none may write, as `schema.table`. @defaultValue none */
  readonly sharedTables?: readonly string[] | undefined;
  /** SQL comes from people or models: what only such SQL could use is an error then. @defaultValue `false` */
  readonly untrustedSql?: boolean | undefined;
  /** Findings that somebody has looked at and takes responsibility for. @defaultValue none */
  readonly accept?:
    readonly { readonly code: FindingCode; readonly subject: string; readonly reason: string }[] | undefined;
  /** How long all of it may take, in milliseconds. @defaultValue 30000 */
  readonly timeoutMs?: number | undefined;
}

interface Target {
  readonly setting: string;
  readonly role: string | undefined;
  readonly searchPath: readonly string[];
}

/** Looks at roles, tables, policies, keys, views and functions, in one read-only transaction that changes nothing. */
export async function inspect(source: TransactionSource, options: InspectOptions & Target): Promise<Verification> {
  const { timeoutMs = 30_000, accept = [] } = options;
  const all = await catalogTransaction(source, timeoutMs, (sql) => inspected(sql, options));
  const findings = all.findings.filter(
    ({ code, subject }) => !accept.some((known) => known.code === code && known.subject === subject),
  );
  return { ...all, findings };
}

async function inspected(sql: TenantSql, options: InspectOptions & Target): Promise<Verification> {
  const findings: Finding[] = [];
  const [server] = await rows<{ readonly version: number; readonly text: string; readonly login: string }>(
    { sql },
    `SELECT pg_catalog.current_setting('server_version_num')::int4 AS version, pg_catalog.current_setting('server_version') AS text,
       current_user::text AS login`,
  );
  if (server === undefined) throw new Error('the server told no version');
  const role = options.role ?? server.login;
  const inspection: Inspection = {
    sql,
    version: server.version,
    setting: options.setting,
    tenantColumn: options.tenantColumn ?? 'tenant_id',
    role,
    login: server.login,
    untrustedSql: options.untrustedSql ?? false,
    sharedTables: new Set(options.sharedTables ?? []),
    found: (finding) => findings.push(finding),
    samples: new Map(),
  };
  await requireRole(inspection);
  await inspectRoles(inspection);
  const tables = await inspectTables(inspection);
  for (const table of tables) await inspectTable(inspection, table);
  await inspectBypasses(inspection, tables);
  await inspectSchemas(inspection);
  return { serverVersion: server.text, role, tables: tables.map(({ name }) => name), findings: once(findings) };
}

async function inspectTable(inspection: Inspection, table: ReachedTable): Promise<void> {
  await inspectPolicies(inspection, table);
  await inspectKeys(inspection, table);
  await inspectUnset(inspection, table);
}

async function requireRole(inspection: Inspection): Promise<void> {
  const [known] = await rows<{ readonly known: boolean }>(
    inspection,
    'SELECT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = $1) AS known',
    [inspection.role],
  );
  if (known?.known !== true)
    throw new PortcullisError('config_invalid', `role: there is no role \`${inspection.role}\` in the database`);
}

/** Two policies may say the same of a table. */
function once(findings: readonly Finding[]): readonly Finding[] {
  const seen = new Set<string>();
  return findings.filter(({ code, subject, message }) => {
    const key = JSON.stringify([code, subject, message]);
    return !seen.has(key) && seen.add(key);
  });
}
