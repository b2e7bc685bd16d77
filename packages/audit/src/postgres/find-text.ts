import type { StoreQuery } from '../trail/store.js';
import { recordColumns } from './rows.js';

/** The statement of a question. What was asked for is in its values, never in its text. */
export function findText(schema: string, query: StoreQuery): { readonly text: string; readonly values: unknown[] } {
  const values: unknown[] = [];
  const conditions: string[] = [];
  const where = (value: unknown, condition: (parameter: string) => string): void => {
    if (value === undefined) return;
    values.push(value);
    conditions.push(condition(`$${String(values.length)}`));
  };
  where(query.trails === 'all' ? undefined : [...query.trails], (parameter) => `trail = ANY(${parameter}::text[])`);
  where(iso(query.from), (parameter) => `time >= ${parameter}`);
  where(iso(query.to), (parameter) => `time < ${parameter}`);
  for (const [column, value] of Object.entries({
    actor: query.actor,
    effect: query.effect,
    type: query.type,
    method: query.method,
    name: query.name,
    request_id: query.requestId?.slice(0, 200),
  }))
    where(value, (parameter) => `${column} = ${parameter}`);
  const [direction, further] = query.order === 'oldest' ? ['ASC', '>'] : ['DESC', '<'];
  if (query.after !== undefined) {
    const { time, trail, seq } = query.after;
    const first = values.push(time, trail, seq) - 2;
    const [one, two, three] = [first, first + 1, first + 2].map(String);
    conditions.push(`(time, trail, seq) ${further} ($${one ?? ''}, $${two ?? ''}, $${three ?? ''}::bigint)`);
  }
  const limit = `$${String(values.push(query.limit))}`;
  const text = `SELECT ${recordColumns} FROM ${schema}.records r
    ${conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`}
    ORDER BY r.time ${direction}, r.trail ${direction}, r.seq ${direction} LIMIT ${limit}`;
  return { text, values };
}

function iso(time: number | undefined): string | undefined {
  return time === undefined ? undefined : new Date(time).toISOString();
}
