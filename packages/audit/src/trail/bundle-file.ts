import { open } from 'node:fs/promises';
import { readLines } from './read-lines.js';

/**
 * The lines of a bundle in a file: what `verifyBundle` takes. Lines end with a line feed and nothing else, as JSON
 * lines do; U+2028 is a character among others.
 */
export function readBundle(path: string): () => AsyncIterable<string> {
  return async function* () {
    const file = await open(path, 'r');
    try {
      yield* readLines(file, (await file.stat()).size);
    } finally {
      await file.close();
    }
  };
}
