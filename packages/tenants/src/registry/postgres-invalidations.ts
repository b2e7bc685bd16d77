import { setTimeout as sleep } from 'node:timers/promises';
import { withDeadline } from '@portcullis/core';
import { quoted } from '../store/postgres/migrations.js';
import type { PgClient } from '../store/postgres/pg-pool.js';
import { sqlOver } from '../store/postgres/sql.js';
import { changeIn, messageOf, type Invalidations, type TenantChange } from './invalidations.js';

/** As much of a `pg.PoolClient` as is needed to listen. */
export interface PgListeningClient extends PgClient {
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
  on(event: 'notification', listener: (message: { readonly payload?: string | undefined }) => void): unknown;
}

/** As much of a `pg.Pool` as is needed to listen. */
export interface PgListeningPool {
  connect(): Promise<PgListeningClient>;
}

/** How replicas talk over PostgreSQL. */
export interface PostgresInvalidationsOptions {
  /** @defaultValue `portcullis_tenants` */
  readonly channel?: string | undefined;
  /** How long telling may take, in milliseconds. @defaultValue 500 */
  readonly timeoutMs?: number | undefined;
  /** How often to see that the connection still is one, in milliseconds. @defaultValue 5000 */
  readonly pingMs?: number | undefined;
  /** Is told of interruptions. They end by themselves. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/**
 * Tells replicas of one another's changes by LISTEN and NOTIFY. One connection of the pool listens as long as it is
 * open. A pooler in transaction mode (PgBouncer) passes no notifications on: connect directly.
 *
 * @example
 * ```ts
 * import { registry } from '@portcullis/tenants';
 * import { postgresInvalidations, postgresStore, type PgListeningPool } from '@portcullis/tenants/postgres';
 *
 * const sharedRegistry = (pool: PgListeningPool) =>
 *   registry({ store: postgresStore(pool), invalidations: postgresInvalidations(pool) });
 * ```
 */
export function postgresInvalidations(
  pool: PgListeningPool,
  options: PostgresInvalidationsOptions = {},
): Invalidations {
  const { channel = 'portcullis_tenants', timeoutMs = 500, pingMs = 5000, onError = () => undefined } = options;
  const sql = sqlOver(pool, timeoutMs);
  const listeners = new Set<(change: TenantChange | 'unknown') => void>();
  const tellAll = (change: TenantChange | 'unknown'): void => {
    for (const listener of listeners) listener(change);
  };
  const closing = new AbortController();
  const closed = new Promise<never>((_resolve, reject) => {
    closing.signal.addEventListener('abort', () => {
      reject(new Error('closed'));
    });
  });
  closed.catch(() => undefined);
  const isClosed = (): boolean => closing.signal.aborted;
  let listening: Promise<void> | undefined;

  /** Listens on one connection until it ends, which is always an error. */
  async function listenOnce(client: PgListeningClient): Promise<never> {
    const ended = new Promise<never>((_resolve, reject) => {
      client.on('error', reject);
      client.on('end', () => {
        reject(new Error('the connection that listened has ended'));
      });
    });
    ended.catch(() => undefined);
    const whileOpen = <T>(work: Promise<T>): Promise<T> => Promise.race([work, ended, closed]);
    client.on('notification', ({ payload }) => {
      tellAll(changeIn(payload));
    });
    await whileOpen(withDeadline(client.query(`LISTEN ${quoted(channel)}`), pingMs));
    tellAll('unknown');
    for (;;) {
      await whileOpen(sleep(pingMs, undefined, { ref: false, signal: closing.signal }));
      await whileOpen(withDeadline(client.query('SELECT 1'), pingMs));
    }
  }

  async function connected(): Promise<PgListeningClient> {
    const connecting = pool.connect();
    try {
      return await Promise.race([connecting, closed]);
    } catch (error) {
      connecting.then(
        (client) => {
          client.release();
        },
        () => undefined,
      );
      throw error;
    }
  }

  async function listen(): Promise<void> {
    for (let failures = 0; !isClosed(); failures++) {
      const began = performance.now();
      try {
        const client = await connected();
        try {
          await listenOnce(client);
        } finally {
          // It listens: nobody else may have it.
          client.release(true);
        }
      } catch (error) {
        if (isClosed()) return;
        onError(error);
        if (performance.now() - began > pingMs) failures = 0;
        await sleep(Math.min(100 * 2 ** failures, 2000), undefined, { signal: closing.signal }).catch(() => undefined);
      }
    }
  }

  return {
    async publish(change) {
      await sql.read('SELECT pg_notify($1, $2)', [channel, messageOf(change)]);
    },
    subscribe(listener) {
      listeners.add(listener);
      listening ??= listen();
      return () => listeners.delete(listener);
    },
    async close() {
      listeners.clear();
      closing.abort();
      await listening;
    },
  };
}
