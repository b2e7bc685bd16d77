import { readFile } from 'node:fs/promises';

/**
 * Reads a file that is UTF-8 to the last byte: otherwise a name would silently become another one, and a line `deny`
 * speak of nobody.
 */
export async function readText(path: string, signal?: AbortSignal): Promise<string> {
  const bytes = await readFile(path, signal === undefined ? {} : { signal });
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
}
