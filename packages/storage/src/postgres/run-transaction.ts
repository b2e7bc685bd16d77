import { PortcullisError, type TenantId } from '@portcullis/core';
import { refused, unavailable } from '../access.js';
import { isBackendFailure, sqlState } from './sql-state.js';
import { tenantTransaction, type Flow, type TenantSql } from './tenant-sql.js';
import { BeginError, type IsolationLevel, type OpenTransaction, type TransactionSource } from './transaction-source.js';

/** How one transaction runs. */
export interface TransactionOptions {
  /** @defaultValue `false` */
  readonly readOnly?: boolean | undefined;
  /** @defaultValue the server's, `read committed` as PostgreSQL is shipped */
  readonly isolation?: IsolationLevel | undefined;
  /**
   * How often the whole callback is run again after a serialization failure or a deadlock. The callback must then
   * have no effect but on the database. @defaultValue 3 for `repeatable read` and `serializable`, else 0
   */
  readonly retries?: number | undefined;
  /**
   * How long it may take, with the wait for a connection and all retries, in milliseconds. A nested transaction has the
   * deadline of the outer one. @defaultValue 15000
   */
  readonly timeoutMs?: number | undefined;
  /** Ends it early. A nested transaction has the signal of the outer one. */
  readonly signal?: AbortSignal | undefined;
}

/** What runs, and as whom. */
export interface TransactionScope {
  readonly source: TransactionSource;
  readonly tenant: TenantId;
  /** `SET LOCAL` statements, in order. */
  readonly settings: readonly string[];
  readonly flow: Flow;
  /** Statements that define things are let through: for migrations, never for a tenant. @defaultValue `false` */
  readonly defining?: boolean | undefined;
}

/**
 * Runs work in one transaction on one connection, and nowhere else.
 *
 * The settings, the work, and the end of the transaction: all of it in time, or none of it kept. When the time is over
 * or the caller goes away, the connection is closed under the work: its later statements are refused, and the server
 * ends the statement that runs (at `client_connection_check_interval` where its platform has that, and by
 * `statement_timeout` at the latest).
 *
 * @throws PortcullisError `storage_unavailable`, `storage_conflict`, `storage_refused`; what the work throws
 */
export async function runTransaction<T>(
  scope: TransactionScope,
  options: TransactionOptions,
  work: (sql: TenantSql) => Promise<T>,
): Promise<T> {
  const { isolation, timeoutMs = 15_000, signal } = options;
  const retries = options.retries ?? (isolation === undefined || isolation === 'read committed' ? 0 : 3);
  const outer = scope.flow.getStore();
  if (outer?.isOver() === false) return inside(outer.sql, scope, options, work);
  const ends = Date.now() + timeoutMs;
  const limit = timeLimit(timeoutMs, signal);
  try {
    for (let attempt = 0; ; attempt++) {
      try {
        return await once(scope, options, work, limit, Math.max(1, ends - Date.now()));
      } catch (error) {
        if (!isSerializationFailure(error)) throw error;
        if (attempt >= retries) throw conflict(error, attempt);
        await pause(Math.random() * 20 * 2 ** attempt, limit.signal);
      }
    }
  } finally {
    limit.clear();
  }
}

function inside<T>(
  outer: TenantSql,
  { tenant }: TransactionScope,
  { isolation, readOnly }: TransactionOptions,
  work: (sql: TenantSql) => Promise<T>,
): Promise<T> {
  if (outer.tenant !== tenant)
    return Promise.reject(refused('a transaction of another tenant is open: end it before this one'));
  if (isolation !== undefined || readOnly !== undefined)
    return Promise.reject(refused('a nested transaction has the isolation and the access mode of the outer one'));
  return outer.transaction(work);
}

interface TimeLimit {
  readonly signal: AbortSignal;
  clear(): void;
}

