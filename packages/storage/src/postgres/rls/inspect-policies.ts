import { quoteIdentifier } from '../quote.js';
import { rows, tried, type Inspection, type Sample } from './catalog.js';
import { policySql } from './conforming-sql.js';
import type { ReachedTable } from './inspect-tables.js';
import { comparesWithCall, readPolicy } from './policy-expression.js';
import { sampled } from './sample-policy.js';

interface Policy {
  readonly name: string;
  readonly command: '*' | 'r' | 'a' | 'w' | 'd';
  readonly permissive: boolean;
  readonly using: string | null;
  readonly check: string | null;
  /** It depends on something else than the tenant column and functions: other columns, tables, types, operators. */
  readonly others: boolean;
  /** Functions of somebody's making that it calls. */
  readonly calls: readonly string[];
}

interface Expression {
  readonly policy: Policy;
  readonly text: string;
}

/** What the policies have to keep in the tenant. */
interface Gate {
  readonly what: string;
  readonly writes: boolean;
  readonly granted: (table: ReachedTable) => boolean;
  readonly expression: (policy: Policy) => string | null | undefined;
}

const applies = (policy: Policy, command: Policy['command']): boolean =>
  policy.command === '*' || policy.command === command;

/** `WITH CHECK`, or `USING` where a policy has none. */
const checkOf = ({ check, using }: Policy): string | null => check ?? using;

const gates: readonly Gate[] = [
  {
    what: 'SELECT',
    writes: false,
    granted: ({ reads }) => reads,
    expression: (p) => (applies(p, 'r') ? p.using : undefined),
  },
  {
    what: 'INSERT',
    writes: true,
    granted: ({ inserts }) => inserts,
    expression: (p) => (applies(p, 'a') ? checkOf(p) : undefined),
  },
  {
    what: 'UPDATE of a row',
    writes: true,
    granted: ({ updates }) => updates,
    expression: (p) => (applies(p, 'w') ? p.using : undefined),
  },
  {
    what: 'UPDATE to a row',
    writes: true,
    granted: ({ updates }) => updates,
    expression: (p) => (applies(p, 'w') ? checkOf(p) : undefined),
  },
  {
    what: 'DELETE',
    writes: true,
    granted: ({ deletes }) => deletes,
    expression: (p) => (applies(p, 'd') ? p.using : undefined),
  },
];

/**
 * Whether the policies of a table keep reads and writes in the tenant.
 *
 * A policy counts as the tenant's when it uses nothing but the tenant column, the setting, constants and equality,
 * and, evaluated by the server itself, is true for a row of the tenant that is set and not true for any other row and
 * setting. For each command either one restrictive policy or every permissive one has to count.
 */
export async function inspectPolicies(inspection: Inspection, table: ReachedTable): Promise<void> {
  if (!table.secured || table.kind === 'f') return;
  const policies = await policiesOf(inspection, table);
  const judged = new Map<string, Verdict>();
  const judge = async (expression: Expression): Promise<Verdict> => {
    const known = judged.get(expression.text);
    if (known !== undefined) return known;
    const verdict = await judgePolicy(inspection, table, expression);
    judged.set(expression.text, verdict);
    return verdict;
  };
  const { tenantColumn, setting } = inspection;
  const fix = policySql({
    schema: table.schema,
    table: table.table,
    tenantColumn,
    setting,
    tenantType: table.tenantType ?? 'text',
  });
  for (const gate of gates.filter(({ granted }) => granted(table))) {
    const expressions = policies.flatMap((policy): Expression[] => {
      const text = gate.expression(policy);
      return text === undefined ? [] : [{ policy, text: text ?? 'true' }];
    });
    // One after the other: they share the connection, and a savepoint.
    let restricted = false;
    for (const expression of expressions.filter(({ policy }) => !policy.permissive))
      restricted = (await judge(expression)).keeps || restricted;
    if (restricted) continue;
    const permissive = expressions.filter(({ policy }) => policy.permissive);
    const open: string[] = [];
    for (const expression of permissive) {
      const { keeps, why } = await judge(expression);
      if (!keeps) open.push(`\`${expression.policy.name}\`${why === undefined ? '' : ` (${why})`}`);
    }
    if (open.length === 0) continue;
    inspection.found({
      level: 'error',
      code: gate.writes ? 'policy_write' : 'policy_read',
      subject: table.name,
      message: `${gate.what}: ${open.join(', ')} is not bound to the tenant, and no restrictive policy is`,
      fix,
    });
  }
}

