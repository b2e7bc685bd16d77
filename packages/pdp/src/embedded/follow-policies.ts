import type { PortcullisError } from '@portcullis/core';
import { tell } from '../client/tell.js';
import { followFolder } from '../policies/follow-folder.js';
import { readAtRest } from '../policies/read-at-rest.js';
import type { FolderOptions } from './options.js';
import { goodPolicies, type GoodPolicies } from './good-policies.js';
import { readFolder } from './load/folder.js';

/** Policies of a folder, and an end to following its edits. */
export interface FollowedPolicies {
  /** As they were at first. */
  readonly policies: GoodPolicies;
  readonly close: () => Promise<void>;
}

/**
 * Reads the policies of a folder, and follows its edits.
 *
 * @param onEdit - takes an edit that is good
 * @throws PortcullisError `policies_invalid` if they are not good at first
 */
export async function followPolicies(
  folder: string,
  options: FolderOptions,
  onEdit: (policies: GoodPolicies) => void,
): Promise<FollowedPolicies> {
  const read = async (): Promise<GoodPolicies> => goodPolicies(await readFolder(folder), options);
  const { value: policies, state } = await readAtRest(folder, read);
  let { revision } = policies;
  const follower = followFolder({
    folder,
    state,
    pollMs: options.pollMs ?? 1000,
    take: read,
    serve(edited) {
      if (edited.revision === revision) return;
      revision = edited.revision;
      onEdit(edited);
      tell(options.onPolicyChange, { revision, warnings: edited.warnings });
    },
    onError: options.onPolicyError ?? reportEdit,
  });
  return { policies, close: () => follower.close() };
}

function reportEdit(error: PortcullisError): void {
  console.error(`portcullis: the edit is not served: ${error.message}`);
}
