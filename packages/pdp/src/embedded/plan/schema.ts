import { z } from 'zod';
import type { CelMap, CelValue } from '../cel/cel-value.js';
import { isList } from '../cel/value.js';
import { logical, negated } from './logic.js';
import { isPresent, memberOf } from './members.js';
import { compared, contained, equality } from './operators.js';
import { known, operation, variable, wrong, type Part } from './part.js';
import { Unplannable } from './unplannable.js';

/** The keywords that a plan has words for. What another one says of rows cannot be listed by. */
const type = z.enum(['array', 'boolean', 'integer', 'null', 'number', 'object', 'string']);
type Type = z.infer<typeof type>;
const count = z.int().min(0);
interface Schema {
  readonly type?: Type | readonly Type[] | undefined;
  readonly enum?: readonly CelValue[] | undefined;
  readonly const?: CelValue | undefined;
  readonly properties?: Readonly<Record<string, Schema | boolean>> | undefined;
  readonly additionalProperties?: boolean | undefined;
  readonly required?: readonly string[] | undefined;
  readonly items?: Schema | boolean | undefined;
  readonly minItems?: number | undefined;
  readonly maxItems?: number | undefined;
  readonly minLength?: number | undefined;
  readonly maxLength?: number | undefined;
  readonly minimum?: number | undefined;
  readonly maximum?: number | undefined;
  readonly exclusiveMinimum?: number | undefined;
  readonly exclusiveMaximum?: number | undefined;
  readonly allOf?: readonly (Schema | boolean)[] | undefined;
  readonly anyOf?: readonly (Schema | boolean)[] | undefined;
}
const schema: z.ZodType<Schema | boolean> = z.lazy(() =>
  z.union([
    z.boolean(),
    z.strictObject({
      $schema: z.string().optional(),
      $comment: z.string().optional(),
      title: z.string().optional(),
      description: z.string().optional(),
      type: z.union([type, z.array(type).min(1)]).optional(),
      enum: z.array(z.json()).min(1).optional(),
      const: z.json().optional(),
      properties: z.record(z.string(), schema).optional(),
      additionalProperties: z.boolean().optional(),
      required: z.array(z.string()).optional(),
      items: schema.optional(),
      minItems: count.optional(),
      maxItems: count.optional(),
      minLength: count.optional(),
      maxLength: count.optional(),
      minimum: z.number().optional(),
      maximum: z.number().optional(),
      exclusiveMinimum: z.number().optional(),
      exclusiveMaximum: z.number().optional(),
      allOf: z.array(schema).min(1).optional(),
      anyOf: z.array(schema).min(1).optional(),
    }),
  ]),
);

/**
 * When the attributes of a row keep to a schema: a check denies the rows that do not, and so does the plan. What comes
 * out is true for no row that the schema refuses.
 *
 * @param shared - the attributes that all rows have alike
 * @throws Unplannable for a keyword that no plan can say
 */
export function keepsTo(document: unknown, shared: CelMap): Part {
  const parsed = schema.safeParse(document);
  if (!parsed.success) throw new Unplannable('a keyword of the schema is not one that a plan can say');
  return valid(parsed.data, rowAttributes(shared));
}

/** Something that a schema speaks of. */
interface Place {
  readonly part: Part;
  readonly has: (name: string) => Part;
  readonly member: (name: string) => Part;
}

/** The attributes of the row, which are a map for certain. */
function rowAttributes(shared: CelMap): Place & { readonly isMap: true } {
  const attributes = variable('request.resource.attr', 'json');
  const isShared = (name: string): boolean => Object.hasOwn(shared, name);
  return {
    isMap: true,
    part: attributes,
    has: (name) => (isShared(name) ? known(true) : operation('in', [known(name), attributes], 'boolean')),
    member: (name) => {
      if (isShared(name)) return known(shared[name] ?? null);
      return /^[A-Za-z_]\w*$/.test(name)
        ? variable(`request.resource.attr.${name}`, 'json')
        : operation('index', [attributes, known(name)], 'json');
    },
  };
}

function placeOf(part: Part): Place {
  return { part, has: (name) => contained(known(name), part), member: (name) => memberOf(part, name) };
}

function valid(of: Schema | boolean, place: Place & { readonly isMap?: true }): Part {
  if (typeof of === 'boolean') return known(of);
  const { part } = place;
  const types = of.type === undefined ? undefined : [of.type].flat();
  const [only, ...more] = types ?? [];
  const single = more.length === 0 ? only : undefined;
  return logical('and', [
    ...(types === undefined
      ? []
      : [
          logical(
            'or',
            types.map((one) => isOfType(one, of, place)),
          ),
        ]),
    ...(of.enum === undefined ? [] : [contained(part, known(of.enum))]),
    ...(of.const === undefined ? [] : [equality('==', part, known(of.const))]),
    ...bounds(of, single, part),
    ...members(of, single, place),
    ...(of.items === undefined ? [] : [items(of.items, single, part)]),
    ...(of.allOf ?? []).map((one) => valid(one, place)),
    ...(of.anyOf === undefined
      ? []
      : [
          logical(
            'or',
            of.anyOf.map((one) => valid(one, place)),
          ),
        ]),
  ]);
}

