import { PortcullisError } from '@portcullis/core';
import { refused } from '../../access.js';
import { quoteIdentifier } from '../../postgres/quote.js';
import type { TenantSql } from '../../postgres/tenant-sql.js';
import type { AdoptionCall, AdoptionCounts, UndoOptions } from '../adoption-step.js';
import type { RowsWork } from './rows-work.js';
import { removeRecords, type AdoptedRecord } from './adopted-tables.js';
import { factDifferences } from './fact-differences.js';
import { qualified } from './qualified.js';
import { ownRecords } from './run-phases.js';
import { tableFacts, type TableFacts } from './table-facts.js';
import { undoSql } from './undo-sql.js';

/** A look that has changed something, and is rolled back. */
class Looked extends Error {}

/**
 * Looks whose rows there are, as only a way back can see it: the policies are lifted for that, by a transaction that is
 * never kept.
 *
 * @throws PortcullisError `storage_conflict` when there are rows of other tenants, unless they may be mixed up
 */
export async function requireUndoable(work: RowsWork, call: AdoptionCall, how: UndoOptions): Promise<void> {
  if (how.mixTenants === true) return;
  await work
    .transaction(call, async (sql) => {
      await openTables(sql, work, call, how);
      throw new Looked();
    })
    .catch((error: unknown) => {
      if (!(error instanceof Looked)) throw error;
    });
}

/**
 * Makes the tables what they were, all in one transaction, which is kept only when there are no rows that would be
 * mixed up and every table is exactly what it was.
 */
export function undoTables(work: RowsWork, call: AdoptionCall, how: UndoOptions): Promise<AdoptionCounts> {
  return work.transaction(call, async (sql) => {
    const records = await openTables(sql, work, call, how);
    const tables = records.map(({ facts }) => facts);
    for (const statement of undoSql(records, work.target(call.tenant)).restore) await sql.query(statement);
    if (how.inexact !== true) for (const facts of tables) await requireExact(sql, facts);
    if (tables.length > 0) await removeRecords(sql, tables);
    return { tables: tables.length };
  });
}

/** Keeps everybody out, lifts the policies, and looks whose rows there are. */
async function openTables(
  sql: TenantSql,
  work: RowsWork,
  call: AdoptionCall,
  how: UndoOptions,
): Promise<readonly AdoptedRecord[]> {
  const target = work.target(call.tenant);
  const records = await ownRecords(sql, work, call);
  const tables = records.map(({ facts }) => facts);
  if (tables.length === 0) return [];
  await sql.query(`LOCK TABLE ${tables.map(qualified).join(', ')} IN ACCESS EXCLUSIVE MODE`);
  for (const statement of undoSql(records, target).open) await sql.query(statement);
  if (how.mixTenants !== true)
    for (const facts of tables) await requireOneTenant(sql, facts, target.tenantColumn, call.tenant);
  return records;
}

async function requireOneTenant(sql: TenantSql, facts: TableFacts, column: string, tenant: string): Promise<void> {
  const name = quoteIdentifier(column);
  const { rows } = await sql.query<{ others: string }>(
    `SELECT count(*)::text AS others FROM ${qualified(facts)} WHERE ${name} IS DISTINCT FROM $1`,
    [tenant],
  );
  const others = rows[0]?.others ?? '';
  if (others !== '0')
    throw new PortcullisError('storage_conflict', 'there are rows of other tenants', {
      detail: `${others} in ${qualified(facts)}: without the column they would be everybody’s; say \`mixTenants\` if they may`,
    });
}

async function requireExact(sql: TenantSql, before: TableFacts): Promise<void> {
  const different = factDifferences(before, await tableFacts(sql, before));
  if (different.length > 0)
    throw refused(
      `${qualified(before)} would not be what it was, and nothing was changed (${different.join('; ')}): say \`inexact\` if that may stay`,
    );
}
