import { createHash } from 'node:crypto';
import { canonicalKey } from '../client/canonical-key.js';

/** All that decides: the documents of the policy files that are not disabled, and the schemas by name. */
export interface PolicyContents {
  readonly documents: readonly unknown[];
  readonly schemas: ReadonlyMap<string, unknown>;
}

/**
 * The revision of a set of policies: a hash of what they say. Comments, the order of members, and the names of the
 * policy files are no part of it; two sets that differ in anything else have different ones, and an engine that serves
 * the same set elsewhere gives the same.
 *
 * @returns SHA-256 in hex
 */
export function policyRevision({ documents, schemas }: PolicyContents): string {
  const hash = createHash('sha256');
  const add = (text: string): void => {
    hash.update(`${String(text.length)}:${text}\n`);
  };
  documents.map(canonicalText).sort().forEach(add);
  for (const name of [...schemas.keys()].sort()) add(`${name} ${canonicalText(schemas.get(name))}`);
  return hash.digest('hex');
}

function canonicalText(value: unknown): string {
  const text = canonicalKey(value);
  if (text === undefined) throw new TypeError('policies are JSON');
  return text;
}
