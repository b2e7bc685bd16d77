import {
  areUnique,
  atLeast,
  atMost,
  counted,
  every,
  lengthOf,
  namesOf,
  oneOfValues,
  onList,
  onMap,
  onNumber,
  onText,
  sizeOf,
  types,
  type SchemaCheck,
} from './checks.js';
import {
  countAt,
  isObject,
  jsonAt,
  listAt,
  matcherAt,
  namesAt,
  numberAt,
  objectAt,
  referenceAt,
  UnsupportedSchema,
  type SchemaPlace,
} from './parts.js';

type Path = readonly PropertyKey[];
type Keyword = (value: unknown, at: Place, schema: Readonly<Record<string, unknown>>) => SchemaCheck | undefined;

/** Where something stands. */
interface Place extends SchemaPlace {
  /** What it is a part of and is for the same value as; there is none for what is about a part of the value. */
  readonly within?: Referable;
}

/** A schema that references lead to. */
interface Referable {
  check: SchemaCheck | undefined;
  /** What it refers to for the same value. */
  readonly refersTo: Set<Referable>;
}

/**
 * Compiles JSON Schemas (draft 2020-12) into functions. A library that interprets them took twenty times as long, and
 * those that are as fast write code and evaluate it. Only keywords that are known are taken; `format` is not, because
 * Cerbos asserts it, and validators differ in what they assert.
 *
 * @see https://json-schema.org/draft/2020-12/json-schema-validation
 */
export class JsonSchemas {
  readonly #files: ReadonlyMap<string, unknown>;
  readonly #known = new Map<string, Referable>();

  /** @param files - the schemas by the names of their files */
  constructor(files: ReadonlyMap<string, unknown>) {
    this.#files = files;
  }

  has(file: string): boolean {
    return this.#files.has(file);
  }

  /** A schema as it was written. */
  document(file: string): unknown {
    return this.#files.get(file);
  }

  /** @throws UnsupportedSchema */
  compile(file: string): SchemaCheck {
    return this.#reference(file, [], { file, path: [] });
  }

