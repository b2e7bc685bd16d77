import { createHash } from 'node:crypto';
import { quoteIdentifier } from '../quote.js';

/**
 * The statement that makes the index that begins with the tenant, unless it is there.
 *
 * The index has a name of its own for each table: where the table's leaves no room within 63 bytes, its beginning and a
 * hash. Were the names of two the same, the second index would silently not be made.
 *
 * @param name - the table, as SQL writes it with its schema
 * @param column - the tenant column, quoted
 * @see https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
 */
export function tenantIndexSql(table: string, name: string, column: string): string {
  return `CREATE INDEX IF NOT EXISTS ${quoteIdentifier(tenantIndexName(table))} ON ${name} (${column});`;
}

/** `notes_tenant_idx`. */
export function tenantIndexName(table: string): string {
  const plain = `${table}_tenant_idx`;
  if (Buffer.byteLength(plain) <= 63) return plain;
  const rest = `~${createHash('sha256').update(table).digest('hex').slice(0, 16)}_tenant_idx`;
  let beginning = '';
  for (const character of table) {
    if (Buffer.byteLength(beginning + character + rest) > 63) break;
    beginning += character;
  }
  return beginning + rest;
}
