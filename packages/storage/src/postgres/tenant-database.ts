import { AsyncLocalStorage } from 'node:async_hooks';
import type { OperatorContext, TenantContext, TenantId } from '@portcullis/core';
import { tenantOf, tenantOfOperator, type OperatorAccessOptions } from '../access.js';
import { assertVerified, type Verification } from './findings.js';
import { runTransaction, type TransactionOptions } from './run-transaction.js';
import type { Flow, TenantSql } from './tenant-sql.js';
import type { TransactionSource } from './transaction-source.js';

/**
 * One database for all tenants, opened for one of them at a time: what `rowLevelSecurity` and `schemaPerTenant` give.
 *
 * @typeParam Look - the options of its verification
 */
export interface TenantDatabase<Look> {
  /**
   * Runs work in one transaction that sees what is the context's tenant's alone.
   *
   * The callback gets the connection, and nothing else of the pool. It is committed when the callback returns and
   * rolled back when it throws. Inside another `withTenant` of the same tenant it is a savepoint of that one, whose
   * deadline and signal it keeps.
   *
   * @throws PortcullisError `storage_refused`, `storage_unavailable`, `storage_conflict`; `storage_not_provisioned`
   * where the tenant's role is missing; what the work throws
   */
  withTenant<T>(context: TenantContext, work: (sql: TenantSql) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /** The same for an operator, in one tenant, on record. */
  withTenantAsOperator<T>(
    operator: OperatorContext,
    tenant: TenantId,
    work: (sql: TenantSql) => Promise<T>,
    options?: TransactionOptions,
  ): Promise<T>;
  /**
   * Looks whether the database isolates tenants. For a report; `verify` is for start-up.
   *
   * @throws PortcullisError `storage_unavailable`
   */
  inspect(options?: Look): Promise<Verification>;
  /**
   * Proves the isolation at start-up, instead of assuming it.
   *
   * @throws PortcullisError `storage_unproven`, whose `detail` names whatever falls short; `storage_unavailable`
   */
  verify(options?: Look): Promise<Verification>;
}

/** What makes the one strategy differ from the other. */
interface Strategy<Look> extends OperatorAccessOptions {
  readonly source: TransactionSource;
  /** Its name in the records of operators' access. */
  readonly storage: string;
  /** The `SET LOCAL` statements that make a transaction the tenant's. */
  readonly settings: (tenant: TenantId) => readonly string[];
  readonly timeoutMs: number | undefined;
  readonly look: (options: Look | undefined) => Promise<Verification>;
}

/** The database that a strategy makes. */
export function tenantDatabase<Look>(strategy: Strategy<Look>): TenantDatabase<Look> {
  const { source, storage, settings, timeoutMs, look } = strategy;
  const flow: Flow = new AsyncLocalStorage();
  const run = <T>(tenant: TenantId, work: (sql: TenantSql) => Promise<T>, how: TransactionOptions = {}): Promise<T> =>
    runTransaction(
      { source, tenant, settings: settings(tenant), flow },
      { ...how, timeoutMs: how.timeoutMs ?? timeoutMs },
      work,
    );
  return {
    withTenant: async (context, work, how) => run(tenantOf(context), work, how),
    withTenantAsOperator: async (operator, tenant, work, how) =>
      run(await tenantOfOperator(operator, tenant, storage, strategy), work, how),
    inspect: look,
    verify: async (how) => assertVerified(await look(how)),
  };
}
