import { access, readdir, readFile, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { PortcullisError, type PolicyDocument } from '@portcullis/core';
import { describePolicy } from './describe.js';

/** The names of the policy files below a folder: what the engine would load. Tests, schemas and hidden files are not. */
export async function policyFiles(folder: string): Promise<readonly string[]> {
  const files = await filesIn(folder, `the policy folder \`${folder}\` cannot be read`);
  return files
    .filter((file) => /\.(ya?ml|json)$/.test(file) && !/_test\.(ya?ml|json)$/.test(file))
    .filter((file) => !file.split('/').some((part) => part === '_schemas' || part === 'testdata'));
}

/** The names of the schemas of a folder, below its `_schemas`. */
export async function schemaFiles(folder: string): Promise<readonly string[]> {
  const schemas = join(folder, '_schemas');
  const isThere = await access(schemas).then(
    () => true,
    () => false,
  );
  const files = isThere ? await filesIn(schemas, 'the folder `_schemas` cannot be read') : [];
  return files.filter((file) => file.endsWith('.json'));
}

/**
 * The files below a folder, by path, without what is hidden. A link to a file is one: where folders are mounted, files
 * may be links. A link to a folder is refused, since it would be skipped without a word.
 */
async function filesIn(folder: string, message: string): Promise<readonly string[]> {
  const refused = (cause: unknown): never => {
    throw new PortcullisError('policies_invalid', message, { cause });
  };
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(refused);
  const names: string[] = [];
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    const name = relative(folder, path).split(sep).join('/');
    if (name.split('/').some((part) => part.startsWith('.'))) continue;
    const isLink = entry.isSymbolicLink();
    const target = isLink ? await stat(path).catch(refused) : entry;
    if (isLink && target.isDirectory())
      throw new PortcullisError('policies_invalid', `${name}: is a link to a folder, which is not followed`);
    if (target.isFile()) names.push(name);
  }
  return names.sort();
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
