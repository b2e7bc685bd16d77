/** The SQLSTATE of a database's error. @see https://www.postgresql.org/docs/current/errcodes-appendix.html */
export function sqlState(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/**
 * Whether a state is about the server or the connection, and not about the statement: 08 connection, 25P03 and 25P04
 * timeouts of the transaction, 53 resources, 57 ended by the operator or by `statement_timeout`, 58 and XX the system.
 */
export function isBackendFailure(state: string): boolean {
  return /^(?:08|25P0[34]|53|57|58|XX)/.test(state);
}
