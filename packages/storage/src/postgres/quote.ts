import { PortcullisError } from '@portcullis/core';

/**
 * A quoted SQL identifier.
 *
 * @throws PortcullisError `config_invalid` for what PostgreSQL would cut off (more than 63 bytes) or cannot hold
 * @see https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
 */
export function quoteIdentifier(name: string): string {
  if (name === '' || name.includes('\0') || Buffer.byteLength(name) > 63)
    throw new PortcullisError('config_invalid', 'a PostgreSQL identifier has 1 to 63 bytes and no NUL', {
      detail: JSON.stringify(name.slice(0, 80)),
    });
  return `"${name.replaceAll('"', '""')}"`;
}

/** A quoted SQL string, whatever `standard_conforming_strings` is. */
export function quoteLiteral(text: string): string {
  if (text.includes('\0')) throw new PortcullisError('config_invalid', 'a PostgreSQL string has no NUL');
  const doubled = text.replaceAll("'", "''");
  return doubled.includes('\\') ? ` E'${doubled.replaceAll('\\', '\\\\')}'` : `'${doubled}'`;
}
