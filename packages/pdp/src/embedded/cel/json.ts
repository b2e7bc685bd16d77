import { Bytes } from './bytes.js';
import { CelObject, type CelValue, type Json } from './cel-value.js';
import { jsonInteger } from './json-integer.js';
import { isList, isMap } from './value.js';
import { Unanswerable } from './unanswerable.js';
import type { Work } from './work.js';

/** What Cerbos puts in the place of an output that is no JSON: a type, a hierarchy, a map with numbers as keys. */
const notJson = '<failed to convert evaluation to protobuf value>';

/**
 * A value as the output of a policy.
 *
 * @param work - what the request may still cost
 * @throws Unanswerable for a number that is not finite: there is no JSON of it, and Cerbos's answer cannot be read
 */
export function outputOf(value: CelValue, work: Work): Json {
  return jsonOf(value, work) ?? (value === null ? null : notJson);
}

/** What is there several times is written each time. */
function jsonOf(value: CelValue, work: Work): Json | undefined {
  work.spend(1);
  if (typeof value === 'bigint') return jsonInteger(value);
  if (typeof value === 'number' && !Number.isFinite(value)) throw new Unanswerable('an output is not a finite number');
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Bytes) work.spend(value.bytes.length >> 2);
  if (value instanceof CelObject) return value.toJson();
  return isList(value) ? listOf(value, work) : isMap(value) ? mapOf(value, work) : undefined;
}

function listOf(items: readonly CelValue[], work: Work): Json | undefined {
  const list: Json[] = [];
  for (const item of items) {
    const json = jsonOf(item, work);
    if (json === undefined) return undefined;
    list.push(json);
  }
  return list;
}

function mapOf(map: Readonly<Record<string, CelValue>>, work: Work): Json | undefined {
  const members: [string, Json][] = [];
  for (const [name, member] of Object.entries(map)) {
    const json = jsonOf(member, work);
    if (json === undefined) return undefined;
    members.push([name, json]);
  }
  return Object.fromEntries(members);
}
