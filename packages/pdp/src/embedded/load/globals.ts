import { PortcullisError, type Attributes } from '@portcullis/core';
import type { CelMap, CelValue } from '../cel/cel-value.js';
import { isList, isMap, mapOf } from '../cel/value.js';
import { readAttributes } from '../evaluate/attributes.js';

/**
 * The globals of the engine, as expressions read them. Unlike in attributes, whole numbers are ints: Cerbos reads them
 * from its configuration, in which they are none with a fraction.
 *
 * @throws PortcullisError `config_invalid` for what is no JSON, and for whole numbers that a double cannot tell apart
 */
export function readGlobals(globals: Attributes): CelMap {
  try {
    return membersOf(readAttributes(globals));
  } catch (cause) {
    if (cause instanceof PortcullisError) throw cause;
    throw new PortcullisError('config_invalid', 'the option `globals` is not JSON', { cause });
  }
}

function membersOf(map: CelMap): CelMap {
  return mapOf(Object.entries(map).map(([name, value]) => [name, read(value)] as const));
}

function read(value: CelValue): CelValue {
  if (typeof value === 'number' && Number.isInteger(value)) {
    if (!Number.isSafeInteger(value))
      throw new PortcullisError('config_invalid', `the number \`${String(value)}\` of \`globals\` is too large`);
    return BigInt(value);
  }
  if (isList(value)) return value.map(read);
  return isMap(value) ? membersOf(value) : value;
}
