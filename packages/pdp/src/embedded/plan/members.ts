import { failed } from '../cel/cel-value.js';
import { isList, isMap, member } from '../cel/value.js';
import { logical } from './logic.js';
import { hasInt, known, operation, variable, wrong, type OpenType, type Part } from './part.js';
import { equality, refuseObject } from './operators.js';

/** `of.name` */
export function memberOf(of: Part, name: string): Part {
  if (of.kind === 'wrong') return wrong;
  if (of.kind === 'known') {
    refuseObject(of.value);
    const value = member(of.value, name);
    return value === failed ? wrong : known(value);
  }
  const { expression } = of;
  const type = typeWithin(of);
  // A path is one variable, as Cerbos has it.
  if (expression.type === 'variable') return variable(`${expression.name}.${name}`, type);
  return operation('get-field', [of, variable(name, 'any')], type);
}

/** `of[key]`, where at least one of the two is the row's. */
export function elementOf(of: Part, key: Part): Part {
  if (of.kind === 'wrong' || key.kind === 'wrong') return wrong;
  for (const part of [of, key]) if (part.kind === 'known') refuseObject(part.value);
  if (key.kind === 'known') {
    if (of.kind === 'known') return knownElement(of.value, key.value);
    const { value } = key;
    const isKey = typeof value === 'string' || typeof value === 'bigint' || Number.isInteger(value);
    if (!isKey || Number(value) < 0) return wrong;
  }
  if (of.kind === 'known' && !isList(of.value) && !isMap(of.value)) return wrong;
  return operation('index', [of, key], typeWithin(of));
}

function knownElement(of: Parameters<typeof member>[0], key: Parameters<typeof member>[0]): Part {
  if (typeof key === 'string') {
    const value = member(of, key);
    return value === failed ? wrong : known(value);
  }
  const position = typeof key === 'bigint' || typeof key === 'number' ? Number(key) : -1;
  const value = isList(of) && Number.isInteger(position) && position >= 0 ? of[position] : undefined;
  return value === undefined ? wrong : known(value);
}

/** What the members of something are. */
function typeWithin(of: Part): OpenType {
  if (of.kind === 'known') return hasInt(of.value) ? 'any' : 'json';
  return of.kind === 'open' && of.type === 'json' ? 'json' : 'any';
}

/**
 * `has(of.name)`: true where the member is there, and an error where it is not. So `has` is never more than it is in a
 * check, and its negation is never true, as in Cerbos's plans. No operator asks a map for a name and a list for none.
 */
export function isPresent(of: Part, name: string): Part {
  if (of.kind === 'known') {
    refuseObject(of.value);
    if (isList(of.value)) return wrong;
    return known(isMap(of.value) && Object.hasOwn(of.value, name));
  }
  const found = memberOf(of, name);
  return logical('or', [equality('==', found, known(null)), equality('!=', found, known(null))]);
}
