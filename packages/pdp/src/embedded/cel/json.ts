import { CelObject } from './object.js';
import { Unanswerable } from './unanswerable.js';
import { isList, isMap, jsonInteger, type CelValue, type Json } from './value.js';

/** What Cerbos puts in the place of an output that is no JSON: a type, a hierarchy, a map with numbers as keys. */
const notJson = '<failed to convert evaluation to protobuf value>';

/**
 * A value as the output of a policy.
 *
 * @throws Unanswerable for a number that is not finite: there is no JSON of it, and Cerbos's answer cannot be read
 */
export function outputOf(value: CelValue): Json {
  return jsonOf(value) ?? (value === null ? null : notJson);
}

function jsonOf(value: CelValue): Json | undefined {
  if (typeof value === 'bigint') return jsonInteger(value);
  if (typeof value === 'number' && !Number.isFinite(value)) throw new Unanswerable('an output is not a finite number');
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof CelObject) return value.toJson();
  return isList(value) ? listOf(value) : isMap(value) ? mapOf(value) : undefined;
}

function listOf(items: readonly CelValue[]): Json | undefined {
  const list: Json[] = [];
  for (const item of items) {
    const json = jsonOf(item);
    if (json === undefined) return undefined;
    list.push(json);
  }
  return list;
}

function mapOf(map: Readonly<Record<string, CelValue>>): Json | undefined {
  const members: [string, Json][] = [];
  for (const [name, member] of Object.entries(map)) {
    const json = jsonOf(member);
    if (json === undefined) return undefined;
    members.push([name, json]);
  }
  return Object.fromEntries(members);
}
