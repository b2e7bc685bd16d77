import { z } from 'zod';
import { isSupportedPattern } from '../compile/glob.js';

/** Every member that is known. A member that is not listed is refused: it would mean something to Cerbos. */
const name = z.string().regex(/^[A-Za-z_][\w@.\-/]*$/, 'the form of this name is not supported');
const identifier = z.string().regex(/^[A-Za-z_]\w*$/, 'the form of this name is not supported');
const text = z.string().min(1);
/**
 * A name with wildcards. Without `*` in it, Cerbos takes it for a pattern or for a name, depending on which other actions
 * are asked about at the same time.
 */
const pattern = text.refine(
  isSupportedPattern,
  'of wildcards only `*`, `**` and, beside one of them, `{a,b}` and escapes are supported, all of them in ASCII, and no text that goes on behind `**` as it ended before',
);
/** A name without any. */
const plain = text.regex(/^[^*?[\]{}!\\]*$/, 'wildcards are not supported here');
const role = text.regex(/^(\*|[^*?[\]{}!\\]*)$/, 'of wildcards only `*` as such is supported here');
const scope = z.string().regex(/^([0-9A-Za-z][\w-]*(\.[\w-]+)*)?$/, 'a scope has to be made of names and dots');
const version = z.string().regex(/^\w+$/, 'a version has to be a word');
const effect = z.enum(['EFFECT_ALLOW', 'EFFECT_DENY']);

/** A condition: one expression, or a list of conditions taken together. */
export type Match =
  | { readonly expr: string }
  | { readonly all: { readonly of: readonly Match[] } }
  | { readonly any: { readonly of: readonly Match[] } }
  | { readonly none: { readonly of: readonly Match[] } };

const of = z.lazy(() => z.strictObject({ of: z.array(match).min(1) }));
const match: z.ZodType<Match> = z.lazy(() =>
  z.union([
    z.strictObject({ expr: text }),
    z.strictObject({ all: of }),
    z.strictObject({ any: of }),
    z.strictObject({ none: of }),
  ]),
);
const condition = z.strictObject({ match }).optional();
const output = z
  .strictObject({ when: z.strictObject({ ruleActivated: text.optional(), conditionNotMet: text.optional() }) })
  .optional();
const json = z.json();
const variables = z
  .strictObject({ import: z.array(text).optional(), local: z.record(identifier, text).optional() })
  .optional();
const constants = z
  .strictObject({ import: z.array(text).optional(), local: z.record(identifier, json).optional() })
  .optional();
const scopePermissions = z
  .enum(['SCOPE_PERMISSIONS_OVERRIDE_PARENT', 'SCOPE_PERMISSIONS_REQUIRE_PARENTAL_CONSENT_FOR_ALLOWS'])
  .optional();
const ignoreWhen = z.strictObject({ actions: z.array(pattern).min(1) }).optional();
const schemaRef = z
  .strictObject({
    ref: z.string().regex(/^cerbos:\/\/\/[\w.\-/]+$/, 'only schemas of the folder are supported'),
    ignoreWhen,
  })
  .optional();

const resourcePolicy = z.strictObject({
  resource: plain,
  version,
  scope: scope.optional(),
  scopePermissions,
  importDerivedRoles: z.array(text).optional(),
  variables,
  constants,
  schemas: z.strictObject({ principalSchema: schemaRef, resourceSchema: schemaRef }).optional(),
  rules: z
    .array(
      z.strictObject({
        name: name.optional(),
        actions: z.array(pattern).min(1),
        effect,
        roles: z.array(role).optional(),
        derivedRoles: z.array(identifier).optional(),
        condition,
        output,
      }),
    )
    .default([]),
});

const principalPolicy = z.strictObject({
  principal: plain,
  version,
  scope: scope.optional(),
  scopePermissions,
  variables,
  constants,
  rules: z
    .array(
      z.strictObject({
        resource: pattern,
        actions: z.array(z.strictObject({ name: name.optional(), action: pattern, effect, condition, output })).min(1),
      }),
    )
    .default([]),
});

const rolePolicy = z.strictObject({
  role: plain,
  // Role policies count in this version alone, whatever they say.
  version: z.literal('default').optional(),
  scope: scope.optional(),
  scopePermissions: z.literal('SCOPE_PERMISSIONS_REQUIRE_PARENTAL_CONSENT_FOR_ALLOWS').optional(),
  parentRoles: z.array(plain).optional(),
  rules: z
    .array(z.strictObject({ resource: pattern, allowActions: z.array(pattern).min(1), condition }))
    .min(1, 'a role policy without rules is not supported'),
});

const derivedRoles = z.strictObject({
  name: text,
  variables,
  constants,
  definitions: z.array(z.strictObject({ name: identifier, parentRoles: z.array(role).min(1), condition })).min(1),
});

/** One document of a policy file. */
export const policyDocument = z
  .strictObject({
    $schema: z.string().optional(),
    apiVersion: z.literal('api.cerbos.dev/v1'),
    description: z.string().optional(),
    disabled: z.boolean().optional(),
    metadata: z.unknown().optional(),
    resourcePolicy: resourcePolicy.optional(),
    principalPolicy: principalPolicy.optional(),
    rolePolicy: rolePolicy.optional(),
    derivedRoles: derivedRoles.optional(),
    exportVariables: z.strictObject({ name: text, definitions: z.record(identifier, text) }).optional(),
    exportConstants: z.strictObject({ name: text, definitions: z.record(identifier, json) }).optional(),
  })
  .refine(
    (document) =>
      [
        document.resourcePolicy,
        document.principalPolicy,
        document.rolePolicy,
        document.derivedRoles,
        document.exportVariables,
        document.exportConstants,
      ].filter((policy) => policy !== undefined).length === 1,
    'a document has to be exactly one policy',
  );

export type PolicyDocumentOf = z.infer<typeof policyDocument>;
export type ResourcePolicy = z.infer<typeof resourcePolicy>;
export type PrincipalPolicy = z.infer<typeof principalPolicy>;
export type RolePolicy = z.infer<typeof rolePolicy>;
export type Variables = z.infer<typeof variables>;
export type Constants = z.infer<typeof constants>;
export type OutputOf = z.infer<typeof output>;
