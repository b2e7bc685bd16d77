import { describeValid } from '../policies/describe.js';
import { warningsOf, type PolicyFinding } from '../policies/lint.js';
import { compilePolicies } from './compile/compile.js';
import type { Table } from './compile/table.js';
import type { PolicyFolder } from './load/folder.js';

/** Policies that were found good, ready to decide. */
export interface GoodPolicies {
  readonly table: Table;
  readonly revision: string;
  readonly warnings: readonly PolicyFinding[];
}

/**
 * Lints and compiles policies.
 *
 * @throws PortcullisError `policies_invalid`
 */
export function goodPolicies(
  folder: PolicyFolder,
  { allowWideningScopes = false }: { readonly allowWideningScopes?: boolean | undefined },
): GoodPolicies {
  const described = folder.policies.map(({ place, policy, document }) => describeValid(place.file, policy, document));
  const warnings = warningsOf(
    described.filter((policy) => policy !== undefined),
    allowWideningScopes,
  );
  return { table: compilePolicies(folder), revision: folder.revision, warnings };
}
