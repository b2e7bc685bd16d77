/** One statement, as `pg` takes it. */
export interface Statement {
  readonly text: string;
  readonly values?: readonly unknown[] | undefined;
  /** Rows as arrays, in the order of the columns. */
  readonly rowMode?: 'array' | undefined;
  /** Parsers of the result's types, as `pg` has them; ignored by PGlite. */
  readonly types?: unknown;
}

/** The transaction could not be begun: no connection, or a setting or a role that the server does not have. */
export class BeginError extends Error {
  override readonly name = 'BeginError';
}

/** What a statement gave. */
export interface SqlResult<Row = Record<string, unknown>> {
  readonly rows: Row[];
  readonly rowCount: number | null;
  readonly command: string;
  readonly fields: readonly { readonly name: string; readonly dataTypeID: number }[];
}

/** How a transaction begins. */
export interface Beginning {
  readonly isolation: IsolationLevel | undefined;
  readonly readOnly: boolean;
  /** `SET LOCAL` statements, in order. */
  readonly settings: readonly string[];
  /** How long it may take, in milliseconds: for the server to keep, should this process not be there to. */
  readonly limitMs: number;
}

export type IsolationLevel = 'read committed' | 'repeatable read' | 'serializable';

/** One transaction on one connection. */
export interface OpenTransaction {
  /** Runs exactly one statement: several in one text are refused by the server. */
  query(statement: Statement): Promise<SqlResult>;
  /** Runs a script of statements, without values: for migrations, never for a tenant. */
  script(text: string): Promise<SqlResult>;
  /** @returns false when the server rolled back instead, because a statement had failed */
  commit(): Promise<boolean>;
  rollback(): Promise<void>;
  /** Ends the connection, and with it whatever it is doing. */
  destroy(cause: Error): void;
}

/** Where transactions come from: a `pg` pool, or PGlite. Everything that differs between drivers is behind this. */
export interface TransactionSource {
  /** @param signal - ends the wait for a connection, and for the server's answer */
  begin(beginning: Beginning, signal: AbortSignal): Promise<OpenTransaction>;
}

/** `BEGIN` with its modes. */
export function beginText({ isolation, readOnly }: Beginning): string {
  return [
    'BEGIN',
    isolation === undefined ? '' : `ISOLATION LEVEL ${isolation.toUpperCase()}`,
    readOnly ? 'READ ONLY' : '',
  ]
    .filter((part) => part !== '')
    .join(' ');
}
