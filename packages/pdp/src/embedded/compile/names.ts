import { valueOf } from './by-name.js';

/**
 * Names as Cerbos writes them in the names of policies: of names in its older, narrower form, what is no word is `_`,
 * so that `my-kind` and `my_kind` are one kind to it.
 *
 * @see internal/namer of https://github.com/cerbos/cerbos
 */
export function sanitized(name: string): string {
  if (/^[\w.]*$/.test(name)) return name;
  return /^[A-Za-z][\w@.\-/]*(:[A-Za-z][\w@.\-/]*)*$/.test(name) ? name.replace(/[^\w.]+/g, '_') : name;
}

/** The name of a policy, as decisions give it. */
export function policyName(kind: 'resource' | 'principal', name: string, version: string, scope: string): string {
  return withScope(`${kind}.${sanitized(name)}.v${version}`, scope);
}

export function withScope(name: string, scope: string): string {
  return scope === '' ? name : `${name}/${scope}`;
}

/** A scope and all above it, the most specific first; the last is the base, `''`. */
export function scopeChain(scope: string): readonly string[] {
  const chain: string[] = [];
  for (let rest = scope; rest !== ''; rest = rest.slice(0, Math.max(0, rest.lastIndexOf('.')))) chain.push(rest);
  return [...chain, ''];
}

/** The same text for the same name. */
export function names(): (name: string) => string {
  const known = new Map<string, string>();
  return (name) => valueOf(known, name, () => name);
}