function timeLimit(timeoutMs: number, callers: AbortSignal | undefined): TimeLimit {
  const controller = new AbortController();
  const timer = setTimeout(() => {
    controller.abort(unavailable(undefined, `the transaction took longer than ${String(timeoutMs)} ms`));
  }, timeoutMs);
  const onAbort = (): void => {
    controller.abort(unavailable(callers?.reason, 'the caller went away'));
  };
  if (callers?.aborted === true) onAbort();
  else callers?.addEventListener('abort', onAbort, { once: true });
  return {
    signal: controller.signal,
    clear() {
      clearTimeout(timer);
      callers?.removeEventListener('abort', onAbort);
    },
  };
}

async function once<T>(
  { source, tenant, settings, flow, defining = false }: TransactionScope,
  { isolation, readOnly = false }: TransactionOptions,
  work: (sql: TenantSql) => Promise<T>,
  { signal }: TimeLimit,
  leftMs: number,
): Promise<T> {
  let open: OpenTransaction;
  try {
    open = await source.begin({ isolation, readOnly, settings, limitMs: leftMs }, signal);
  } catch (error) {
    throw asFailure(error);
  }
  const transaction = tenantTransaction(open, { tenant, signal, flow, defining });
  const { ended, stop } = whenAborted(signal, (reason) => {
    transaction.end('the transaction is over: its time is up or its caller went away');
    open.destroy(reason);
  });
  const working = transaction.run(work);
  try {
    const value = await Promise.race([working, ended]);
    transaction.end('the transaction is over');
    if (!(await Promise.race([open.commit(), ended])))
      throw refused('a statement failed and its error was swallowed: nothing was kept');
    return value;
  } catch (error) {
    transaction.end('the transaction is over');
    working.catch(() => undefined);
    if (!signal.aborted) await open.rollback().catch(() => undefined);
    throw asFailure(error);
  } finally {
    stop();
  }
}

function whenAborted(
  signal: AbortSignal,
  end: (reason: Error) => void,
): { readonly ended: Promise<never>; readonly stop: () => void } {
  let onAbort: (() => void) | undefined;
  const ended = new Promise<never>((_resolve, reject) => {
    onAbort = () => {
      const reason = signal.reason instanceof Error ? signal.reason : new Error('aborted');
      end(reason);
      reject(reason);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  ended.catch(() => undefined);
  return { ended, stop: () => onAbort && signal.removeEventListener('abort', onAbort) };
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done, { once: true });
  });
  signal.throwIfAborted();
}

/** `serialization_failure` and `deadlock_detected`. */
function isSerializationFailure(error: unknown): boolean {
  const state = sqlState(error);
  return !(error instanceof PortcullisError) && (state === '40001' || state === '40P01');
}

function conflict(cause: unknown, attempts: number): PortcullisError {
  return new PortcullisError('storage_conflict', undefined, {
    detail: `not serializable after ${String(attempts)} retries`,
    cause,
  });
}

/**
 * A failure in our words: a lost connection, a statement that was ended and a missing server are `storage_unavailable`,
 * what privileges and row-level policies refused is `storage_refused`; anything else is the caller's own error.
 *
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
function asFailure(error: unknown): unknown {
  if (error instanceof PortcullisError) return error;
  if (error instanceof BeginError) return beginFailure(error);
  const state = sqlState(error);
  if (state === '42501')
    return refused('the database refused it: insufficient privilege, or a row-level policy', error);
  if (state === '40001' || state === '40P01') return error;
  if (state !== undefined && isBackendFailure(state)) return unavailable(error);
  if (error instanceof Error && (isNetworkError(state) || lost.test(error.message))) return unavailable(error);
  return error;
}

/** A role or a setting that the server does not have is a tenant that was not provisioned. */
function beginFailure(error: BeginError): PortcullisError {
  const state = sqlState(error.cause);
  if (state === '22023' || state === '42704')
    return new PortcullisError('storage_not_provisioned', undefined, { detail: error.message, cause: error });
  if (state === '42501') return refused(`the connection may not act for the tenant: ${error.message}`, error);
  return unavailable(error);
}

function isNetworkError(code: string | undefined): boolean {
  return code !== undefined && /^E[A-Z_]+$/.test(code);
}

/** What `pg` and its pool say without a code. */
const lost =
  /^(?:Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Cannot use a pool after)/;
