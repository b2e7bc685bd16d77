import { createHash } from 'node:crypto';
import { parseAllDocuments } from 'yaml';
import { PortcullisError } from '@portcullis/core';
import { canonicalKey } from '../client/canonical-key.js';
import { readFiles } from './read-files.js';
import { inSchemas, nameOfSchema, policyFiles, schemaFiles } from './read.js';

/** All that decides: the documents of the policy files that are not disabled, and the schemas by name. */
export interface PolicyContents {
  readonly documents: readonly unknown[];
  readonly schemas: ReadonlyMap<string, unknown>;
}

/**
 * The revision of a set of policies: a hash of what they say. Comments, the order of members, and the names of the
 * policy files are no part of it; two sets that differ in anything else have different ones. It is the same wherever
 * the same policies are, so that engines of two kinds can be told to decide by the same ones.
 *
 * @returns SHA-256 in hex
 * @throws PortcullisError `policies_invalid` for what is nested too deep to be told from anything else
 */
export function revisionOf({ documents, schemas }: PolicyContents): string {
  const hash = createHash('sha256');
  const add = (text: string): void => {
    hash.update(`${String(text.length)}:${text}\n`);
  };
  documents.map(canonicalText).sort().forEach(add);
  add('schemas');
  for (const name of [...schemas.keys()].sort()) add(`${name} ${canonicalText(schemas.get(name))}`);
  return hash.digest('hex');
}

/** The revision of the policies of a folder, whether or not they are good. */
export async function revisionOfFolder(folder: string): Promise<string> {
  const files = await policyFiles(folder);
  const documents = (await readFiles(folder, files)).flatMap(({ text }) => documentsOf(text));
  const schemas = await readFiles(folder, (await schemaFiles(folder)).map(inSchemas));
  return revisionOf({
    documents,
    schemas: new Map(schemas.map(({ file, text }) => [nameOfSchema(file), jsonOf(text)])),
  });
}

/** What a file says; its text, where that is not to be had. */
function documentsOf(text: string): readonly unknown[] {
  try {
    const documents = parseAllDocuments(text, { version: '1.2', strict: true });
    return [...documents]
      .filter(({ contents }) => contents !== null)
      .map((document): unknown => (document.errors.length > 0 ? text : document.toJS()))
      .filter((document) => !isDisabled(document));
  } catch {
    return [text];
  }
}

function isDisabled(document: unknown): boolean {
  return typeof document === 'object' && document !== null && 'disabled' in document && document.disabled === true;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function canonicalText(value: unknown): string {
  const text = canonicalKey(value);
  if (text === undefined) throw new PortcullisError('policies_invalid', 'a policy or schema is nested too deep');
  return text;
}
