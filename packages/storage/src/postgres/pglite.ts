import { sqlState } from './sql-state.js';
import {
  BeginError,
  beginText,
  type OpenTransaction,
  type SqlResult,
  type TransactionSource,
} from './transaction-source.js';

interface PgliteResult {
  readonly rows: unknown[];
  readonly affectedRows?: number;
  readonly fields: { name: string; dataTypeID: number }[];
}

interface PgliteTransaction {
  query(text: string, values?: unknown[], options?: { rowMode?: 'array' | 'object' }): Promise<PgliteResult>;
  exec(text: string): Promise<PgliteResult[]>;
  rollback(): Promise<void>;
}

/** As much of `PGlite` as is needed. */
export interface Pglite {
  transaction<T>(work: (transaction: PgliteTransaction) => Promise<T>): Promise<T>;
}

/**
 * Transactions in a PGlite database: PostgreSQL inside this process, with one connection.
 *
 * Transactions wait for one another, in the order of their arrival. A statement that runs cannot be ended early: a
 * deadline is told at once and the transaction is rolled back when the statement is over.
 *
 * @example
 * ```ts
 * import { PGlite } from '@electric-sql/pglite';
 * import { pgliteSource } from '@portcullis/storage/pglite';
 * import { rowLevelSecurity } from '@portcullis/storage/postgres';
 *
 * const database = await PGlite.create();
 * const rls = rowLevelSecurity(pgliteSource(database), { role: 'app' });
 * console.log(typeof rls.withTenant); // prints: function
 * await database.close();
 * ```
 */
export function pgliteSource(database: Pglite): TransactionSource {
  return {
    // The limit is left to the caller's clock: the server runs in this thread, and has none.
    begin: (beginning, signal) =>
      new Promise<OpenTransaction>((resolve, reject) => {
        signal.throwIfAborted();
        let begun = false;
        let finish: ((how: 'commit' | 'rollback') => void) | undefined;
        const ending = new Promise<'commit' | 'rollback'>((settle) => (finish = settle));
        const whole = database.transaction(async (transaction) => {
          if (signal.aborted) {
            await transaction.rollback();
            return;
          }
          const modes = beginText(beginning).slice('BEGIN'.length).trim();
          const settings = modes === '' ? beginning.settings : [`SET TRANSACTION ${modes}`, ...beginning.settings];
          await transaction.exec(settings.join('; '));
          begun = true;
          resolve(opened(transaction, (how) => finish?.(how), whole));
          if ((await ending) === 'rollback') await transaction.rollback();
        });
        whole.then(
          () => {
            if (!begun) reject(new Error('the transaction was not begun in time'));
          },
          (error: unknown) => {
            if (!begun)
              reject(new BeginError(error instanceof Error ? error.message : String(error), { cause: error }));
          },
        );
        signal.addEventListener(
          'abort',
          () => {
            if (!begun) reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
          },
          { once: true },
        );
      }),
  };
}

function opened(
  transaction: PgliteTransaction,
  finish: (how: 'commit' | 'rollback') => void,
  whole: Promise<void>,
): OpenTransaction {
  return {
    async query({ text, values = [], rowMode }) {
      const { rows, affectedRows, fields } = await transaction.query(text, [...values], rowMode ? { rowMode } : {});
      const command = /^\s*(\w+)/.exec(text)?.[1]?.toUpperCase() ?? '';
      const changes = command === 'INSERT' || command === 'UPDATE' || command === 'DELETE' || command === 'MERGE';
      return {
        rows: rows as SqlResult['rows'],
        rowCount: changes ? (affectedRows ?? 0) : rows.length,
        command,
        fields,
      };
    },
    async script(text) {
      const results = await transaction.exec(text);
      const last = results.at(-1);
      return {
        rows: (last?.rows ?? []) as SqlResult['rows'],
        rowCount: last?.affectedRows ?? null,
        command: '',
        fields: last?.fields ?? [],
      };
    },
    async commit() {
      finish('commit');
      try {
        await whole;
        return true;
      } catch (error) {
        // COMMIT of a transaction in which a statement failed.
        if (sqlState(error) === '25P02') return false;
        throw error;
      }
    },
    async rollback() {
      finish('rollback');
      await whole;
    },
    destroy() {
      finish('rollback');
      whole.catch(() => undefined);
    },
  };
}
