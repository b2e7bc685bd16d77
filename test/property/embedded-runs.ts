import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

const asked = process.env['PORTCULLIS_DIFFERENTIAL'];

/** How many times as much is asked as in a usual run of the suite. */
export const rounds = Number(asked ?? 1);

/** The suite asks the same each time, so that it fails for what was changed; a longer run asks something new. */
export const seed = Number(process.env['PORTCULLIS_SEED'] ?? (asked === undefined ? 1 : Date.now() % 2 ** 31));

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

/** A folder that is gone when the tests of the file are over. */
export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-differential-'));
  folders.push(folder);
  return folder;
}
