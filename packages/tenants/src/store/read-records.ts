import type { z } from 'zod';
import type { Backend, Range } from './backend.js';
import { parseText } from './transaction.js';

/** How many entries are read in one go. */
const batch = 500;

/** Reads one record. */
export async function readOne<T>(backend: Backend, key: string, schema: z.ZodType<T>): Promise<T | undefined> {
  const [text] = await backend.read([key]);
  return parseText(schema, text);
}

/** Reads the records that are there. */
export async function readAll<T>(
  backend: Backend,
  keys: readonly string[],
  schema: z.ZodType<T>,
): Promise<readonly T[]> {
  const texts: (string | undefined)[] = [];
  for (let start = 0; start < keys.length; start += batch)
    texts.push(...(await backend.read(keys.slice(start, start + batch))));
  return texts.map((text) => parseText(schema, text)).filter((record) => record !== undefined);
}

/** All entries of an ordered set, or those behind one, in batches. */
export async function* batchesOf(
  backend: Pick<Backend, 'range'>,
  set: string,
  from: Omit<Range, 'limit'> = {},
): AsyncGenerator<readonly string[]> {
  let { after } = from;
  for (;;) {
    const members = await backend.range(set, { ...from, after, limit: batch });
    if (members.length > 0) yield members;
    if (members.length < batch) return;
    after = members.at(-1);
  }
}

/** All entries of an ordered set. */
export async function entriesOf(backend: Pick<Backend, 'range'>, set: string): Promise<readonly string[]> {
  const all: string[] = [];
  for await (const members of batchesOf(backend, set)) all.push(...members);
  return all;
}
