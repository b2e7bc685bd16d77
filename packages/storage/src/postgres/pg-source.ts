import { Duplex } from 'node:stream';
import { sqlState } from './sql-state.js';
import {
  BeginError,
  beginText,
  type Beginning,
  type OpenTransaction,
  type SqlResult,
  type TransactionSource,
} from './transaction-source.js';

/** As much of `pg.PoolClient` as is needed. */
export interface PgClient {
  query(statement: string | object): Promise<unknown>;
  release(error?: Error | boolean): void;
  on(event: 'error', listener: (error: Error) => void): unknown;
  removeListener(event: 'error', listener: (error: Error) => void): unknown;
}

/** As much of `pg.Pool` as is needed. */
export interface PgPool {
  connect(): Promise<PgClient>;
}

/** Where transactions come from, given either a `pg` pool or a source of another kind. */
export function sourceOf(pool: PgPool | TransactionSource): TransactionSource {
  return 'begin' in pool ? pool : pgSource(pool);
}

/**
 * Transactions on the connections of a `pg` pool.
 *
 * `BEGIN` and all settings go out as one message. In a pool with `pipeline: true` the first statement follows without
 * waiting for the answer: should a setting fail, the transaction is aborted, and the statement fails with it.
 *
 * Whether the server can notice that its client is gone is learned from the first transaction, which then waits.
 */
export function pgSource(pool: PgPool): TransactionSource {
  let watches: boolean | undefined;

  async function opened(client: PgClient, beginning: Beginning, waits: boolean): Promise<BeginError | undefined> {
    const watched = watches ?? true;
    const failure = await sent(client, beginning, watched);
    if (failure === undefined) {
      if (watched) watches = true;
      return undefined;
    }
    if (!watched || !cannotWatch(failure.cause)) return failure;
    watches = false;
    return waits ? sent(client, beginning, false, 'ROLLBACK') : failure;
  }

  return {
    async begin(beginning, signal) {
      const client = await acquired(pool, signal);
      const waits = !isPipelined(client) || watches === undefined;
      const failed = opened(client, beginning, waits);
      const transaction = onClient(client, failed);
      if (!waits) return transaction;
      try {
        const failure = await unlessAborted(failed, signal);
        if (failure !== undefined) throw failure;
        return transaction;
      } catch (error) {
        transaction.destroy(asError(error));
        throw error;
      }
    },
  };
}

/** Begins with one message. @returns why that failed */
function sent(
  client: PgClient,
  beginning: Beginning,
  watched: boolean,
  ...before: readonly string[]
): Promise<BeginError | undefined> {
  const ms = String(Math.ceil(beginning.limitMs));
  const limits = [
    `SET LOCAL statement_timeout = ${ms}`,
    `SET LOCAL idle_in_transaction_session_timeout = ${ms}`,
    ...(watched ? [`SET LOCAL ${watching} = 1000`] : []),
  ];
  return client.query([...before, beginText(beginning), ...beginning.settings, ...limits].join('; ')).then(
    () => undefined,
    (cause: unknown) => new BeginError(messageOf(cause), { cause }),
  );
}

const watching = 'client_connection_check_interval';

/**
 * A server whose platform cannot tell it that a client is gone lets the setting be 0 alone: Windows, and all but Linux
 * before PostgreSQL 15.
 *
 * @see https://www.postgresql.org/docs/current/runtime-config-connection.html#GUC-CLIENT-CONNECTION-CHECK-INTERVAL
 */
function cannotWatch(cause: unknown): boolean {
  // The message is translated; the name in it is not.
  return sqlState(cause) === '22023' && messageOf(cause).includes(watching);
}

/** @param failed - why the transaction could not be begun: then the first statement fails, and this says why */
function onClient(client: PgClient, failed: Promise<BeginError | undefined>): OpenTransaction {
  let released = false;
  let broken: Error | undefined;
  const onError = (error: Error): void => {
    broken = error;
  };
  client.on('error', onError);
  const release = (error?: Error): void => {
    if (released) return;
    released = true;
    client.release(error);
    // A broken client still says so; nobody else listens to it any more.
    if (error === undefined) client.removeListener('error', onError);
  };
  const end = async (text: string): Promise<SqlResult> => {
    try {
      const result = (await client.query(text)) as SqlResult;
      release(broken);
      return result;
    } catch (error) {
      release(asError(error));
      throw error;
    }
  };
  const run = async (statement: string | object): Promise<SqlResult> => {
    try {
      return (await client.query(statement)) as SqlResult;
    } catch (error) {
      throw (await failed) ?? error;
    }
  };
  return {
    // The extended protocol takes one statement a message, and no name: a named one would outlive the transaction.
    query: ({ text, values = [], rowMode, types }) =>
      run({
        text,
        values: [...values],
        queryMode: 'extended',
        ...(rowMode && { rowMode }),
        ...(types === undefined ? {} : { types }),
      }),
    async script(text) {
      const result: unknown = await run(text);
      return (Array.isArray(result) ? (result.at(-1) ?? { rows: [] }) : result) as SqlResult;
    },
    commit: async () => (await end('COMMIT')).command === 'COMMIT',
    async rollback() {
      await end('ROLLBACK');
    },
    destroy(cause) {
      release(cause);
      destroySocket(client);
    },
  };
}

async function unlessAborted<T>(outcome: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => {
      reject(asError(signal.reason));
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([outcome, aborted]);
  } finally {
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort);
  }
}

async function acquired(pool: PgPool, signal: AbortSignal): Promise<PgClient> {
  signal.throwIfAborted();
  const connecting = pool.connect();
  return new Promise<PgClient>((resolve, reject) => {
    let late = false;
    const onAbort = (): void => {
      late = true;
      reject(asError(signal.reason));
    };
    signal.addEventListener('abort', onAbort, { once: true });
    connecting.then(
      (client) => {
        signal.removeEventListener('abort', onAbort);
        // Nobody waits for it any more: it goes back, unused.
        if (late) client.release();
        else resolve(client);
      },
      (cause: unknown) => {
        signal.removeEventListener('abort', onAbort);
        reject(new BeginError(messageOf(cause), { cause }));
      },
    );
  });
}

function isPipelined(client: PgClient): boolean {
  return 'pipeline' in client && client.pipeline === true;
}

/** A pipelined client waits for its queries before it ends; the socket does not. */
function destroySocket(client: PgClient): void {
  const connection: unknown = 'connection' in client ? client.connection : undefined;
  const stream: unknown =
    typeof connection === 'object' && connection !== null && 'stream' in connection ? connection.stream : undefined;
  if (stream instanceof Duplex) stream.destroy();
}

function messageOf(value: unknown): string {
  return value instanceof Error ? value.message : String(value);
}

function asError(value: unknown): Error {
  return value instanceof Error ? value : new Error(String(value));
}
