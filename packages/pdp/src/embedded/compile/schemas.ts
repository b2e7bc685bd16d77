import { Validator, type Schema } from '@cfworker/json-schema';
import { z } from 'zod';
import type { ResourcePolicy } from '../load/document.js';
import type { PolicyFolder } from '../load/folder.js';
import { refusal, type Place } from '../load/place.js';
import { globMatcher } from './glob.js';
import type { AttributeSchema, PolicySchemas } from './table.js';

/** The keywords that two validators were seen to take alike. Others are refused, `pattern`, `format` and `$ref` too. */
const count = z.int().min(0);
const type = z.enum(['array', 'boolean', 'integer', 'null', 'number', 'object', 'string']);
const schema: z.ZodType = z.lazy(() =>
  z.union([
    z.boolean(),
    z.strictObject({
      $schema: z.literal('https://json-schema.org/draft/2020-12/schema').optional(),
      $comment: z.string().optional(),
      title: z.string().optional(),
      description: z.string().optional(),
      type: z.union([type, z.array(type).min(1)]).optional(),
      enum: z.array(z.json()).min(1).optional(),
      const: z.json().optional(),
      properties: z.record(z.string(), schema).optional(),
      additionalProperties: schema.optional(),
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
      oneOf: z.array(schema).min(1).optional(),
      not: schema.optional(),
    }),
  ]),
);

/** A schema of a file. It is given on as it is, once it was looked through. */
const supported = z.custom<Schema>((value) => typeof value === 'object' && schema.safeParse(value).success);

/**
 * The schemas of a policy, ready to validate.
 *
 * @throws PortcullisError `policies_invalid`
 */
export function policySchemas(
  place: Place,
  schemas: ResourcePolicy['schemas'],
  { schemas: known }: PolicyFolder,
): PolicySchemas | undefined {
  if (schemas === undefined) return undefined;
  const one = (member: 'principalSchema' | 'resourceSchema'): AttributeSchema | undefined => {
    const reference = schemas[member];
    if (reference === undefined) return undefined;
    const path = ['resourcePolicy', 'schemas', member, 'ref'];
    const file = reference.ref.slice('cerbos:///'.length);
    if (!known.has(file)) throw refusal(place, path, `there is no schema \`${file}\``);
    const parsed = supported.safeParse(known.get(file));
    if (!parsed.success)
      throw refusal(
        { file: `_schemas/${file}`, lineOf: () => 1 },
        [],
        'the schema has a keyword that is not supported',
      );
    const validator = new Validator(parsed.data, '2020-12');
    return {
      accepts: (attributes) => validator.validate(attributes).valid,
      document: parsed.data,
      ignoredActions: (reference.ignoreWhen?.actions ?? []).map(globMatcher),
    };
  };
  return { principal: one('principalSchema'), resource: one('resourceSchema') };
}
