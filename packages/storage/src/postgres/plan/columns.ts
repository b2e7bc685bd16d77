import { PortcullisError } from '@portcullis/core';
import { quoteIdentifier } from '../quote.js';
import { trusted, type Fragment } from './fragment.js';

/**
 * What a column holds, and how `check` is told of it:
 *
 * | type | PostgreSQL | as an attribute |
 * |---|---|---|
 * | `text` | `text`, `varchar` (not `char(n)`, whose padding comes and goes) | a string |
 * | `uuid` | `uuid` | its string in lower case |
 * | `boolean` | `boolean` | a boolean |
 * | `integer` | `smallint`, `integer`, `bigint` | a number, rounded to a double beyond 2^53 |
 * | `number` | `double precision` (not `real`) | a number; NaN and the infinities count as NULL |
 * | `numeric` | `numeric` | a number, rounded to a double; beyond 1e±300 it counts as NULL |
 * | `timestamp` | `timestamptz` | the ISO string of its `Date`: milliseconds, UTC |
 * | `text[]`, `integer[]`, `boolean[]` | an array of one dimension | a list |
 * | `jsonb` | `jsonb` | what it holds |
 */
export type ColumnType =
  | 'text'
  | 'uuid'
  | 'boolean'
  | 'integer'
  | 'number'
  | 'numeric'
  | 'timestamp'
  | 'text[]'
  | 'integer[]'
  | 'boolean[]'
  | 'jsonb';

/** One attribute’s column. */
export interface Column {
  readonly type: ColumnType;
  /** The column’s name. @defaultValue the attribute’s */
  readonly column?: string | undefined;
  /**
   * What a NULL is. `null`: the attribute is there, and is null. `absent`: there is no such attribute.
   *
   * A row that lacks an `absent` attribute is never listed, whatever the policy says of it. The engine’s planner takes
   * every attribute for present: `has(R.attr.x)` and `!(R.attr.x in [])` are true in its plans, and false or an error
   * in a check of a row without `x`. Leaving such rows out is narrower than `check`; anything else may be wider.
   *
   * @defaultValue `null`
   */
  readonly null?: 'null' | 'absent' | undefined;
}

/** Which column holds which attribute of a resource: one declaration for asking, and for listing. */
export interface ColumnMap {
  /** The column of the resource’s id. */
  readonly id?: 'text' | 'uuid' | (Column & { readonly type: 'text' | 'uuid' }) | undefined;
  /** The columns of its attributes, by the attribute’s name; a type alone means a column of that name. */
  readonly columns: Readonly<Record<string, ColumnType | Column>>;
  /** The table’s name or alias in the query, to qualify columns with. @defaultValue columns are not qualified */
  readonly table?: string | undefined;
}

/** A column that was checked. */
export interface ResolvedColumn {
  readonly name: string;
  readonly type: ColumnType;
  readonly nullable: boolean;
  /** Quoted and qualified. */
  readonly sql: Fragment;
}

/** A column map that was checked. */
export interface Columns {
  readonly id: ResolvedColumn | undefined;
  readonly attributes: ReadonlyMap<string, ResolvedColumn>;
}

const types: ReadonlySet<unknown> = new Set<ColumnType>([
  'text',
  'uuid',
  'boolean',
  'integer',
  'number',
  'numeric',
  'timestamp',
  'text[]',
  'integer[]',
  'boolean[]',
  'jsonb',
]);

/** How the names begin that a translation makes up. A column of such a name could be taken for one of them. */
export const ownPrefix = 'portcullis_';

/**
 * Checks a column map.
 *
 * @throws PortcullisError `config_invalid`, with the attribute
 */
export function resolveColumns({ id, columns, table }: ColumnMap): Columns {
  const resolved = new Map(
    Object.entries(columns).map(([attribute, column]) => [attribute, resolve(attribute, column, table)]),
  );
  const idColumn = id === undefined ? undefined : resolve('id', id, table);
  if (idColumn !== undefined && idColumn.type !== 'text' && idColumn.type !== 'uuid')
    throw new PortcullisError('config_invalid', 'the column of the id is `text` or `uuid`');
  return { id: idColumn, attributes: resolved };
}

/** A quoted column, qualified with the table. */
export function columnSql(name: string, table: string | undefined): Fragment {
  if ([name, table].some((part) => part?.toLowerCase().startsWith(ownPrefix)))
    throw new PortcullisError('config_invalid', `names that begin with \`${ownPrefix}\` are reserved`);
  return trusted(table === undefined ? quoteIdentifier(name) : `${quoteIdentifier(table)}.${quoteIdentifier(name)}`);
}

function resolve(attribute: string, declared: ColumnType | Column, table: string | undefined): ResolvedColumn {
  const column: Column = typeof declared === 'string' ? { type: declared } : declared;
  const name = column.column ?? attribute;
  if (!types.has(column.type))
    throw new PortcullisError('config_invalid', `the column of \`${attribute}\` has an unknown type`);
  if (![undefined, 'null', 'absent'].includes(column.null))
    throw new PortcullisError('config_invalid', `\`null\` of the column of \`${attribute}\` is \`null\` or \`absent\``);
  return { name, type: column.type, nullable: column.null !== 'absent', sql: columnSql(name, table) };
}
