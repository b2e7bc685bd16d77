import type { CheckRequest } from '@portcullis/core';

/** How long an id, a kind, an action, a role or a scope may be, in UTF-16 units. */
const maxLength = 1024;
/** How many roles a principal may have, and how many actions a question. */
const maxNames = 1000;

const scopeForm = /^([0-9A-Za-z][\w-]*(\.[\w-]+)*)?$/;

/**
 * What is wrong with a request; `undefined` where it can be answered. What Cerbos refuses is refused here as well. Names
 * are held to more than there: they are well-formed text of at most 1,024 characters, and a principal has at most 1,000
 * roles, a question at most 1,000 actions. What they are compared with takes time that grows with them.
 *
 * @param isKnownPlace - whether its scope and version were looked at before
 */
export function malformation(request: CheckRequest, policyVersion: string, isKnownPlace = false): string | undefined {
  const { principal, scope, questions } = request;
  if (principal.id === '') return 'the principal has no id';
  if (!isName(principal.id)) return 'the id of the principal is malformed';
  const roles = wrongIn(principal.roles);
  if (roles !== undefined) return `of the roles, ${roles}`;
  if (!isKnownPlace) {
    if (scope !== '' && !(isName(scope) && scopeForm.test(scope))) return 'the scope is malformed';
    if (!(isName(policyVersion) && /^\w*$/.test(policyVersion))) return 'the policy version is malformed';
  }
  for (const { resource, actions } of questions) {
    if (resource.kind === '' || resource.id === '') return 'a resource has no kind or no id';
    if (!isName(resource.kind) || !isName(resource.id)) return 'the kind or the id of a resource is malformed';
    if (!isName(resource.tenant)) return 'the owner is malformed';
    const action = wrongIn(actions);
    if (action !== undefined) return `of the actions, ${action}`;
    if (actions.length === 0) return 'a question has no action';
  }
  return undefined;
}

/** Whoever is not held to types may send anything. */
function isName(value: unknown): boolean {
  return typeof value === 'string' && value.length <= maxLength && value.isWellFormed();
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

/** What is wrong with a list of names. */
function wrongIn(names: unknown): string | undefined {
  if (!isList(names)) return 'there is no list';
  if (names.length > maxNames) return 'there are more than 1,000';
  const seen = names.length > 8 ? new Set<unknown>() : undefined;
  for (let position = 0; position < names.length; position++) {
    const name = names[position];
    if (name === '') return 'one is empty';
    if (!isName(name)) return 'one is malformed';
    const isRepeated =
      seen === undefined ? position > 0 && names.indexOf(name) !== position : seen.size === seen.add(name).size;
    if (isRepeated) return 'one is there twice';
  }
  return undefined;
}
