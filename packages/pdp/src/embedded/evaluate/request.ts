import type { CheckRequest } from '@portcullis/core';

const scopeForm = /^([0-9A-Za-z][\w-]*(\.[\w-]+)*)?$/;

/**
 * What is wrong with a request, as Cerbos would refuse it too; `undefined` where it can be answered.
 */
export function malformation(request: CheckRequest, policyVersion: string): string | undefined {
  const { principal, scope, questions } = request;
  if (principal.id === '') return 'the principal has no id';
  if (principal.roles.includes('')) return 'a role has no name';
  if (new Set(principal.roles).size !== principal.roles.length) return 'a role is there twice';
  if (!scopeForm.test(scope)) return 'the scope is malformed';
  if (!/^\w*$/.test(policyVersion)) return 'the policy version is malformed';
  for (const { resource, actions } of questions) {
    if (resource.kind === '' || resource.id === '') return 'a resource has no kind or no id';
    if (actions.length === 0 || actions.includes('')) return 'a question has no action';
  }
  return undefined;
}
