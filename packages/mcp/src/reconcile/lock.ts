import { readFile, rename, writeFile } from 'node:fs/promises';
import { PortcullisError } from '@portcullis/core';
import { z } from 'zod';

const lockSchema = z.strictObject({ version: z.literal(1), tools: z.record(z.string(), z.string()) });

/** The tools as they were when somebody reviewed the policies for them: fingerprints by name. */
export type ToolLock = Readonly<Record<string, string>>;

/**
 * Reads a lock file.
 *
 * @returns `undefined` when there is none yet
 * @throws PortcullisError `config_invalid` when it is not a lock file
 */
export async function readLock(file: string): Promise<ToolLock | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return lockSchema.parse(JSON.parse(text)).tools;
  } catch (cause) {
    throw new PortcullisError('config_invalid', `${file} is not a lock file of tools`, { cause });
  }
}

/** Writes a lock file, whole or not at all. */
export async function writeLock(file: string, tools: ToolLock): Promise<void> {
  const sorted = Object.fromEntries(Object.entries(tools).sort(([a], [b]) => (a < b ? -1 : 1)));
  const draft = `${file}.${String(process.pid)}.tmp`;
  await writeFile(draft, `${JSON.stringify({ version: 1, tools: sorted }, undefined, 2)}\n`);
  await rename(draft, file);
}
