import { isTenantId, type CheckRequest, type Principal, type Resource } from '@portcullis/core';
import { z } from 'zod';
import { severalSubjects } from './roles.js';

/** How the port’s question becomes a request of casbin. */
export interface Mapping {
  readonly subject: 'roles' | 'id' | 'roles_and_id';
  readonly roles: 'together' | 'apart';
  readonly object: 'kind' | 'kind:id';
}

/** What begins an id where it stands beside roles: no role may begin so. */
const userPrefix = 'user:';

/** The role of a principal that has none in the tenant, as with the other engines. */
const noRole = 'none';

/** One subject to ask about: what `r.sub` is, and the names that it stands for. */
export interface Subject {
  readonly subject: string;
  readonly names: readonly string[];
}

/** The subjects to ask about, one after the other. */
export function subjectsOf({ id, roles }: Principal, mapping: Mapping): readonly Subject[] {
  if (mapping.subject === 'id') return [{ subject: id, names: [id] }];
  const names = roles.length === 0 ? [noRole] : [...roles];
  if (mapping.subject === 'roles_and_id') names.push(`${userPrefix}${id}`);
  return mapping.roles === 'apart'
    ? names.map((name) => ({ subject: severalSubjects, names: [name] }))
    : [{ subject: severalSubjects, names }];
}

export function objectOf({ kind, id }: Pick<Resource, 'kind' | 'id'>, mapping: Mapping): string {
  return mapping.object === 'kind' ? kind : `${kind}:${id}`;
}

/** Whether somebody asks about another tenant than its own. */
export function isCrossTenant(scope: string, { attr }: Principal, tenant: string): boolean {
  return scope !== tenant || (Object.hasOwn(attr, 'tenant') && attr['tenant'] !== tenant);
}

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);
const anObject = z.custom<object>(isObject);
const shape = z.object({
  principal: z.object({ roles: z.array(z.string()), attr: anObject }),
  questions: z.array(z.object({ resource: anObject, actions: z.array(z.string()) })),
});

/** Whether a request has all its parts: one from plain JavaScript may not. */
export function isShaped(request: unknown): boolean {
  return shape.safeParse(request).success;
}

/** What is wrong with a request; `undefined` where it can be answered. */
export function malformation(
  { principal, scope, policyVersion, questions }: Omit<CheckRequest, 'questions'> & Partial<CheckRequest>,
  mapping: Mapping,
): string | undefined {
  if (!isTenantId(scope)) return 'the scope is not a tenant';
  if (policyVersion !== undefined && policyVersion !== 'default') return 'casbin has no policy versions';
  if (!isName(principal.id)) return 'the principal has no id, or one with characters that cannot be seen';
  if (!principal.roles.every(isName)) return 'a role has no name, or one with characters that cannot be seen';
  if (mapping.subject === 'roles_and_id' && principal.roles.some((role) => role.startsWith(userPrefix)))
    return `a role begins with \`${userPrefix}\``;
  for (const { resource, actions } of questions ?? []) {
    if (!isName(resource.kind) || !isName(resource.id)) return 'a resource has no kind or id, or an unreadable one';
    if (mapping.object === 'kind:id' && resource.kind.includes(':')) return 'a kind has a colon in it';
    if (actions.length === 0 || !actions.every(isName)) return 'a question has no action, or an unreadable one';
  }
  return undefined;
}

function isName(value: unknown): boolean {
  return typeof value === 'string' && value !== '' && !/\p{Cc}|\p{Cs}/u.test(value);
}
