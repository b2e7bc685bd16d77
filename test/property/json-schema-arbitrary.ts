import fc from 'fast-check';

/** As much of JSON Schema as the OpenAPI document uses. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly format?: string;
  readonly example?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** Where references lead. */
export type Resolve = (ref: string) => Schema;

const anything = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom('acme', 'globex', '__proto__', '', null, -1, 2 ** 53, 'a'.repeat(2000), '\u0000', '\ud800'),
);

/** Values that a schema allows. */
export function valid(schema: Schema, resolve: Resolve): fc.Arbitrary<unknown> {
  // An example gets a request further than what is drawn.
  if (schema.example !== undefined) {
    const { example, ...rest } = schema;
    return fc.oneof({ weight: 5, arbitrary: fc.constant(example) }, { weight: 1, arbitrary: valid(rest, resolve) });
  }
  if (schema.$ref !== undefined) return valid(resolve(schema.$ref), resolve);
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return fc.oneof(...choices.map((each) => valid(each, resolve)));
  if (schema.allOf !== undefined)
    return valid(
      Object.assign({}, ...schema.allOf.map(open(resolve)), schema, { allOf: undefined }) as Schema,
      resolve,
    );
  const types = schema.type === undefined ? [] : [schema.type].flat();
  if (types.length === 0) return anything;
  return fc.oneof(...types.map((type) => ofType(type, schema, resolve)));
}

const open =
  (resolve: Resolve) =>
  (schema: Schema): Schema =>
    schema.$ref === undefined ? schema : resolve(schema.$ref);

function ofType(type: string, schema: Schema, resolve: Resolve): fc.Arbitrary<unknown> {
  switch (type) {
    case 'null':
      return fc.constant(null);
    case 'boolean':
      return fc.boolean();
    case 'integer':
      return fc.integer({ min: schema.minimum ?? -1000, max: Math.min(schema.maximum ?? 2 ** 31 - 1, 2 ** 31 - 1) });
    case 'number':
      return fc.double({ min: schema.minimum ?? -1000, max: schema.maximum ?? 1e9, noNaN: true });
    case 'string':
      return text(schema);
    case 'array':
      return fc.array(valid(schema.items ?? {}, resolve), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? 3, (schema.minItems ?? 0) + 3),
      });
    case 'object':
      return object(schema, resolve);
    default:
      throw new TypeError(`the document has a type that is not known here: ${type}`);
  }
}

function text({ pattern, format, minLength = 0, maxLength = 40 }: Schema): fc.Arbitrary<string> {
  if (format === 'date-time')
    return fc.date({ min: new Date(0), max: new Date(4e12), noInvalidDate: true }).map((date) => date.toISOString());
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern));
  return fc.string({ minLength, maxLength: Math.min(maxLength, minLength + 40), unit: 'grapheme' });
}

function object(schema: Schema, resolve: Resolve): fc.Arbitrary<unknown> {
  const { properties = {}, required = [], additionalProperties } = schema;
  const members = fc.record(
    Object.fromEntries(Object.entries(properties).map(([name, each]) => [name, valid(each, resolve)])),
    { requiredKeys: [...required] },
  );
  if (typeof additionalProperties !== 'object') return members;
  const more = fc.dictionary(fc.string({ minLength: 1, maxLength: 20 }), valid(additionalProperties, resolve), {
    maxKeys: 3,
  });
  return fc.tuple(more, members).map(([extra, known]) => ({ ...extra, ...(known as object) }));
}

/** Values near those that a schema allows: one member left out, added, renamed or replaced, or something else entirely. */
export function mutated(schema: Schema, resolve: Resolve): fc.Arbitrary<unknown> {
  return fc.oneof(
    { weight: 1, arbitrary: anything },
    {
      weight: 4,
      arbitrary: fc
        .tuple(valid(schema, resolve), fc.nat(), fc.constantFrom('remove', 'replace', 'add', 'rename'), anything)
        .map(([value, seed, how, other]) => mutate(value, seed, how, other)),
    },
  );
}

function mutate(value: unknown, seed: number, how: string, other: unknown): unknown {
  if (typeof value !== 'object' || value === null) return other;
  const copy = structuredClone(value) as Record<string, unknown>;
  const names = Object.keys(copy);
  const name = names[seed % Math.max(1, names.length)];
  if (how === 'add' || name === undefined) {
    if (Array.isArray(copy)) copy.push(other);
    else copy[['isOperator', 'tenantId', 'version', 'constructor'][seed % 4] ?? 'x'] = other;
    return copy;
  }
  const member = copy[name];
  if (typeof member === 'object' && member !== null && seed % 3 === 0)
    copy[name] = mutate(member, seed >> 2, how, other);
  else if (how === 'replace') copy[name] = other;
  else {
    Reflect.deleteProperty(copy, name);
    if (how === 'rename') copy[name.toUpperCase()] = member;
  }
  return copy;
}
