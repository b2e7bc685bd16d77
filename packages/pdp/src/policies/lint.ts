import { z } from 'zod';
import { PortcullisError, type PolicyDocument } from '@portcullis/core';

/** Something about a policy that the engine accepts and a reviewer should not. */
export interface PolicyFinding {
  readonly severity: 'error' | 'warning';
  readonly rule:
    'scope_may_widen' | 'deny_may_err' | 'role_without_rules' | 'role_conditions_mix' | 'scope_without_schema';
  readonly file: string;
  readonly message: string;
}

/**
 * Looks for what is valid and dangerous.
 *
 * `scope_may_widen` (error): a scoped policy without parental consent can allow what the base policy does not; a
 * tenant's policy may only narrow. `deny_may_err` (warning): a deny rule whose condition reads an attribute without
 * `has(…)`; where the attribute is missing the condition errs, and a rule that errs does not deny.
 * `role_without_rules` (error): a role policy without rules has all that its parents have. `role_conditions_mix` (error):
 * a role policy with conditions on `*` and on a named kind; asked for several actions at once, Cerbos 0.51 takes one
 * condition for the other. `scope_without_schema` (warning): a scope has policies, but none for a kind whose base policy
 * has schemas; in that scope, attributes of the kind are not validated.
 *
 * @see https://docs.cerbos.dev/cerbos/latest/policies/scoped_policies
 */
export function lintPolicies(policies: readonly PolicyDocument[]): readonly PolicyFinding[] {
  return [
    ...policies.flatMap((policy) => [...scopeFindings(policy), ...denyFindings(policy), ...roleFindings(policy)]),
    ...schemaFindings(policies),
  ];
}

/**
 * Refuses policies with errors.
 *
 * @param allowWideningScopes - lets `scope_may_widen` pass, and no other error
 * @returns the warnings
 * @throws PortcullisError `policies_invalid`
 */
export function warningsOf(
  policies: readonly PolicyDocument[],
  allowWideningScopes: boolean,
): readonly PolicyFinding[] {
  const findings = lintPolicies(policies);
  const errors = findings
    .filter(({ severity }) => severity === 'error')
    .filter(({ rule }) => !(allowWideningScopes && rule === 'scope_may_widen'));
  if (errors.length > 0)
    throw new PortcullisError('policies_invalid', errors.map(({ file, message }) => `${file}: ${message}`).join('\n'));
  return findings.filter(({ severity }) => severity === 'warning');
}

const withSchemas = z.object({
  resourcePolicy: z.object({
    schemas: z.object({ principalSchema: z.unknown().optional(), resourceSchema: z.unknown().optional() }),
  }),
});

function hasSchemas({ text }: PolicyDocument): boolean {
  // Most have none, and need not be read for it.
  if (!text.includes('"schemas":')) return false;
  const { data } = withSchemas.safeParse(JSON.parse(text));
  const schemas = data?.resourcePolicy.schemas;
  return schemas?.principalSchema !== undefined || schemas?.resourceSchema !== undefined;
}

/** The schemas that count are those of the policy of the scope that is asked in; where there is none, none count. */
function schemaFindings(policies: readonly PolicyDocument[]): readonly PolicyFinding[] {
  const resources = policies.filter(({ kind }) => kind === 'resource');
  const scopes = new Set(
    policies.filter(({ kind }) => kind === 'resource' || kind === 'role').map(({ scope }) => scope),
  );
  return resources
    .filter((policy) => policy.scope === '' && hasSchemas(policy))
    .flatMap(({ name, version, file }) => {
      const own = new Set(
        resources.filter((one) => one.name === name && one.version === version).map(({ scope }) => scope),
      );
      return [...scopes]
        .filter((scope) => scope !== '' && !own.has(scope))
        .map((scope): PolicyFinding => ({
          severity: 'warning',
          rule: 'scope_without_schema',
          file,
          message: `the scope \`${scope}\` has policies, but none for the kind \`${name}\` in the version \`${version}\`: there, its attributes are not validated; add one without rules`,
        }));
    });
}

function scopeFindings(policy: PolicyDocument): readonly PolicyFinding[] {
  if (policy.scope === '' || policy.requiresParentalConsent || policy.kind === 'role') return [];
  return [
    {
      severity: 'error',
      rule: 'scope_may_widen',
      file: policy.file,
      message: `the policy of scope \`${policy.scope}\` can widen its parent: set scopePermissions to SCOPE_PERMISSIONS_REQUIRE_PARENTAL_CONSENT_FOR_ALLOWS`,
    },
  ];
}

function roleFindings({ kind, name, file, rules }: PolicyDocument): readonly PolicyFinding[] {
  if (kind !== 'role') return [];
  if (rules.length === 0)
    return [
      {
        severity: 'error',
        rule: 'role_without_rules',
        file,
        message: `the role \`${name}\` has no rules, and so all that its parents have: give it a rule that is never true to give it nothing`,
      },
    ];
  const conditional = rules.filter(({ condition }) => condition !== '').map(({ resource }) => resource);
  if (!conditional.includes('*') || conditional.every((resource) => resource === '*')) return [];
  return [
    {
      severity: 'error',
      rule: 'role_conditions_mix',
      file,
      message: `the role \`${name}\` has conditions on \`*\` and on a named kind, which the engine mixes up when it is asked for several actions at once`,
    },
  ];
}

const attribute = /\b(?:R|P|request\.resource|request\.principal)\.attr\.(\w+)/g;

function denyFindings(policy: PolicyDocument): readonly PolicyFinding[] {
  return policy.rules
    .filter((rule) => rule.effect === 'deny')
    .flatMap((rule) => {
      const unguarded = [...rule.condition.matchAll(attribute)]
        .map((match) => match[0])
        .filter((read) => !alwaysSent.has(read.replace(/^request\.resource/, 'R').replace(/^request\.principal/, 'P')))
        .filter((read) => !rule.condition.includes(`has(${read})`));
      return [...new Set(unguarded)].map((read): PolicyFinding => ({
        severity: 'warning',
        rule: 'deny_may_err',
        file: policy.file,
        message: `a deny rule on \`${rule.actions.join(', ')}\` reads \`${read}\` without \`has(${read})\`: where it is missing, the rule does not deny`,
      }));
    });
}

/** What the gate puts into every question. */
const alwaysSent: ReadonlySet<string> = new Set([
  'R.attr.tenant',
  ...[
    'tenant',
    'plan',
    'features',
    'scopes',
    'issuer',
    'provider',
    'subject',
    'kind',
    'token_roles',
    'groups_known',
    'actors',
  ].map((name) => `P.attr.${name}`),
]);
