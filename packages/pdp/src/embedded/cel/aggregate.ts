import type { Evaluate } from './expression.js';
import type { Kind } from './kind.js';
import { mapOfEntries } from './keyed-map.js';
import { constant } from './literal.js';
import { freeWithin, type Typed } from './typed.js';
import { Unsupported } from './unsupported.js';
import { failed, type CelValue } from './cel-value.js';

type Entry = readonly [CelValue, CelValue];

/** Literals of lists and maps. */
export const aggregate = {
  list: (items: readonly Typed[]): Typed => {
    const [first, ...others] = items;
    const item = others.every(({ kind }) => kind === first?.kind) ? first?.kind : undefined;
    const values = items.flatMap(({ constant: value }) => (value === undefined ? [] : [value]));
    return values.length === items.length
      ? { ...constant(values, 'list'), item }
      : { evaluate: list(items.map(({ evaluate }) => evaluate)), kind: 'list', item, free: freeWithin(items) };
  },
  map: (entries: readonly (readonly [Typed, Typed])[]): Typed => {
    for (const [{ kind }] of entries)
      if (!keyKinds.has(kind)) throw new Unsupported(`a value of type ${kind} is not supported as a key`);
    const free = freeWithin(entries.map(([, value]) => value));
    return { evaluate: map(entries.map(([key, value]) => [key.evaluate, value.evaluate] as const)), kind: 'map', free };
  },
};

const keyKinds: ReadonlySet<Kind> = new Set<Kind>(['string', 'int', 'uint', 'bool', 'dyn']);

function list(items: readonly Evaluate[]): Evaluate {
  return (activation) => {
    const values: CelValue[] = [];
    for (const item of items) {
      const value = item(activation);
      if (value === failed) return failed;
      values.push(value);
    }
    return values;
  };
}

function map(entries: readonly (readonly [Evaluate, Evaluate])[]): Evaluate {
  return (activation) => {
    const values: Entry[] = [];
    for (const [key, value] of entries) {
      const name = key(activation);
      if (name === failed) return failed;
      const member = value(activation);
      if (member === failed) return failed;
      values.push([name, member]);
    }
    return mapOfEntries(values);
  };
}
