import { quoteIdentifier } from '../postgres/quote.js';
import type { TenantSql } from '../postgres/tenant-sql.js';
import { bytesOfLines } from './entry-lines.js';
import { storedColumns, type SqlTable } from './sql-tables.js';
import type { ResourceEntry } from './tenant-resource.js';

const rowsAtOnce = 1000;

/** The name of a table's entry. */
export const tableEntry = (name: string): string => `table:${name}`;

/**
 * A table's rows as JSON lines: the columns' names, then an array of texts and nulls a row, read by a cursor of the
 * transaction that is open.
 *
 * The text of a value is the one that its type's output function gives, as in a dump: what JSON numbers, or JSON inside
 * of JSON, would lose (digits, a JSON `null` that is no SQL NULL, the spelling of a `json` value) is kept.
 *
 * @param from - the rows, as what follows `FROM`: named `t`
 */
export function exportTable(sql: TenantSql, table: SqlTable, from: string): ResourceEntry {
  return { name: tableEntry(table.name), content: bytesOfLines(lines(sql, table, from)) };
}

async function* lines(sql: TenantSql, table: SqlTable, from: string): AsyncGenerator<string> {
  const columns = storedColumns(table).map(({ name }) => name);
  yield JSON.stringify({ columns });
  const texts = columns.map((name) => `t.${quoteIdentifier(name)}::text`).join(', ');
  await sql.query(
    `DECLARE portcullis_export NO SCROLL CURSOR FOR SELECT to_json(ARRAY[${texts}]::text[])::text AS line
     FROM ${from}`,
  );
  for (;;) {
    const { rows } = await sql.query<{ line: string }>(`FETCH ${String(rowsAtOnce)} FROM portcullis_export`);
    for (const { line } of rows) yield line;
    if (rows.length < rowsAtOnce) break;
  }
  await sql.query('CLOSE portcullis_export');
}
