import type { CheckRequest } from '@portcullis/core';

const scopeForm = /^([0-9A-Za-z][\w-]*(\.[\w-]+)*)?$/;

/**
 * What is wrong with a request, as Cerbos would refuse it too; `undefined` where it can be answered.
 */
export function malformation(request: CheckRequest, policyVersion: string): string | undefined {
  const { principal, scope, questions } = request;
  if (principal.id === '') return 'the principal has no id';
  const role = emptyOrRepeated(principal.roles);
  if (role !== undefined) return role === '' ? 'a role has no name' : 'a role is there twice';
  if (scope !== '' && !scopeForm.test(scope)) return 'the scope is malformed';
  if (policyVersion !== 'default' && !/^\w*$/.test(policyVersion)) return 'the policy version is malformed';
  for (const { resource, actions } of questions) {
    if (resource.kind === '' || resource.id === '') return 'a resource has no kind or no id';
    if (typeof resource.tenant !== 'string' || !resource.tenant.isWellFormed()) return 'the owner is malformed';
    if (actions.length === 0 || emptyOrRepeated(actions) === '') return 'a question has no action';
  }
  return undefined;
}

/** A name of a list that is empty, or is there twice. */
function emptyOrRepeated(names: readonly string[]): string | undefined {
  if (names.length > 8) return names.includes('') ? '' : repeated(names);
  for (let position = 0; position < names.length; position++) {
    const name = names[position];
    if (name === '' || (position > 0 && name !== undefined && names.indexOf(name) !== position)) return name;
  }
  return undefined;
}

function repeated(names: readonly string[]): string | undefined {
  const seen = new Set<string>();
  return names.find((name) => seen.size === seen.add(name).size);
}
