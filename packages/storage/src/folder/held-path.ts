import { openChild, type Directory } from './directory.js';

/**
 * Goes from one folder to another below it, name by name, and does something there.
 *
 * @param make - whether to make the folders that are not there
 * @returns `undefined` when a folder is not there
 */
export async function below<T>(
  start: Directory,
  names: readonly string[],
  make: boolean,
  use: (folder: Directory) => Promise<T>,
): Promise<T | undefined> {
  let at = start;
  try {
    for (const name of names) {
      const next = await openChild(at, name, make);
      if (at !== start) await at.close();
      if (next === undefined) {
        at = start;
        return undefined;
      }
      at = next;
    }
    return await use(at);
  } finally {
    if (at !== start) await at.close();
  }
}
