import type { AsyncLocalStorage } from 'node:async_hooks';
import type { TenantId } from '@portcullis/core';
import { refused } from '../access.js';
import { isWellFormed } from '../tenant-key.js';
import { statementKind } from './statement.js';
import type { OpenTransaction, SqlResult, Statement } from './transaction-source.js';

/** One tenant's transaction: what the callback of `withTenant` works with. Useless once the callback is over. */
export interface TenantSql {
  readonly tenant: TenantId;
  /** Ends when the transaction's time is over or the caller goes away. */
  readonly signal: AbortSignal;
  /**
   * Runs one statement.
   *
   * @throws PortcullisError `storage_refused` for a statement that has no place here and once the transaction is over;
   * the database's own error for one that fails, after which the transaction takes no more statements but a rollback
   * @example
   * ```text
   * await sql.query('SELECT title FROM notes WHERE id = $1', [id]);
   *   runs as it stands; the row-level policies, the role and the search path are the transaction's
   * ```
   */
  query<Row = Record<string, unknown>>(
    statement: string | Statement,
    values?: readonly unknown[],
  ): Promise<SqlResult<Row>>;
  /**
   * Runs work that is kept or undone by itself, in a savepoint. While it runs, only its own handle may be used; a
   * second one of the same handle waits for the first.
   */
  transaction<T>(work: (sql: TenantSql) => Promise<T>): Promise<T>;
}

/** The state of one transaction, behind the handles that were given out for it. */
export interface TenantTransaction {
  /** Runs the callback with the outermost handle. */
  run<T>(work: (sql: TenantSql) => Promise<T>): Promise<T>;
  /** From now on every handle refuses. */
  end(why: string): void;
}

/**
 * Which handle the code that runs now was given: how a nested `withTenant` finds the transaction that it is in. What a
 * callback leaves running behind it still has a handle, of a transaction that is over.
 */
export type Flow = AsyncLocalStorage<{ readonly sql: TenantSql; readonly isOver: () => boolean }>;

/** Opens the handles of one transaction. */
export function tenantTransaction(
  open: OpenTransaction,
  options: { readonly tenant: TenantId; readonly signal: AbortSignal; readonly flow: Flow; readonly defining: boolean },
): TenantTransaction {
  const { tenant, signal, flow, defining } = options;
  let over: string | undefined;
  /** The savepoints that are open, innermost last. */
  const savepoints: string[] = [];
  let count = 0;
  /** The handles whose callbacks run, innermost last: that one alone may be used. */
  const running: TenantSql[] = [];

  async function push(): Promise<void> {
    const name = `portcullis_${String(++count)}`;
    await open.query({ text: `SAVEPOINT ${name}` });
    savepoints.push(name);
  }

  async function pop(how: 'release' | 'rollback', above: number): Promise<void> {
    const name = savepoints.at(-1);
    if (name === undefined || savepoints.length <= above)
      throw refused('a transaction is ended by its callback alone: return to commit, throw to roll back');
    if (how === 'rollback') await open.query({ text: `ROLLBACK TO SAVEPOINT ${name}` });
    await open.query({ text: `RELEASE SAVEPOINT ${name}` });
    savepoints.pop();
  }

  function handle(depth: number): TenantSql {
    let turn: Promise<unknown> = Promise.resolve();
    const self: TenantSql = {
      tenant,
      signal,
      async query<Row>(statement: string | Statement, values?: readonly unknown[]): Promise<SqlResult<Row>> {
        requireRunning(self);
        if (running.at(-1) !== self) throw refused('a nested transaction is open: only its own handle may be used');
        const {
          text,
          rowMode,
          types,
          values: own,
        }: Statement = typeof statement === 'string' ? { text: statement } : statement;
        requireWellFormed(values ?? own);
        switch (statementKind(text, defining)) {
          case 'begin':
            await push();
            return nothing('BEGIN') as SqlResult<Row>;
          case 'commit':
            await pop('release', depth);
            return nothing('COMMIT') as SqlResult<Row>;
          case 'rollback':
            await pop('rollback', depth);
            return nothing('ROLLBACK') as SqlResult<Row>;
          case 'defining':
            // Migrators send scripts of several statements, which only the simple protocol takes.
            if ((values ?? own ?? []).length === 0 && rowMode === undefined)
              return (await open.script(text)) as SqlResult<Row>;
            return (await open.query({ text, values: values ?? own, rowMode, types })) as SqlResult<Row>;
          case 'data':
          case 'savepoint':
            return (await open.query({ text, values: values ?? own, rowMode, types })) as SqlResult<Row>;
        }
      },
      transaction(work) {
        const caller = flow.getStore()?.sql;
        // Whoever waits here for a nested transaction that it runs in itself would wait for ever.
        if (caller !== undefined && caller !== self && running.indexOf(caller) > running.indexOf(self))
          return Promise.reject(refused('a nested transaction is open: only its own handle may be used'));
        const mine = turn.then(() => nested(self, work));
        turn = mine.catch(() => undefined);
        return mine;
      },
    };
    return self;
  }

  const isOver = (): boolean => over !== undefined;

  function requireRunning(self: TenantSql): void {
    if (over !== undefined) throw refused(over);
    if (!running.includes(self)) throw refused('the nested transaction is over');
  }

  async function within<T>(self: TenantSql, depth: number, work: (sql: TenantSql) => Promise<T>): Promise<T> {
    running.push(self);
    try {
      const value = await flow.run({ sql: self, isOver }, () => work(self));
      if (over !== undefined) throw refused(over);
      if (savepoints.length !== depth) throw refused('a nested transaction was begun and not ended');
      return value;
    } finally {
      // With it goes whatever it left running.
      if (running.includes(self)) running.length = running.indexOf(self);
    }
  }

  async function nested<T>(outer: TenantSql, work: (sql: TenantSql) => Promise<T>): Promise<T> {
    requireRunning(outer);
    const before = savepoints.length;
    try {
      const value = await within(handle(before + 1), before + 1, async (inner) => {
        await push();
        return work(inner);
      });
      await pop('release', before);
      return value;
    } catch (error) {
      while (savepoints.length > before && !isOver()) await pop('rollback', before);
      throw error;
    }
  }

  return {
    run: (work) => within(handle(0), 0, work),
    end(why) {
      over ??= why;
    },
  };
}

/** A lone surrogate is no character: the driver writes U+FFFD in its place, and two keys become one. */
function requireWellFormed(value: unknown): void {
  if (typeof value === 'string' && !isWellFormed(value)) throw refused('a value must be well-formed Unicode');
  if (Array.isArray(value)) for (const element of value) requireWellFormed(element);
}

function nothing(command: string): SqlResult {
  return { rows: [], rowCount: null, command, fields: [] };
}
