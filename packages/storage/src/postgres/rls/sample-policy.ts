import { isTenantId } from '@portcullis/core';
import { quoteIdentifier, quoteLiteral } from '../quote.js';
import { tried, type Inspection, type Sample } from './catalog.js';
import type { ReachedTable } from './inspect-tables.js';

/**
 * A policy's expression as the server evaluates it, over made-up rows: nothing is stored. Evaluated once for all tables
 * that have this expression and this type: it reads nothing else of them.
 *
 * @param constants - what the expression names, each of which may be a tenant of its own
 * @returns `undefined` for a type of which no two tenants are known
 */
export function sampled(
  inspection: Inspection,
  table: ReachedTable,
  text: string,
  constants: readonly string[],
): Promise<readonly Sample[] | undefined> {
  const key = JSON.stringify([text, table.tenantType]);
  const known = inspection.samples.get(key);
  if (known !== undefined) return known;
  const made = evaluate(inspection, table, text, constants);
  inspection.samples.set(key, made);
  return made;
}

interface Kind {
  readonly tenants: readonly [string, string];
  readonly isValue: (text: string) => boolean;
}

/** Two tenants, in each type that a tenant column has. */
function kindOf(type: string): Kind | undefined {
  if (/^(?:text|character)/.test(type)) return { tenants: ['portcullis-one', 'portcullis-two'], isValue: () => true };
  if (type === 'uuid')
    return {
      tenants: ['00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002'],
      isValue: (text) => /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i.test(text),
    };
  if (/^(?:smallint|integer|bigint|numeric)/.test(type))
    return { tenants: ['1', '2'], isValue: (text) => /^-?\d+$/.test(text) };
  return undefined;
}

async function evaluate(
  inspection: Inspection,
  table: ReachedTable,
  text: string,
  constants: readonly string[],
): Promise<readonly Sample[] | undefined> {
  const kind = kindOf(table.tenantType ?? '');
  if (kind === undefined) return undefined;
  const { tenants, isValue } = kind;
  const named = new Set(constants);
  // What is no tenant's id is never set; it may be a row's.
  const sets = [undefined, '', tenants[0], ...constants.filter((constant) => isTenantId(constant))];
  const rows = [...tenants, ...['', ...constants].filter(isValue), null];
  const samples: Sample[] = [];
  for (const set of sets)
    for (const row of rows)
      samples.push({
        set,
        row,
        named: named.has(set ?? '') || named.has(row ?? ''),
        value: await evaluated(inspection, table, text, set, row),
      });
  return samples;
}

function evaluated(
  inspection: Inspection,
  table: ReachedTable,
  text: string,
  set: string | undefined,
  row: string | null,
): Promise<Sample['value']> {
  const { sql, setting, tenantColumn, role } = inspection;
  return tried(inspection, async () => {
    // An unset setting can only be seen in a session that never set it; elsewhere it reads as empty.
    if (set !== undefined) await sql.query(`SET LOCAL ${setting} = ${quoteLiteral(set)}`);
    await sql.query(`SET LOCAL ROLE ${quoteIdentifier(role)}`);
    const { rows: results } = await sql.query(
      `SELECT (${text}) AS value FROM pg_catalog.jsonb_populate_record(NULL::${table.name}, $1::jsonb) AS ${quoteIdentifier(table.table)}`,
      [JSON.stringify({ [tenantColumn]: row })],
    );
    const result = results[0]?.['value'];
    return typeof result === 'boolean' ? result : null;
  });
}
