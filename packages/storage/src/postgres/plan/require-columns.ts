import { PortcullisError, type PolicyDocument } from '@portcullis/core';
import { resolveColumns, type ColumnMap } from './columns.js';

/** A resource's attribute in an expression: `R.attr.x`, `request.resource.attr["x"]`. */
const attribute = /\b(?:R|request\.resource)\.attr(?:\.(\w+)|\[["']([^"'\\]+)["']\])/g;

/** What the engine plans otherwise than it checks, and a plan does not show. */
const misplanned: readonly (readonly [construct: RegExp, what: string])[] = [
  [/\}\s*\[\s*(?:R|request\.resource)\./, 'an attribute as the key of a map that is written out'],
  [/(?:^|[^"'\w])[bB]["']/, 'a bytes literal'],
];

/**
 * Looks, at start-up, whether a column map serves all that the policies of a kind read, so that lists by plan are never
 * wider than checks.
 *
 * The engine’s planner takes every attribute for present: `has(R.attr.x)` and `!(R.attr.x in [])` are true in its
 * plans, without a mention of `x`. A column map that has `x` makes it present in checks as well (`resourceOfRow`). Derived
 * roles and variables count for every kind, since any may import them. `tenant` needs no column: a question names it.
 *
 * @throws PortcullisError `config_invalid`, which names the attribute or the construct, and the file
 * @example
 * ```ts
 * import { readPolicies } from '@portcullis/pdp';
 * import { requireColumns } from '@portcullis/storage/plan';
 *
 * const documents = { id: 'text', columns: { author: 'text', classification: 'text' } } as const;
 * requireColumns(await readPolicies('./policies'), 'document', documents);
 * ```
 */
export function requireColumns(policies: readonly PolicyDocument[], kind: string, map: ColumnMap): void {
  const { attributes } = resolveColumns(map);
  for (const { file, text } of policies.filter((policy) => concerns(policy, kind))) {
    const expressions = textsIn(JSON.parse(text)).join('\n');
    for (const [read, dotted, quoted] of expressions.matchAll(attribute)) {
      const name = dotted ?? quoted ?? '';
      if (name !== 'tenant' && !attributes.has(name))
        throw new PortcullisError(
          'config_invalid',
          `columns: \`${read}\` of ${file} has no column, and lists by plan need it`,
        );
    }
    for (const [construct, what] of misplanned)
      if (construct.test(expressions))
        throw new PortcullisError(
          'config_invalid',
          `${file} has ${what}, which the engine plans otherwise than it checks`,
        );
  }
}

/** All texts of a document: each may be an expression. */
function textsIn(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : [];
}

function concerns({ kind: of, name, rules }: PolicyDocument, kind: string): boolean {
  switch (of) {
    case 'resource':
      return matches(name, kind);
    case 'principal':
    case 'role':
      return rules.some(({ resource }) => matches(resource, kind));
    case 'derived_roles':
    case 'variables':
    case 'constants':
      return true;
  }
}

/** The engine's kinds may be globs: one with a wildcard may be meant. */
function matches(pattern: string, kind: string): boolean {
  return pattern === kind || /[*?[{]/.test(pattern);
}
