import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { PortcullisError } from '@portcullis/core';
import type { PgClient, PgPool } from './pg-pool.js';

/** Runs one statement. @returns its rows */
export type Query = (text: string, values?: readonly unknown[]) => Promise<readonly Row[]>;

/** A row: every column is text, a number, a truth value or absent. JSON is asked for as text. */
export type Row = Readonly<Record<string, string | number | boolean | null>>;

/** The database of a tenant store. */
export interface Sql {
  /** One statement that reads, by itself. @throws PortcullisError `store_unavailable` */
  readonly read: Query;
  /**
   * One transaction. It is tried again where the server says that it met another and undid it, and never where its
   * outcome is not known.
   *
   * @throws PortcullisError what the work throws; `conflict` for what is taken; `store_unavailable`; `storage_conflict`
   */
  transaction<T>(work: (query: Query) => Promise<T>, timeoutMs?: number): Promise<T>;
}

const attempts = 10;
const rowsSchema = z.object({
  command: z.string().optional(),
  rows: z.array(z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]))),
});

/** SQL over a `pg` pool. @param timeoutMs - for a whole operation, the wait for a connection included */
export function sqlOver(pool: PgPool, timeoutMs: number): Sql {
  return {
    async read(text, values) {
      try {
        return await onConnection(pool, timeoutMs, (query) => query(text, values));
      } catch (error) {
        if (!(error instanceof MetAnotherError)) throw error;
        throw new PortcullisError('store_unavailable', undefined, { detail: error.message, cause: error });
      }
    },
    async transaction(work, limitMs = timeoutMs) {
      for (let attempt = 1; ; attempt++) {
        try {
          return await onConnection(pool, limitMs, (query, end) => transaction(query, end, work, limitMs));
        } catch (error) {
          if (!(error instanceof MetAnotherError)) throw error;
          if (attempt === attempts) throw new PortcullisError('storage_conflict', undefined, { cause: error });
          await sleep(Math.random() * 2 ** attempt);
        }
      }
    },
  };
}

/** The server undid the transaction, because of another one. */
class MetAnotherError extends Error {
  override readonly name = 'MetAnotherError';
}

type End = (text: 'COMMIT' | 'ROLLBACK') => Promise<string | undefined>;

async function transaction<T>(
  query: Query,
  end: End,
  work: (query: Query) => Promise<T>,
  timeoutMs: number,
): Promise<T> {
  // One message. READ COMMITTED whatever the server's default is: the locks that are taken below count on it.
  await query(
    `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL search_path = pg_catalog; ` +
      `SET LOCAL statement_timeout = ${String(timeoutMs)}; SET LOCAL lock_timeout = ${String(timeoutMs)}; ` +
      // A client that is frozen must not keep a tenant to itself.
      `SET LOCAL idle_in_transaction_session_timeout = ${String(timeoutMs)}`,
  );
  let value: T;
  try {
    value = await work(query);
  } catch (error) {
    await end('ROLLBACK');
    throw error;
  }
  // A transaction that failed answers a COMMIT with `ROLLBACK`.
  if ((await end('COMMIT')) !== 'COMMIT')
    throw new PortcullisError('store_unavailable', undefined, { detail: 'the transaction was rolled back' });
  return value;
}

/** Takes a connection, and gives it back; one that failed, or is late, is thrown away. */
async function onConnection<T>(
  pool: PgPool,
  timeoutMs: number,
  work: (query: Query, end: End) => Promise<T>,
): Promise<T> {
  const late = new Error(`no answer within ${String(timeoutMs)} ms`);
  let expire = (): void => undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    expire = () => {
      reject(late);
    };
  });
  deadline.catch(() => undefined);
  const timer = setTimeout(expire, timeoutMs);
  let broken: Error | undefined;
  try {
    const client = await acquired(pool, deadline);
    const onError = (error: Error): void => {
      broken = error;
    };
    client.on('error', onError);
    const send = async (text: string, values: readonly unknown[] = []): Promise<z.infer<typeof rowsSchema>> => {
      const result = await client.query(values.length === 0 ? text : { text, values: [...values] });
      return rowsSchema.parse(Array.isArray(result) ? result.at(-1) : result);
    };
    try {
      return await Promise.race([
        work(
          async (text, values) => (await send(text, values)).rows,
          async (text) => (await send(text)).command,
        ),
        deadline,
      ]);
    } catch (error) {
      if (isFatal(error)) broken ??= asError(error);
      throw error;
    } finally {
      client.release(broken);
      // A broken client still says so; nobody else listens to it any more.
      if (broken === undefined) client.removeListener('error', onError);
    }
  } catch (error) {
    throw asStoreError(error);
  } finally {
    clearTimeout(timer);
  }
}

async function acquired(pool: PgPool, deadline: Promise<never>): Promise<PgClient> {
  const connecting = pool.connect();
  try {
    return await Promise.race([connecting, deadline]);
  } catch (error) {
    // Nobody waits for it any more: it goes back, unused.
    connecting.then(
      (client) => {
        client.release();
      },
      () => undefined,
    );
    throw error;
  }
}

/** Whether the connection is of no use after this: everything but a refusal of ours, or of a statement. */
function isFatal(error: unknown): boolean {
  return !(error instanceof PortcullisError) && stateOf(error) === undefined;
}

/**
 * The SQLSTATE of an error that the server answered a statement with: that statement did nothing. A connection that
 * ends (class 08, 57P…) answers nothing.
 */
function stateOf(error: unknown): string | undefined {
  // The severity is in the server's language; that there is one tells the server's errors from the system's.
  if (!(error instanceof Error) || !('code' in error) || !('severity' in error)) return undefined;
  const { code } = error;
  return typeof code === 'string' && !code.startsWith('08') && !code.startsWith('57P') ? code : undefined;
}

function asStoreError(error: unknown): Error {
  if (error instanceof PortcullisError || error instanceof MetAnotherError) return error;
  const state = stateOf(error);
  switch (state) {
    case '40001':
    case '40P01':
      return new MetAnotherError('the server undid the transaction', { cause: error });
    case '23505':
      return takenError(error);
    default: {
      const cause = asError(error);
      return new PortcullisError('store_unavailable', undefined, {
        detail: `${cause.message}${hintFor(state)}`,
        cause,
      });
    }
  }
}

function hintFor(state: string | undefined): string {
  switch (state) {
    case undefined:
      return '; whether a change was made is not known';
    case '42P01':
    case '42703':
    case '3F000':
      return '; has `migrate()` run?';
    default:
      return '';
  }
}

/** What a unique index refused. Which domain or binding it is was said by the caller; whose it is, is not told. */
function takenError(cause: unknown): PortcullisError {
  const constraint = cause instanceof Error && 'constraint' in cause ? cause.constraint : undefined;
  switch (constraint) {
    case 'tenant_domains_pkey':
      return new PortcullisError('conflict', 'a domain is taken', { cause });
    case 'tenant_bindings_hint':
      return new PortcullisError('conflict', 'an identity-provider binding is taken', { cause });
    default:
      return new PortcullisError('conflict', 'the record exists', { cause });
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
