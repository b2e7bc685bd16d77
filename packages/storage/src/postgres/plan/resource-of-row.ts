import { PortcullisError, type AttributeValue, type KnownResource } from '@portcullis/core';
import { resolveColumns, type ColumnMap, type ResolvedColumn } from './columns.js';

/**
 * What `check` is to be asked for a row, so that it and `planToSql` speak of the same attributes.
 *
 * Rows are as `pg` reads them: `bigint` and `numeric` as strings, `timestamptz` as a `Date`. The attribute `tenant` is
 * not of the row: a question’s resource names its tenant beside.
 *
 * @throws PortcullisError `storage_refused` for a row that lacks a column, or has something else in it than declared
 * @example
 * ```ts
 * import { resourceOfRow } from '@portcullis/storage/plan';
 *
 * const map = { id: 'text', columns: { author: 'text', amount: 'numeric' } } as const;
 * console.log(resourceOfRow({ id: 'a', author: null, amount: '12.50' }, map));
 * // prints: { id: 'a', attr: { author: null, amount: 12.5 } }
 * ```
 */
export function resourceOfRow(row: Readonly<Record<string, unknown>>, map: ColumnMap): KnownResource {
  const { id, attributes } = resolveColumns(map);
  const known = id === undefined ? '' : read(row, id);
  if (typeof known !== 'string') throw unfit(id?.name ?? 'id');
  const attr = [...attributes].flatMap(([name, column]): (readonly [string, AttributeValue])[] => {
    const value = read(row, column);
    return value === null && !column.nullable ? [] : [[name, value]];
  });
  return { id: known, attr: Object.fromEntries(attr) };
}

function read(row: Readonly<Record<string, unknown>>, column: ResolvedColumn): AttributeValue {
  const value = Object.hasOwn(row, column.name) ? row[column.name] : undefined;
  if (value === null) return null;
  const attribute = attributeOf(value, column.type);
  if (attribute === undefined) throw unfit(column.name);
  return attribute;
}

/** The attribute of a value; nothing when it is of another type than declared. */
function attributeOf(value: unknown, type: ResolvedColumn['type']): AttributeValue | undefined {
  switch (type) {
    case 'text':
    case 'uuid':
      return typeof value === 'string' ? value : undefined;
    case 'boolean':
      return typeof value === 'boolean' ? value : undefined;
    case 'integer':
      return numberOf(value);
    case 'number': {
      const number = numberOf(value);
      return number === undefined || Number.isFinite(number) ? number : null;
    }
    case 'numeric': {
      const number = numberOf(value);
      if (number === undefined) return undefined;
      const size = Math.abs(number);
      return isZero(value) || (size >= 1e-300 && size <= 1e300) ? number : null;
    }
    case 'timestamp':
      return stampOf(value);
    case 'text[]':
      return listOf(value, (element) => attributeOf(element, 'text'));
    case 'integer[]':
      return listOf(value, (element) => attributeOf(element, 'integer'));
    case 'boolean[]':
      return listOf(value, (element) => attributeOf(element, 'boolean'));
    case 'jsonb':
      return jsonOf(value);
  }
}

function numberOf(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  if (typeof value !== 'string' || value.trim() === '') return undefined;
  const number = Number(value);
  return Number.isNaN(number) && value !== 'NaN' ? undefined : number;
}

/** A number so small that a double of it is 0 is no zero to the server. */
function isZero(value: unknown): boolean {
  return typeof value === 'string' ? /^[-+]?0*\.?0*$/.test(value) : Number(value) === 0;
}

/** A timestamp that no `Date` can hold, as `infinity`, is text that is no timestamp to a policy either. */
function stampOf(value: unknown): string | undefined {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'invalid' : value.toISOString();
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : undefined;
}

function listOf(
  value: unknown,
  read: (element: unknown) => AttributeValue | undefined,
): readonly AttributeValue[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const elements = value.map((element) => (element === null ? null : read(element)));
  const whole = elements.filter((element) => element !== undefined);
  return whole.length === elements.length ? whole : undefined;
}

function jsonOf(value: unknown): AttributeValue | undefined {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  if (Array.isArray(value)) return listOf(value, jsonOf);
  if (typeof value !== 'object') return undefined;
  const entries = Object.entries(value).map(([name, inner]) => [name, jsonOf(inner)] as const);
  const whole = entries.filter((entry): entry is readonly [string, AttributeValue] => entry[1] !== undefined);
  return whole.length === entries.length ? Object.fromEntries(whole) : undefined;
}

function unfit(column: string): PortcullisError {
  return new PortcullisError('storage_refused', undefined, {
    detail: `the row has no column \`${column}\`, or something in it that is not of the declared type`,
  });
}
