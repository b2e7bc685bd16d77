import { readdir, readFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { PortcullisError, type PolicyDocument } from '@portcullis/core';
import { describePolicy } from './describe.js';

/** The names of the policy files below a folder: what the engine would load. Tests, schemas and hidden files are not. */
export async function policyFiles(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((cause: unknown) => {
    throw new PortcullisError('policies_invalid', `the policy folder \`${folder}\` cannot be read`, { cause });
  });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((file) => /\.(ya?ml|json)$/.test(file) && !/_test\.(ya?ml|json)$/.test(file))
    .filter(
      (file) => !file.split('/').some((part) => part.startsWith('.') || part === '_schemas' || part === 'testdata'),
    )
    .sort();
}

/** The names of the schemas of a folder, below its `_schemas`. */
export async function schemaFiles(folder: string): Promise<readonly string[]> {
  const schemas = join(folder, '_schemas');
  const entries = await readdir(schemas, { recursive: true, withFileTypes: true }).catch((cause: unknown) => {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return [];
    throw new PortcullisError('policies_invalid', 'the folder `_schemas` cannot be read', { cause });
  });
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.json'))
    .map((entry) => relative(schemas, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort();
}

/**
 * Reads the policies below a folder.
 *
 * @throws PortcullisError `policies_invalid`, which names the file
 */
export async function readPolicies(folder: string): Promise<readonly PolicyDocument[]> {
  const files = await policyFiles(folder);
  const read = await Promise.all(
    files.map(async (file) => readFileDocuments(file, await readFile(join(folder, file), 'utf8'))),
  );
  return read.flat();
}

function readFileDocuments(file: string, text: string): readonly PolicyDocument[] {
  return [...parseAllDocuments(text)].flatMap((parsed) => {
    if (parsed.errors.length > 0) {
      throw new PortcullisError(
        'policies_invalid',
        `${file}: ${parsed.errors[0]?.message.split('\n')[0] ?? 'is not YAML'}`,
      );
    }
    const described = describePolicy(file, parsed.toJS());
    return described === undefined ? [] : [described];
  });
}
