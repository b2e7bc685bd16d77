import { ByName, valueOf } from './by-name.js';
import { scopeChain } from './names.js';
import type { PrincipalScope, ResourceScope, Table } from './table.js';

/** The resource and role policies of a scope; made when it is new. */
export function resourceScope({ resourceScopes }: Table, name: string): ResourceScope {
  return valueOf(resourceScopes, name, () => ({
    name,
    above: undefined,
    needsConsent: false,
    versions: new Map(),
    roles: new Map(),
    roleKinds: new ByName(),
    parentRoles: new Map(),
  }));
}

/** The principal policies of a scope; made when it is new. */
export function principalScope({ principalScopes }: Table, name: string): PrincipalScope {
  return valueOf(principalScopes, name, () => ({
    name,
    above: undefined,
    needsConsent: false,
    versions: new Map(),
  }));
}

/** Links each scope to the next above it, and says which need consent, whichever of their policies said so. */
export function linkScopes({ resourceScopes, principalScopes }: Table, consentScopes: ReadonlySet<string>): void {
  link(resourceScopes, consentScopes);
  link(principalScopes, consentScopes);
}

function link<Scope extends { readonly name: string; above: Scope | undefined; needsConsent: boolean }>(
  scopes: ReadonlyMap<string, Scope>,
  consentScopes: ReadonlySet<string>,
): void {
  for (const scope of scopes.values()) {
    scope.needsConsent = consentScopes.has(scope.name);
    const [, ...above] = scope.name === '' ? [''] : scopeChain(scope.name);
    const next = above.find((name) => scopes.has(name));
    scope.above = next === undefined ? undefined : scopes.get(next);
  }
}

/** The most specific scope with policies that a question of a scope is answered from. */
export function nearestScope<Scope>(scopes: ReadonlyMap<string, Scope>, name: string): Scope | undefined {
  if (scopes.size === 0) return undefined;
  const known = scopes.get(name);
  if (known !== undefined || name === '') return known;
  // Not by the whole chain: this is asked for each question of a tenant without policies of its own.
  for (let dot = name.lastIndexOf('.'); dot > 0; dot = name.lastIndexOf('.', dot - 1)) {
    const scope = scopes.get(name.slice(0, dot));
    if (scope !== undefined) return scope;
  }
  return scopes.get('');
}
