import { access, readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { parseAllDocuments, type Tags } from 'yaml';
import type { z } from 'zod';
import { PortcullisError } from '@portcullis/core';
import {
  auxDataFixtures,
  principalFixtures,
  resourceFixtures,
  testSuite,
  type Fixtures,
  type TestSuite,
} from './suite.js';

/** A suite of a folder, or what is wrong with its file. */
export type ReadSuite = { readonly file: string } & (
  { readonly suite: TestSuite; readonly fixtures: Fixtures } | { readonly error: string }
);

/**
 * Reads the suites below a folder, each with the fixtures of the folder `testdata` beside it.
 *
 * @throws PortcullisError `policies_invalid` where the folder cannot be read
 */
export async function readSuites(folder: string): Promise<readonly ReadSuite[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((cause: unknown) => {
    throw new PortcullisError('policies_invalid', `the policy folder \`${folder}\` cannot be read`, { cause });
  });
  const files = entries
    .filter((entry) => entry.isFile() && /_test\.(ya?ml|json)$/i.test(entry.name))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((file) => !file.split('/').some((part) => part.startsWith('.') || part === 'testdata'))
    .sort();
  return Promise.all(files.map((file) => readSuite(folder, file)));
}

async function readSuite(folder: string, file: string): Promise<ReadSuite> {
  try {
    const suite = parsed(file, testSuite, await readFile(join(folder, file), 'utf8'));
    return { file, suite, fixtures: await readFixtures(folder, join(dirname(file), 'testdata')) };
  } catch (error) {
    if (error instanceof PortcullisError) return { file, error: error.message };
    throw error;
  }
}

async function readFixtures(root: string, folder: string): Promise<Fixtures> {
  return {
    ...(await readFixture(root, folder, ['principals'], principalFixtures)),
    ...(await readFixture(root, folder, ['resources'], resourceFixtures)),
    ...(await readFixture(root, folder, ['auxdata', 'auxData', 'aux_data'], auxDataFixtures)),
  };
}

/** The first file there is of one of these names; as good as empty where there is none. */
async function readFixture<T>(
  root: string,
  folder: string,
  names: readonly string[],
  schema: z.ZodType<T>,
): Promise<T> {
  for (const name of names) {
    for (const ending of ['yaml', 'yml', 'json']) {
      const file = join(folder, `${name}.${ending}`);
      const isThere = await access(join(root, file)).then(
        () => true,
        () => false,
      );
      if (isThere) return parsed(file, schema, await readFile(join(root, file), 'utf8'));
    }
  }
  return schema.parse({});
}

function parsed<T>(file: string, schema: z.ZodType<T>, text: string): T {
  const result = schema.safeParse(readYaml(file, text));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw malformed(file, `\`${(issue?.path ?? []).map(String).join('.')}\`: ${issue?.message ?? 'is malformed'}`);
}

/**
 * Reads YAML as version 1.1, as Cerbos does, and as 1.2, as people do: what the two take for different things (`no`,
 * `on`, `010`) has to be put in quotes.
 */
function readYaml(file: string, text: string): unknown {
  const old = readYamlAs('1.1', file, text);
  if (!isDeepStrictEqual(old, readYamlAs('1.2', file, text)))
    throw malformed(file, 'has a value that is one thing in YAML 1.1 and another in 1.2: put it in quotes');
  return old;
}

/** A time is a text, in quotes or not. */
const withoutTimes = (tags: Tags): Tags => tags.filter((tag) => tag !== 'timestamp' && !isTimestamp(tag));
const isTimestamp = (tag: Tags[number]): boolean =>
  typeof tag === 'object' && tag.tag === 'tag:yaml.org,2002:timestamp';

/** A number has digits before its exponent: `e-5` and `.` are texts, which the parser takes for `NaN` in 1.1. */
const withDigits = (tag: Tags[number]): Tags[number] =>
  typeof tag === 'object' && tag.tag === 'tag:yaml.org,2002:float' && tag.test !== undefined
    ? { ...tag, test: new RegExp(`^(?![-+]?[._]*(?:[eE][-+]?\\d|$))(?:${tag.test.source})`) }
    : tag;
const asCerbosReads = (tags: Tags): Tags => withoutTimes(tags).map(withDigits);

function readYamlAs(version: '1.1' | '1.2', file: string, text: string): unknown {
  const documents = parseAllDocuments(text, { version, merge: true, customTags: asCerbosReads });
  if (documents.length !== 1) throw malformed(file, 'has to be one document');
  const [document] = documents;
  const [error] = [...(document?.errors ?? []), ...(document?.warnings ?? [])];
  if (error !== undefined) throw malformed(file, error.message.split('\n')[0] ?? 'is not YAML');
  try {
    return document?.toJS();
  } catch (cause) {
    throw malformed(file, 'has aliases that cannot be resolved', cause);
  }
}

function malformed(file: string, what: string, cause?: unknown): PortcullisError {
  return new PortcullisError('policies_invalid', `${file}: ${what}`, cause === undefined ? {} : { cause });
}
