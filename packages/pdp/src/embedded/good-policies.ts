import { PortcullisError } from '@portcullis/core';
import { describePolicy } from '../policies/describe.js';
import { lintPolicies, type PolicyFinding } from '../policies/lint.js';
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
  const described = folder.policies.map(({ place, document }) => describePolicy(place.file, document));
  const findings = lintPolicies(described.filter((policy) => policy !== undefined));
  const errors = allowWideningScopes ? [] : findings.filter(({ severity }) => severity === 'error');
  if (errors.length > 0)
    throw new PortcullisError('policies_invalid', errors.map(({ file, message }) => `${file}: ${message}`).join('\n'));
  return {
    table: compilePolicies(folder),
    revision: folder.revision,
    warnings: findings.filter(({ severity }) => severity === 'warning'),
  };
}
