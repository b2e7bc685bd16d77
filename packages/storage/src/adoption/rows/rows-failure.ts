import { PortcullisError } from '@portcullis/core';
import { refused } from '../../access.js';
import { sqlState } from '../../postgres/sql-state.js';

/** Tells the database's own errors by code: a lock that was not had in time is a conflict, anything else a refusal. */
export async function asRowsFailure<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof PortcullisError || sqlState(error) === undefined) throw error;
    const said = error instanceof Error ? error.message : 'the database refused it';
    if (sqlState(error) === '55P03')
      throw new PortcullisError('storage_conflict', 'a table is in use', {
        detail: `others did not leave it in time, and nothing was changed: stop them, or give it longer (${said})`,
        cause: error,
      });
    throw refused(`the database refused it: ${said}`, error);
  }
}
