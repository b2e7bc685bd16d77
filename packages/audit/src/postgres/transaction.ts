import { Duplex } from 'node:stream';
import { PortcullisError } from '@portcullis/core';

/** As much of `pg.PoolClient` as is needed. */
export interface AuditClient {
  query(text: string, values?: unknown[]): Promise<unknown>;
  release(error?: Error | boolean): void;
  on(event: 'error', listener: (error: Error) => void): unknown;
  removeListener(event: 'error', listener: (error: Error) => void): unknown;
}

/** As much of `pg.Pool` as is needed. */
export interface AuditPool {
  connect(): Promise<AuditClient>;
}

/** Runs a statement and gives its rows, unread. */
export type Run = (text: string, values?: readonly unknown[]) => Promise<readonly unknown[]>;

/** What a transaction is to be. */
export interface TransactionOptions {
  readonly pool: AuditPool;
  readonly timeoutMs: number;
  readonly readOnly?: boolean | undefined;
  /** The work is one statement, which is a transaction by itself: one way to the server and back in place of three. */
  readonly single?: boolean | undefined;
}

/**
 * Runs work in a transaction of its own, with a deadline for all of it. When the deadline passes the connection is
 * ended, and what it was doing with it.
 *
 * A commit is durable whatever the server's default says: `synchronous_commit` off would acknowledge what a crash
 * can lose.
 *
 * @throws PortcullisError `audit_unavailable`; whatever else `work` throws, after a rollback
 */
export async function inTransaction<T>(options: TransactionOptions, work: (run: Run) => Promise<T>): Promise<T> {
  const { pool, timeoutMs } = options;
  let late: (error: Error) => void = () => undefined;
  const deadline = new Promise<never>((_resolve, reject) => (late = reject));
  deadline.catch(() => undefined);
  const timer = setTimeout(() => late(new Error(`no answer within ${String(timeoutMs)} ms`)), timeoutMs);
  try {
    const client = await connected(pool, deadline);
    return await onClient(client, options, deadline, work);
  } catch (error) {
    throw error instanceof PortcullisError || error instanceof TypeError ? error : unavailable(error);
  } finally {
    clearTimeout(timer);
  }
}

async function connected(pool: AuditPool, deadline: Promise<never>): Promise<AuditClient> {
  const connecting = pool.connect();
  let taken = false;
  try {
    const client = await Promise.race([connecting, deadline]);
    taken = true;
    return client;
  } finally {
    // Nobody waits for it any more: it goes back, unused.
    if (!taken)
      connecting.then(
        (client) => client.release(),
        () => undefined,
      );
  }
}

async function onClient<T>(
  client: AuditClient,
  { timeoutMs, readOnly = false, single = false }: TransactionOptions,
  deadline: Promise<never>,
  work: (run: Run) => Promise<T>,
): Promise<T> {
  const ignored = (): void => undefined;
  client.on('error', ignored);
  const run: Run = async (text, values) =>
    rowsOf(await Promise.race([client.query(text, values && [...values]), deadline]));
  try {
    if (!single) await run(begin(timeoutMs, readOnly));
    const result = await work(run);
    if (!single) await run('COMMIT');
    client.removeListener('error', ignored);
    client.release();
    return result;
  } catch (error) {
    await undo(client, run, error);
    throw error;
  }
}

function begin(timeoutMs: number, readOnly: boolean): string {
  const limit = String(Math.max(1, Math.ceil(timeoutMs)));
  // A process that stands still lets others wait for what it has locked.
  const idle = String(Math.max(1, Math.ceil(Math.min(timeoutMs, 2000))));
  return (
    `BEGIN${readOnly ? ' READ ONLY' : ''}; SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL statement_timeout = ${limit};` +
    ` SET LOCAL idle_in_transaction_session_timeout = ${idle};` +
    ` SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') IN ('off', 'local')`
  );
}

/** A connection of which it is not certain that the transaction is over is ended. */
async function undo(client: AuditClient, run: Run, error: unknown): Promise<void> {
  try {
    if (isConnectionFailure(error)) throw error;
    await run('ROLLBACK');
    client.release();
  } catch (cause) {
    client.release(cause instanceof Error ? cause : true);
    const connection: unknown = 'connection' in client ? client.connection : undefined;
    const stream: unknown =
      typeof connection === 'object' && connection !== null && 'stream' in connection ? connection.stream : undefined;
    if (stream instanceof Duplex) stream.destroy();
  }
}

/** The server's own errors have a SQLSTATE of five characters; without one, the connection itself failed. */
function isConnectionFailure(error: unknown): boolean {
  if (error instanceof PortcullisError || error instanceof TypeError) return false;
  const state = sqlState(error);
  return state === undefined || /^(?:08|57P)/.test(state);
}

export function sqlState(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

function rowsOf(result: unknown): readonly unknown[] {
  const last: unknown = Array.isArray(result) ? result.at(-1) : result;
  if (typeof last !== 'object' || last === null || !('rows' in last) || !Array.isArray(last.rows))
    throw new TypeError('the pool is not one of pg: a query gave no rows');
  return last.rows;
}

export function unavailable(cause: unknown, detail?: string): PortcullisError {
  const said = cause instanceof Error ? cause.message : 'the database failed';
  return new PortcullisError('audit_unavailable', undefined, { detail: detail ?? said, cause });
}
