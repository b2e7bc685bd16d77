import { PortcullisError } from '@portcullis/core';

/** Which other scopes a scope includes: `{ 'docs:write': ['docs:read'] }`. */
export type ScopeImplications = Readonly<Record<string, readonly string[]>>;

/**
 * Requires all scopes of an operation, and asks for all of them in one challenge when one is missing.
 *
 * @throws PortcullisError `scope_insufficient`, with `data.scopes`: everything that the operation needs
 * @see MCP authorization, "Scope challenge handling"; RFC 6750, section 3.1
 */
export function requireScopes(
  required: readonly string[],
  granted: readonly string[],
  implies: ScopeImplications,
): void {
  if (required.length === 0) return;
  const held = new Set<string>();
  const pending = [...granted];
  for (let scope = pending.pop(); scope !== undefined; scope = pending.pop()) {
    if (held.has(scope)) continue;
    held.add(scope);
    if (Object.hasOwn(implies, scope)) pending.push(...(implies[scope] ?? []));
  }
  if (required.every((scope) => held.has(scope))) return;
  throw new PortcullisError('scope_insufficient', undefined, { data: { scopes: required } });
}
