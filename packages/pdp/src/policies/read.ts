import { readdir, readFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { PortcullisError, type PolicyDocument } from '@portcullis/core';

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

/** The names of the policy files below a folder: what the engine would load. Tests, schemas and hidden files are not. */
export async function policyFiles(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((cause: unknown) => {
    throw new PortcullisError('policies_invalid', `the policy folder \`${folder}\` cannot be read`, { cause });
  });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((file) => /\.(ya?ml|json)$/.test(file) && !/_test\.(ya?ml|json)$/.test(file))
    .filter(
      (file) => !file.split('/').some((part) => part.startsWith('.') || part === '_schemas' || part === 'testdata'),
    )
    .sort();
}

/**
 * Reads the policies below a folder.
 *
 * @throws PortcullisError `policies_invalid`, which names the file
 */
export async function readPolicies(folder: string): Promise<readonly PolicyDocument[]> {
  const files = await policyFiles(folder);
  const read = await Promise.all(
    files.map(async (file) => readFileDocuments(file, await readFile(join(folder, file), 'utf8'))),
  );
  return read.flat();
}

function readFileDocuments(file: string, text: string): readonly PolicyDocument[] {
  return [...parseAllDocuments(text)].flatMap((parsed) => {
    if (parsed.errors.length > 0) {
      throw new PortcullisError(
        'policies_invalid',
        `${file}: ${parsed.errors[0]?.message.split('\n')[0] ?? 'is not YAML'}`,
      );
    }
    const value: unknown = parsed.toJS();
    if (value === null) return [];
    const result = document.safeParse(value);
    if (!result.success)
      throw new PortcullisError(
        'policies_invalid',
        `${file}: ${z.prettifyError(result.error).split('\n')[0] ?? 'is malformed'}`,
      );
    const described = result.data.disabled === true ? undefined : describe(file, result.data);
    return described === undefined ? [] : [{ ...described, text: JSON.stringify(value) }];
  });
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
