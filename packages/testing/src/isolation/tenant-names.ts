/** Two or more tenants whose names a careless mapping may confuse. */
export type TenantFamily = readonly [string, string, ...string[]];

const alike = (length: number): TenantFamily => [`${'x'.repeat(length)}a`, `${'x'.repeat(length)}b`];

/**
 * Families of tenant names, each within the grammar of tenant ids. The first is ordinary: a counterexample that needs
 * no odd names is shown with these.
 */
export const adversarialFamilies: readonly TenantFamily[] = [
  ['acme', 'globex'],
  ['acme', 'globex', 'initech'],
  // One is the beginning of the other.
  ['a', 'ab'],
  ['a', 'a-b', 'a-b-c'],
  ['a', 'a_b', 'a_b_c'],
  ['acme', 'tenant_acme'],
  // The same once odd characters are dropped or replaced.
  ['ab', 'a-b', 'a_b'],
  ['a--b', 'a-b'],
  // The same without regard to case.
  ['acme', 'Acme', 'ACME'],
  // The same once cut off: 63 bytes is the longest name in PostgreSQL, and a prefix makes it shorter.
  alike(63),
  alike(60),
  alike(56),
  alike(55),
  alike(50),
  alike(31),
  // Names that mean something to a database, a language or a file system.
  ['public', 'acme'],
  ['pg_catalog', 'pg_temp'],
  ['information_schema', 'acme'],
  ['postgres', 'current_user'],
  ['null', 'default'],
  ['undefined', 'null'],
  ['constructor', 'prototype'],
  ['hasOwnProperty', 'toString'],
  ['true', 'false'],
  // Equal as numbers.
  ['0', '00'],
  ['1', '01', '1e0'],
];

/** Whether a family has names that nothing should stumble over. */
export function isOrdinary(family: readonly string[]): boolean {
  return family.every((name) => ['acme', 'globex', 'initech'].includes(name));
}

/** Families of given names: all together, and each pair. */
export function familiesOf(names: readonly string[]): readonly TenantFamily[] {
  const pairs = names.flatMap((one, at) => names.slice(at + 1).map((two): TenantFamily => [one, two]));
  const [first, second, ...rest] = names;
  return first === undefined || second === undefined || rest.length === 0
    ? pairs
    : [...pairs, [first, second, ...rest]];
}
