import type { Activation } from './expression.js';
import { resourceWith } from './request-fields.js';
import type { CelValue } from './cel-value.js';
import { emptyMap, mapOf } from './value.js';
import { Work } from './work.js';

/** For tests: what an expression may name. */
export const testNames = {
  variables: new Set<string>(),
  constants: new Set(['limit']),
  onVariable: (): void => undefined,
  onRuntime: (): void => undefined,
};

/** For tests: a question about a resource with these attributes. */
export function testActivation(attr: Readonly<Record<string, CelValue>> = {}, work = new Work()): Activation {
  return {
    principal: { id: 'p', roles: ['member'], attr: emptyMap() },
    resource: resourceWith({ kind: 'note', id: '1', attr: mapOf(Object.entries(attr)) }),
    scope: '',
    policyVersion: 'default',
    variables: emptyMap(),
    constants: mapOf([['limit', 3]]),
    globals: mapOf([['region', 'eu']]),
    runtime: { effectiveDerivedRoles: ['owner'], nowMs: Date.UTC(2024, 0, 1) },
    locals: [],
    work,
  };
}