function isOfType(of: Type, { required }: Schema, { part, isMap }: Place & { readonly isMap?: true }): Part {
  if (part.kind === 'wrong') return wrong;
  switch (of) {
    case 'null':
      return equality('==', part, known(null));
    case 'boolean':
      return logical('or', [equality('==', part, known(true)), equality('==', part, known(false))]);
    case 'number':
      if (part.kind === 'known') return known(typeof part.value === 'number');
      return logical('or', [compared('<', part, known(0)), compared('>=', part, known(0))]);
    case 'integer':
      if (part.kind === 'known') return known(Number.isInteger(part.value));
      return equality('==', operation('int', [part], 'int'), part);
    case 'string':
      if (part.kind === 'known') return known(typeof part.value === 'string');
      return operation('startsWith', [part, known('')], 'boolean');
    case 'array':
      if (part.kind === 'known') return known(isList(part.value));
      return negated(operation('hasIntersection', [part, known([])], 'boolean'));
    case 'object':
      if (isMap === true) return known(true);
      if (part.kind === 'known')
        return known(typeof part.value === 'object' && part.value !== null && !isList(part.value));
      // Whatever has a member by name is a map; there is no other way to tell.
      if (required === undefined || required.length === 0)
        throw new Unplannable('the schema has an object without a required member');
      return known(true);
  }
}

/** Bounds are for values of their own type: of others they say nothing, which no plan can say. */
function bounds(of: Schema, type: Type | undefined, part: Part): readonly Part[] {
  const size = (): Part => sizeOf(part);
  const value = (): Part => part;
  const bound = (types: readonly Type[], what: () => Part, by: '<' | '<=' | '>' | '>=', limit: number | undefined) => {
    if (limit === undefined) return [];
    if (type === undefined || !types.includes(type)) throw new Unplannable('the schema has a bound without one type');
    return [compared(by, what(), known(limit))];
  };
  const numbers: readonly Type[] = ['number', 'integer'];
  return [
    ...bound(['string'], size, '>=', of.minLength),
    ...bound(['string'], size, '<=', of.maxLength),
    ...bound(['array'], size, '>=', of.minItems),
    ...bound(['array'], size, '<=', of.maxItems),
    ...bound(numbers, value, '>=', of.minimum),
    ...bound(numbers, value, '<=', of.maximum),
    ...bound(numbers, value, '>', of.exclusiveMinimum),
    ...bound(numbers, value, '<', of.exclusiveMaximum),
  ];
}

function sizeOf(part: Part): Part {
  if (part.kind !== 'known') return part.kind === 'wrong' ? wrong : operation('size', [part], 'int');
  if (typeof part.value === 'string') return known(Array.from(part.value).length);
  return isList(part.value) ? known(part.value.length) : wrong;
}

function members(
  { properties = {}, required = [], additionalProperties = true }: Schema,
  type: Type | undefined,
  place: Place & { readonly isMap?: true },
): readonly Part[] {
  const names = Object.keys(properties);
  if (names.length + required.length === 0 && additionalProperties) return [];
  if (type !== 'object' && place.isMap !== true) throw new Unplannable('the schema has members without the one type');
  const needed = required.map((name) => (place.isMap === true ? place.has(name) : isPresent(place.part, name)));
  const each = Object.entries(properties).map(([name, of]) => {
    const kept = valid(of, placeOf(place.member(name)));
    return required.includes(name) ? kept : logical('or', [negated(place.has(name)), kept]);
  });
  if (additionalProperties) return [...needed, ...each];
  const name = variable('name', 'string');
  const lambda = operation('lambda', [contained(name, known(names)), name], 'any');
  return [...needed, ...each, operation('all', [place.part, lambda], 'boolean')];
}

function items(of: Schema | boolean, type: Type | undefined, part: Part): Part {
  if (type !== 'array') throw new Unplannable('the schema has items without the one type');
  if (part.kind === 'wrong') return wrong;
  if (part.kind === 'known') {
    if (!isList(part.value)) return wrong;
    return logical(
      'and',
      part.value.map((item) => valid(of, placeOf(known(item)))),
    );
  }
  const item = variable('item', 'json');
  return operation('all', [part, operation('lambda', [valid(of, placeOf(item)), item], 'any')], 'boolean');
}