function policiesOf(inspection: Inspection, { oid, tenantAttribute }: ReachedTable): Promise<readonly Policy[]> {
  return rows<Policy>(
    inspection,
    `SELECT p.polname AS name, p.polcmd AS command, p.polpermissive AS permissive,
       pg_catalog.pg_get_expr(p.polqual, p.polrelid) AS using, pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) AS check,
       EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_policy'::regclass AND d.objid = p.oid
               AND d.refclassid <> 'pg_catalog.pg_proc'::regclass
               AND NOT (d.refclassid = 'pg_catalog.pg_class'::regclass
                        AND d.refobjid = p.polrelid AND d.refobjsubid IN (0, $3))) AS others,
       ARRAY(SELECT f.proname::text FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_proc f ON f.oid = d.refobjid
             WHERE d.classid = 'pg_catalog.pg_policy'::regclass AND d.objid = p.oid
             AND d.refclassid = 'pg_catalog.pg_proc'::regclass) AS calls
     FROM pg_catalog.pg_policy p
     WHERE p.polrelid = $1::oid
       AND EXISTS (SELECT FROM unnest(p.polroles) AS r(oid)
                   WHERE r.oid = 0 OR pg_catalog.pg_has_role($2::name, r.oid, 'USAGE'))
     ORDER BY p.polname`,
    [oid, inspection.role, tenantAttribute],
  );
}

interface Verdict {
  readonly keeps: boolean;
  /** What stands in the way, where that is more than how it turned out. */
  readonly why?: string | undefined;
}

async function judgePolicy(
  inspection: Inspection,
  table: ReachedTable,
  { policy, text }: Expression,
): Promise<Verdict> {
  const { found, setting, tenantColumn } = inspection;
  const say = (
    level: 'error' | 'warning',
    code:
      | 'policy_reads_other_setting'
      | 'policy_unset_tenant'
      | 'policy_raises'
      | 'policy_calls_function'
      | 'policy_per_row'
      | 'policy_casts_column',
    message: string,
  ): void => {
    found({ level, code, subject: table.name, message: `\`${policy.name}\` ${message}` });
  };
  if (policy.others) return { keeps: false, why: 'depends on more than the tenant column' };
  const settings = [...text.matchAll(/current_setting\((?:'((?:[^']|'')*)')?/g)].map(([, name]) => name);
  const foreign = settings.filter((name) => name !== setting);
  if (foreign.length > 0 || /\b(?:SESSION_USER|CURRENT_USER|"current_user"|CURRENT_ROLE)\b/i.test(text)) {
    say('error', 'policy_reads_other_setting', `depends on more than \`${setting}\`: ${text}`);
    return { keeps: false };
  }
  const { unproven, constants } = readPolicy(text, tenantColumn);
  const calls = policy.calls.map((name) => `\`${name}\``).join(', ');
  if (calls !== '' && !comparesWithCall(text, tenantColumn)) return { keeps: false, why: `calls ${calls}` };
  if (calls === '' && unproven !== undefined) return { keeps: false, why: unproven };
  if (table.tenantFolds)
    return { keeps: false, why: 'the collation of the tenant column takes different tenants for one' };
  const samples = await sampled(inspection, table, text, constants);
  if (samples === undefined) return { keeps: false, why: `the tenant column is of type \`${table.tenantType ?? ''}\`` };
  const unset = samples.filter(({ set }) => set === undefined || set === '');
  if (unset.some(({ value }) => value === true)) {
    say('error', 'policy_unset_tenant', 'is true for some row where no tenant is set');
    return { keeps: false };
  }
  if (unset.some(({ value }) => value === 'raises'))
    say('warning', 'policy_raises', 'raises an error where no tenant is set: NULLIF is missing');
  if (!samples.every(isRight)) return { keeps: false };
  if (calls !== '') say('warning', 'policy_calls_function', `calls ${calls}: what that does was tried, not proven`);
  if (settings.length > 0 && !/\( ?SELECT/i.test(text))
    say('warning', 'policy_per_row', 'reads the setting once a row: write `(SELECT current_setting(…))`');
  // A varchar is cast to text for every comparison, and its index serves all the same.
  if (text.includes(`(${tenantColumn})::`) && !(table.tenantType ?? '').startsWith('character'))
    say('warning', 'policy_casts_column', 'casts the tenant column, so that no index serves it: cast the setting');
  return { keeps: true };
}

/** A tenant that is set sees its own rows and no others. One that the policy names may see none, or raise an error. */
function isRight({ set, row, value, named }: Sample): boolean {
  if (set === undefined || set === '') return value !== true;
  if (named) return value !== true || row === set;
  return row === set ? value === true : value !== true && value !== 'raises';
}

/** What a role sees of the table itself where no tenant is set. */
export async function inspectUnset(inspection: Inspection, table: ReachedTable): Promise<void> {
  const { sql, setting, role, found } = inspection;
  if (!table.reads || table.kind === 'f') return;
  const sees = await tried(inspection, async () => {
    await sql.query(`SET LOCAL ${setting} = ''`);
    await sql.query(`SET LOCAL ROLE ${quoteIdentifier(role)}`);
    return (await sql.query(`SELECT EXISTS (SELECT FROM ${table.name}) AS value`)).rows[0]?.['value'];
  });
  if (sees === true)
    found({
      level: 'error',
      code: 'visible_without_tenant',
      subject: table.name,
      message: 'rows can be read where no tenant is set',
    });
}
