import { z } from 'zod';
import { refused } from '../access.js';
import { quoteIdentifier } from '../postgres/quote.js';
import type { TenantSql } from '../postgres/tenant-sql.js';
import { linesOfBytes } from './entry-lines.js';
import { storedColumns, type SqlTable } from './sql-tables.js';

/** A table that is restored. */
export interface RestoredTable {
  readonly table: SqlTable;
  readonly content: AsyncIterable<Uint8Array>;
  /** How many came before it in this transaction. */
  readonly index: number;
}

const header = z.strictObject({ columns: z.array(z.string()) });
const row = z.array(z.string().nullable());
const batchBytes = 1_000_000;

/** Rows that wait in a temporary table. */
interface Staged {
  readonly table: SqlTable;
  readonly columns: readonly string[];
  readonly temporary: string;
  readonly count: number;
}

/**
 * Stages the rows of one table in a temporary one.
 *
 * @param holds - each row has this value in this column, or is refused
 */
export async function stageTable(
  sql: TenantSql,
  { table, content, index }: RestoredTable,
  holds?: { readonly column: string; readonly value: string },
): Promise<Staged> {
  const lines = linesOfBytes(content);
  const first = await lines.next();
  if (first.done === true) throw refused(`the entry of \`${table.name}\` is empty`);
  const { columns } = header.parse(JSON.parse(first.value));
  const known = new Set(storedColumns(table).map(({ name }) => name));
  const gone = columns.filter((name) => !known.has(name));
  if (gone.length > 0)
    throw refused(`\`${table.name}\` has no column \`${gone.join('`, `')}\` any more: its values would be lost`);
  if (new Set(columns).size !== columns.length) throw refused(`\`${table.name}\` names a column twice`);
  const tenantAt = holds === undefined ? -1 : columns.indexOf(holds.column);
  if (holds !== undefined && tenantAt < 0) throw refused(`\`${table.name}\` has no column \`${holds.column}\``);

  const temporary = `pg_temp.portcullis_${String(index)}`;
  await sql.query(`CREATE TEMPORARY TABLE ${temporary} (v text[]) ON COMMIT DROP`);
  let count = 0;
  let batch: string[] = [];
  let size = 0;
  const flush = async (): Promise<void> => {
    if (batch.length === 0) return;
    await sql.query(
      `INSERT INTO ${temporary} (v) SELECT ARRAY(SELECT json_array_elements_text(e)) FROM json_array_elements($1::json) AS e`,
      [`[${batch.join(',')}]`],
    );
    batch = [];
    size = 0;
  };
  for await (const line of lines) {
    const values = row.parse(JSON.parse(line));
    if (values.length !== columns.length) throw refused(`a row of \`${table.name}\` has another number of columns`);
    if (holds !== undefined && values[tenantAt] !== holds.value)
      throw refused(`a row of \`${table.name}\` is another tenant’s`);
    batch.push(line);
    size += line.length;
    count++;
    if (size >= batchBytes) await flush();
  }
  await flush();
  return { table, columns, temporary, count };
}

/**
 * Moves staged rows into their tables by one statement for all of them. Foreign keys are looked at when a statement
 * ends, so that rows may refer to one another in any order and in circles, and no constraint has to be altered.
 *
 * @throws PortcullisError `storage_refused` when a trigger or a rule kept a row out; the database's own error
 * @see https://www.postgresql.org/docs/current/queries-with.html#QUERIES-WITH-MODIFYING
 */
export async function insertStaged(sql: TenantSql, staged: readonly Staged[]): Promise<void> {
  const filled = staged.filter(({ count }) => count > 0);
  if (filled.length === 0) return;
  const inserts = filled.map(({ table, columns, temporary }, index) => {
    const types = new Map(table.columns.map(({ name, type }) => [name, type]));
    const names = columns.map(quoteIdentifier).join(', ');
    const values = columns.map((name, at) => `v[${String(at + 1)}]::${types.get(name) ?? 'text'}`).join(', ');
    const into = columns.length === 0 ? '' : ` (${names}) OVERRIDING SYSTEM VALUE`;
    return `i${String(index)} AS (INSERT INTO ${table.quoted}${into} SELECT ${values} FROM ${temporary} RETURNING 1)`;
  });
  const counts = filled.map((_, index) => `(SELECT count(*) FROM i${String(index)})::text`);
  const { rows } = await sql.query<{ counts: readonly string[] }>(
    `WITH ${inserts.join(', ')} SELECT ARRAY[${counts.join(', ')}] AS counts`,
  );
  for (const [index, { table, count }] of filled.entries())
    if (rows[0]?.counts[index] !== String(count)) throw refused(`not every row of \`${table.name}\` was taken`);
}
