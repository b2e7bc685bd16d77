import { resolve } from 'node:path';
import type { PolicyFinding } from '../policies/lint.js';
import { readAtRest } from '../policies/read-at-rest.js';
import { goodPolicies } from './good-policies.js';
import { toBundle } from './load/bundle.js';
import { readFolder } from './load/folder.js';

/** A bundle, and what is in it. */
export interface PolicyBundle {
  /** What {@link embedded} takes as `bundle`. */
  readonly text: string;
  readonly revision: string;
  /** How many policy files are in it. */
  readonly policies: number;
  readonly warnings: readonly PolicyFinding[];
}

/**
 * Writes the policies of a folder as one text, to be shipped where there is no folder: they are linted and compiled
 * once before, so that a bundle holds nothing that would be refused.
 *
 * @throws PortcullisError `policies_invalid`
 * @example
 * ```ts
 * import { bundlePolicies, embedded } from '@portcullis/pdp/embedded';
 *
 * const { text, revision } = await bundlePolicies({ policies: './policies' });
 * const pdp = await embedded({ bundle: text, revision });
 * await pdp.close();
 * ```
 */
export async function bundlePolicies(options: {
  readonly policies: string;
  /** Lets scoped policies widen what the base policy allows. @defaultValue `false` */
  readonly allowWideningScopes?: boolean | undefined;
}): Promise<PolicyBundle> {
  const source = resolve(options.policies);
  const { value: folder } = await readAtRest(source, () => readFolder(source));
  const { revision, warnings } = goodPolicies(folder, options);
  return { text: toBundle(folder), revision, policies: folder.policies.length, warnings };
}
