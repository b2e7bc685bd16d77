import { PortcullisError } from '@portcullis/core';

/** What a finding is about: stable, so that a deliberate exception can name it. */
export type FindingCode =
  | 'server_version'
  | 'role_bypasses'
  | 'login_bypasses'
  | 'role_can_become'
  | 'role_owns_table'
  | 'rls_disabled'
  | 'rls_not_forced'
  | 'policy_read'
  | 'policy_write'
  | 'policy_unset_tenant'
  | 'policy_raises'
  | 'policy_reads_other_setting'
  | 'policy_calls_function'
  | 'policy_per_row'
  | 'policy_casts_column'
  | 'visible_without_tenant'
  | 'table_without_tenant'
  | 'shared_table_writable'
  | 'tenant_column_nullable'
  | 'tenant_column_unchecked'
  | 'tenant_index'
  | 'unique_without_tenant'
  | 'foreign_key_without_tenant'
  | 'foreign_table'
  | 'truncate_granted'
  | 'table_privileges'
  | 'view_bypasses'
  | 'view_not_invoker'
  | 'materialized_view'
  | 'function_bypasses'
  | 'trigger_bypasses'
  | 'schema_create'
  | 'temporary_tables'
  | 'settings_writable'
  | 'large_objects'
  | 'activity_visible'
  | 'dblink'
  | 'login_inherits'
  | 'schema_shared'
  | 'tenant_role';

/** One thing that falls short. */
export interface Finding {
  /** `error`: tenants are not isolated, or it cannot be shown. `warning`: they are, as far as this goes. */
  readonly level: 'error' | 'warning';
  readonly code: FindingCode;
  /** The table, view, function or role, as SQL writes its name. */
  readonly subject: string;
  readonly message: string;
  /** SQL that mends it; absent where a person has to decide. */
  readonly fix?: string | undefined;
}

/** What was looked at, and what was found. */
export interface Verification {
  readonly serverVersion: string;
  /** The role that tenants' work runs as. */
  readonly role: string;
  /** The tables with tenants' rows that the role can reach. */
  readonly tables: readonly string[];
  readonly findings: readonly Finding[];
}

/**
 * Lets a verification without errors through.
 *
 * @throws PortcullisError `storage_unproven`, whose `detail` is `formatFindings`
 */
export function assertVerified(verification: Verification): Verification {
  const errors = verification.findings.filter(({ level }) => level === 'error');
  if (errors.length === 0) return verification;
  throw new PortcullisError(
    'storage_unproven',
    `the isolation of the database is not proven: ${errors.map(({ code, subject }) => `${subject} (${code})`).join(', ')}`,
    {
      detail: formatFindings(verification.findings),
    },
  );
}

/** The findings as lines to read, errors first. */
export function formatFindings(findings: readonly Finding[]): string {
  return [...findings]
    .sort((one, other) => one.level.localeCompare(other.level))
    .map(({ level, code, subject, message, fix }) =>
      [
        `${level} ${code} ${subject}: ${message}`,
        ...(fix === undefined ? [] : fix.split('\n').map((line) => `    ${line}`)),
      ].join('\n'),
    )
    .join('\n');
}

/** The SQL of all findings that have some, in an order in which it can be run, each statement once. */
export function fixesOf(findings: readonly Finding[]): string {
  const lines = findings.flatMap(({ code, subject, fix }) =>
    fix === undefined ? [] : [`-- ${code} ${subject}\n${fix}`],
  );
  return [...new Set(lines)].join('\n');
}
