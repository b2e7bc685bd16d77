import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PortcullisError } from '@portcullis/core';
import { isNestedTooDeep } from './nesting.js';

/** What a file of a policy folder says. */
export interface PolicyText {
  readonly file: string;
  readonly text: string;
}

/** How many files are open at the same time: a process may open a thousand or so, and needs some for other work. */
const atOnce = 50;

/**
 * Reads files of a folder, in the order of their names here.
 *
 * @throws PortcullisError `policies_invalid`, which names the file that cannot be read or is nested too deep
 */
export async function readFiles(folder: string, files: readonly string[]): Promise<readonly PolicyText[]> {
  const read: PolicyText[] = [];
  for (let start = 0; start < files.length; start += atOnce)
    read.push(...(await Promise.all(files.slice(start, start + atOnce).map((file) => readOne(folder, file)))));
  return read;
}

async function readOne(folder: string, file: string): Promise<PolicyText> {
  const text = await readFile(join(folder, file), 'utf8').catch((cause: unknown) => {
    throw new PortcullisError('policies_invalid', `${file}: cannot be read`, { cause });
  });
  if (isNestedTooDeep(text)) throw new PortcullisError('policies_invalid', `${file}: is nested too deep`);
  return { file, text };
}
