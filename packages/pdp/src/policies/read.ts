import { access, readdir, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { PortcullisError, type PolicyDocument } from '@portcullis/core';
import { describePolicy } from './describe.js';
import { readFiles } from './read-files.js';

/**
 * The names of the policy files below a folder: what the engine would load. Tests, schemas and hidden files are not.
 * As to Cerbos, the ending of a name is the same in capitals.
 *
 * @throws PortcullisError `policies_invalid` where the folder cannot be read, has a link to a folder in it, or schemas
 *   elsewhere than at its root
 */
export async function policyFiles(folder: string): Promise<readonly string[]> {
  const files = (await filesIn(folder, `the policy folder \`${folder}\` cannot be read`))
    .filter((file) => /\.(ya?ml|json)$/i.test(file) && !/_test\.(ya?ml|json)$/i.test(file))
    .filter((file) => !file.startsWith('_schemas/') && !foldersOf(file).includes('testdata'));
  const misplaced = files.find((file) => foldersOf(file).includes('_schemas'));
  // Cerbos does not start on such a folder. Whoever put policies there would believe that they decide.
  if (misplaced !== undefined)
    throw new PortcullisError('policies_invalid', `${misplaced}: schemas are in \`_schemas\` at the root alone`);
  return files;
}

function foldersOf(file: string): readonly string[] {
  return file.split('/').slice(0, -1);
}

/** The names of the schemas of a folder, below its `_schemas`. */
export async function schemaFiles(folder: string): Promise<readonly string[]> {
  const schemas = join(folder, '_schemas');
  const isThere = await access(schemas).then(
    () => true,
    () => false,
  );
  const files = isThere ? await filesIn(schemas, 'the folder `_schemas` cannot be read') : [];
  return files.filter((file) => /\.json$/i.test(file));
}

/** The file of a schema, by its name below `_schemas`. */
export function inSchemas(name: string): string {
  return `_schemas/${name}`;
}

/** The name of a schema below `_schemas`, by its file. */
export function nameOfSchema(file: string): string {
  return file.slice('_schemas/'.length);
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
    const target = entry.isSymbolicLink() ? await stat(path).catch(refused) : entry;
    if (entry.isSymbolicLink() && target.isDirectory()) throw linkedFolder(name);
    if (target.isFile()) names.push(name);
  }
  return names.sort();
}

/** The refusal of a link to a folder: its files would be skipped by one engine, and read by another. */
export function linkedFolder(name: string): PortcullisError {
  return new PortcullisError('policies_invalid', `${name}: is a link to a folder, which is not followed`);
}

/**
 * Reads the policies below a folder.
 *
 * @throws PortcullisError `policies_invalid`, which names the file
 */
export async function readPolicies(folder: string): Promise<readonly PolicyDocument[]> {
  const files = await policyFiles(folder);
  return (await readFiles(folder, files)).flatMap(({ file, text }) => readFileDocuments(file, text));
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
