import { z } from 'zod';
import type { ChainedRecord } from './record.js';
import type { StoreQuery, TrailPosition } from './store.js';

const fields = z.looseObject({
  type: z.string(),
  actor: z.looseObject({ id: z.string() }).optional(),
  effect: z.string().optional(),
  method: z.string().optional(),
  name: z.string().optional(),
  requestId: z.string().optional(),
});

/** Whether a record is one of those that are asked for. */
export function matcher(query: StoreQuery): (record: ChainedRecord) => boolean {
  const { actor, effect, type, method, name, requestId, trails } = query;
  const wanted = trails === 'all' ? undefined : new Set(trails);
  const from = query.from === undefined ? undefined : new Date(query.from).toISOString();
  const to = query.to === undefined ? undefined : new Date(query.to).toISOString();
  const narrows = [actor, effect, type, method, name, requestId].some((value) => value !== undefined);
  return (record) => {
    if (wanted?.has(record.trail) === false) return false;
    if ((from !== undefined && record.time < from) || (to !== undefined && record.time >= to)) return false;
    if (!narrows) return true;
    const entry = fields.safeParse(JSON.parse(record.entry));
    if (!entry.success) return false;
    const data = entry.data;
    return (
      is(actor, data.actor?.id) &&
      is(effect, data.effect) &&
      is(type, data.type) &&
      is(method, data.method) &&
      is(name, data.name) &&
      is(requestId, data.requestId)
    );
  };
}

function is(wanted: string | undefined, value: string | undefined): boolean {
  return wanted === undefined || wanted === value;
}

/** The order of answers: by time, then trail, then number. */
export function positionOrder(order: StoreQuery['order']): (one: TrailPosition, other: TrailPosition) => number {
  const sign = order === 'oldest' ? 1 : -1;
  return (one, other) =>
    sign * (compare(one.time, other.time) || compare(one.trail, other.trail) || compare(one.seq, other.seq));
}

function compare<T extends string | number>(one: T, other: T): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
