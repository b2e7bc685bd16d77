/** As much of `pg.PoolClient` as is needed. */
export interface PgClient {
  query(statement: { readonly text: string; readonly values?: unknown[] } | string): Promise<unknown>;
  release(error?: Error | boolean): void;
  on(event: 'error', listener: (error: Error) => void): unknown;
  removeListener(event: 'error', listener: (error: Error) => void): unknown;
}

/** As much of `pg.Pool` as is needed. */
export interface PgPool {
  connect(): Promise<PgClient>;
}