  /** A part that others may refer to: compiled once, and known to itself while it is compiled. */
  #reference(file: string, path: Path, from: Place): SchemaCheck {
    const key = JSON.stringify([file, path.map(String)]);
    const known = this.#known.get(key);
    const referable: Referable = known ?? { check: undefined, refersTo: new Set() };
    this.#known.set(key, referable);
    from.within?.refersTo.add(referable);
    if (from.within !== undefined && leadsTo(referable, from.within))
      throw new UnsupportedSchema(from, 'the schema refers to itself for the same value');
    if (known === undefined)
      referable.check = this.#schema(this.#part(file, path, from), { file, path, within: referable });
    return referable.check ?? ((value, work) => referable.check?.(value, work) === true);
  }

  #part(file: string, path: Path, from: Place): unknown {
    let part = this.#files.get(file);
    for (const name of path) {
      if (!isObject(part) && !Array.isArray(part)) throw new UnsupportedSchema(from, 'the reference leads nowhere');
      part = Object.hasOwn(part, name) ? (Reflect.get(part, name) as unknown) : undefined;
    }
    if (part === undefined) throw new UnsupportedSchema(from, 'the reference leads nowhere');
    return part;
  }

  #schema(schema: unknown, at: Place): SchemaCheck {
    if (typeof schema === 'boolean') return () => schema;
    if (!isObject(schema)) throw new UnsupportedSchema(at, 'a schema is an object or a boolean');
    const checks: SchemaCheck[] = [];
    for (const [name, value] of Object.entries(schema)) {
      if (annotations.has(name)) continue;
      const keyword = Object.hasOwn(this.#keywords, name) ? this.#keywords[name] : undefined;
      if (keyword === undefined) throw new UnsupportedSchema(inside(at, name), 'the keyword is not supported');
      const check = keyword(value, inside(at, name), schema);
      if (check !== undefined) checks.push(check);
    }
    return every(checks);
  }

  /** A schema for a part of the value: what is around it is not for the same value any more. */
  readonly #child = (schema: unknown, { file, path }: Place): SchemaCheck => this.#schema(schema, { file, path });

  readonly #children = (value: unknown, at: Place): ReadonlyMap<string, SchemaCheck> =>
    new Map(Object.entries(objectAt(value, at)).map(([name, schema]) => [name, this.#child(schema, inside(at, name))]));

  readonly #same = (value: unknown, at: Place): readonly SchemaCheck[] =>
    listAt(value, at).map((schema, index) => this.#schema(schema, inside(at, index)));

  readonly #keywords: Readonly<Record<string, Keyword>> = {
    $schema: (value, at) => {
      if (value !== 'https://json-schema.org/draft/2020-12/schema')
        throw new UnsupportedSchema(at, 'only draft 2020-12 is supported');
      return undefined;
    },
    $defs: (value, at) => {
      this.#children(value, at);
      return undefined;
    },
    $ref: (value, at) => {
      const { file, path } = referenceAt(value, at);
      if (!this.#files.has(file)) throw new UnsupportedSchema(at, `there is no schema \`${file}\``);
      return this.#reference(file, path, at);
    },
    type: (value, at) => {
      const names = typeof value === 'string' ? [value] : listAt(value, at);
      const tests = names.map((name) => {
        const test = typeof name === 'string' && Object.hasOwn(types, name) ? types[name] : undefined;
        if (test === undefined) throw new UnsupportedSchema(at, 'there is no such type');
        return test;
      });
      const [only] = tests;
      return tests.length === 1 && only !== undefined ? only : (given, work) => tests.some((test) => test(given, work));
    },
    enum: (value, at) => oneOfValues(listAt(value, at).map((item) => jsonAt(item, at))),
    const: (value, at) => oneOfValues([jsonAt(value, at)]),

    properties: (value, at) => {
      const properties = [...this.#children(value, at)];
      return onMap((given, work) => {
        work.spend(properties.length);
        for (const [name, check] of properties)
          if (Object.hasOwn(given, name) && !check(given[name] ?? null, work)) return false;
        return true;
      });
    },
    patternProperties: (value, at) => {
      const patterns = [...this.#children(value, at)].map(
        ([pattern, check]) => [matcherAt(pattern, at), check] as const,
      );
      return onMap((given, work) =>
        namesOf(given, work).every((name) =>
          patterns.every(([matches, check]) => !matches(name, work) || check(given[name] ?? null, work)),
        ),
      );
    },
    additionalProperties: (value, at, { properties, patternProperties }) => {
      const check = this.#child(value, at);
      const named = new Set(properties === undefined ? [] : Object.keys(objectAt(properties, at)));
      const patterns = Object.keys(patternProperties === undefined ? {} : objectAt(patternProperties, at));
      const matchers = patterns.map((pattern) => matcherAt(pattern, at));
      return onMap((given, work) =>
        namesOf(given, work).every(
          (name) =>
            named.has(name) || matchers.some((matches) => matches(name, work)) || check(given[name] ?? null, work),
        ),
      );
    },
    propertyNames: (value, at) => {
      const check = this.#child(value, at);
      return onMap((given, work) => namesOf(given, work).every((name) => check(name, work)));
    },
    required: (value, at) => {
      const names = namesAt(value, at);
      return onMap((given, work) => {
        work.spend(names.length);
        for (const name of names) if (!Object.hasOwn(given, name)) return false;
        return true;
      });
    },
    dependentRequired: (value, at) => {
      const dependent = Object.entries(objectAt(value, at)).map(([name, names]) => [name, namesAt(names, at)] as const);
      return onMap((given, work) =>
        dependent.every(([name, names]) => {
          work.spend(1 + names.length);
          return !Object.hasOwn(given, name) || names.every((other) => Object.hasOwn(given, other));
        }),
      );
    },
    dependentSchemas: (value, at) => {
      const dependent = Object.entries(objectAt(value, at)).map(
        ([name, schema]) => [name, this.#schema(schema, inside(at, name))] as const,
      );
      return onMap((given, work) => {
        work.spend(dependent.length);
        return dependent.every(([name, check]) => !Object.hasOwn(given, name) || check(given, work));
      });
    },
    minProperties: (value, at) => counted(onMap, countAt(value, at), sizeOf, atLeast),
    maxProperties: (value, at) => counted(onMap, countAt(value, at), sizeOf, atMost),

    prefixItems: (value, at) => {
      const checks = listAt(value, at).map((schema, index) => this.#child(schema, inside(at, index)));
      return onList((given, work) =>
        checks.every((check, index) => index >= given.length || check(given[index] ?? null, work)),
      );
    },
    items: (value, at, { prefixItems }) => {
      const check = this.#child(value, at);
      const from = prefixItems === undefined ? 0 : listAt(prefixItems, at).length;
      return onList((given, work) => {
        work.spend(given.length);
        for (let index = from; index < given.length; index++) if (!check(given[index] ?? null, work)) return false;
        return true;
      });
    },
    contains: (value, at, { minContains = 1, maxContains }) => {
      const check = this.#child(value, at);
      const least = countAt(minContains, at);
      const most = maxContains === undefined ? Infinity : countAt(maxContains, at);
      return onList((given, work) => {
        work.spend(given.length);
        const count = given.filter((item) => check(item, work)).length;
        return count >= least && count <= most;
      });
    },
    // They are read with `contains`, and mean nothing without.
    minContains: () => undefined,
    maxContains: () => undefined,
    minItems: (value, at) => counted(onList, countAt(value, at), (given) => given.length, atLeast),
    maxItems: (value, at) => counted(onList, countAt(value, at), (given) => given.length, atMost),
    uniqueItems: (value, at) => {
      if (typeof value !== 'boolean') throw new UnsupportedSchema(at, 'is true or false');
      return value ? onList(areUnique) : undefined;
    },

    minLength: (value, at) => counted(onText, countAt(value, at), lengthOf, atLeast),
    maxLength: (value, at) => counted(onText, countAt(value, at), lengthOf, atMost),
    pattern: (value, at) => onText(matcherAt(value, at)),

    minimum: (value, at) => counted(onNumber, numberAt(value, at), Number, atLeast),
    maximum: (value, at) => counted(onNumber, numberAt(value, at), Number, atMost),
    exclusiveMinimum: (value, at) => counted(onNumber, numberAt(value, at), Number, (given, limit) => given > limit),
    exclusiveMaximum: (value, at) => counted(onNumber, numberAt(value, at), Number, (given, limit) => given < limit),

    allOf: (value, at) => every(this.#same(value, at)),
    anyOf: (value, at) => {
      const checks = this.#same(value, at);
      return (given, work) => checks.some((check) => check(given, work));
    },
    oneOf: (value, at) => {
      const checks = this.#same(value, at);
      return (given, work) => checks.filter((check) => check(given, work)).length === 1;
    },
    not: (value, at) => {
      const check = this.#schema(value, at);
      return (given, work) => !check(given, work);
    },
    if: (value, at, { then = true, else: otherwise = true }) => {
      const condition = this.#schema(value, at);
      const [whenMet, whenNot] = [this.#schema(then, at), this.#schema(otherwise, at)];
      return (given, work) => (condition(given, work) ? whenMet(given, work) : whenNot(given, work));
    },
    // They are read with `if`, and mean nothing without.
    then: (value, at) => {
      this.#schema(value, at);
      return undefined;
    },
    else: (value, at) => {
      this.#schema(value, at);
      return undefined;
    },
  };
}

/** Keywords that say nothing about what is valid. */
const annotations: ReadonlySet<string> = new Set([
  '$comment',
  'title',
  'description',
  'default',
  'deprecated',
  'readOnly',
  'writeOnly',
  'examples',
]);

/** Whether a schema refers to another for the same value, by however many steps: it would never come to an end. */
function leadsTo(from: Referable, to: Referable, seen = new Set<Referable>()): boolean {
  if (from === to) return true;
  if (seen.has(from)) return false;
  seen.add(from);
  return [...from.refersTo].some((next) => leadsTo(next, to, seen));
}

function inside(at: Place, name: PropertyKey): Place {
  return { ...at, path: [...at.path, name] };
}
