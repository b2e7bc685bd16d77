import { PortcullisError, type PolicyDocument } from '@portcullis/core';
import { z } from 'zod';

const rule = z.object({
  actions: z.array(z.string()).optional(),
  effect: z.string().optional(),
  roles: z.array(z.string()).optional(),
  derivedRoles: z.array(z.string()).optional(),
  condition: z.unknown().optional(),
  name: z.string().optional(),
});
const scoped = {
  version: z.string().optional(),
  scope: z.string().optional(),
  scopePermissions: z.string().optional(),
};
const document = z.object({
  apiVersion: z.string(),
  disabled: z.boolean().optional(),
  resourcePolicy: z.object({ resource: z.string(), ...scoped, rules: z.array(rule).optional() }).optional(),
  principalPolicy: z
    .object({
      principal: z.string(),
      ...scoped,
      rules: z
        .array(
          z.object({
            resource: z.string(),
            actions: z.array(
              z.object({ action: z.string(), effect: z.string().optional(), condition: z.unknown().optional() }),
            ),
          }),
        )
        .optional(),
    })
    .optional(),
  rolePolicy: z
    .object({
      role: z.string(),
      ...scoped,
      rules: z
        .array(
          z.object({
            resource: z.string(),
            allowActions: z.array(z.string()).optional(),
            condition: z.unknown().optional(),
          }),
        )
        .optional(),
    })
    .optional(),
  derivedRoles: z.object({ name: z.string() }).optional(),
  exportVariables: z.object({ name: z.string() }).optional(),
  exportConstants: z.object({ name: z.string() }).optional(),
});

const parentalConsent = 'SCOPE_PERMISSIONS_REQUIRE_PARENTAL_CONSENT_FOR_ALLOWS';

/**
 * What a policy is about.
 *
 * @param written - the document as the file says it
 * @returns `undefined` for one that is disabled or empty
 * @throws PortcullisError `policies_invalid`, which names the file
 */
export function describePolicy(file: string, written: unknown): PolicyDocument | undefined {
  if (written === null) return undefined;
  const result = document.safeParse(written);
  if (!result.success)
    throw new PortcullisError(
      'policies_invalid',
      `${file}: ${z.prettifyError(result.error).split('\n')[0] ?? 'is malformed'}`,
    );
  return describeValid(file, result.data, written);
}

/** What a policy is about of which it is known that it is one: `valid` is what was read, and `written` what it was read from. */
export function describeValid(
  file: string,
  valid: z.infer<typeof document>,
  written: unknown,
): PolicyDocument | undefined {
  const described = valid.disabled === true ? undefined : describe(file, valid);
  return described === undefined ? undefined : { ...described, text: JSON.stringify(written) };
}

function describe(file: string, policy: z.infer<typeof document>): Omit<PolicyDocument, 'text'> | undefined {
  if (policy.resourcePolicy !== undefined) {
    const { resource, rules = [] } = policy.resourcePolicy;
    return {
      ...about(file, 'resource', resource, policy.resourcePolicy),
      rules: rules.map(({ actions = [], effect, roles = [], derivedRoles = [], condition }) => ({
        actions,
        effect: effectOf(effect),
        roles,
        derivedRoles,
        condition: textOf(condition),
        resource,
      })),
    };
  }
  if (policy.principalPolicy !== undefined) {
    const { principal, rules = [] } = policy.principalPolicy;
    return {
      ...about(file, 'principal', principal, policy.principalPolicy),
      rules: rules.flatMap(({ resource, actions }) =>
        actions.map(({ action, effect, condition }) => ({
          actions: [action],
          effect: effectOf(effect),
          roles: [],
          derivedRoles: [],
          condition: textOf(condition),
          resource,
        })),
      ),
    };
  }
  if (policy.rolePolicy !== undefined) {
    const { role, rules = [] } = policy.rolePolicy;
    return {
      ...about(file, 'role', role, policy.rolePolicy),
      rules: rules.map(({ resource, allowActions = [], condition }) => ({
        actions: allowActions,
        effect: 'allow',
        roles: [role],
        derivedRoles: [],
        condition: textOf(condition),
        resource,
      })),
    };
  }
  if (policy.derivedRoles !== undefined)
    return { ...about(file, 'derived_roles', policy.derivedRoles.name, {}), rules: [] };
  if (policy.exportVariables !== undefined)
    return { ...about(file, 'variables', policy.exportVariables.name, {}), rules: [] };
  if (policy.exportConstants !== undefined)
    return { ...about(file, 'constants', policy.exportConstants.name, {}), rules: [] };
  return undefined;
}

function about(
  file: string,
  kind: PolicyDocument['kind'],
  name: string,
  {
    version = 'default',
    scope = '',
    scopePermissions,
  }: { version?: string | undefined; scope?: string | undefined; scopePermissions?: string | undefined },
): Omit<PolicyDocument, 'rules' | 'text'> {
  return { file, kind, name, version, scope, requiresParentalConsent: scopePermissions === parentalConsent };
}

function effectOf(effect: string | undefined): 'allow' | 'deny' {
  return effect === 'EFFECT_DENY' ? 'deny' : 'allow';
}

function textOf(condition: unknown): string {
  return condition === undefined ? '' : JSON.stringify(condition);
}
