import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openChild, openFile, openRoot, type Directory } from './directory.js';

const refusal = { code: 'storage_refused' };
let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'portcullis-directory-'));
  for (const folder of ['own', 'other'])
    for (const inner of [folder, `${folder}/d-a`, `${folder}/d-a/d-b`]) await mkdir(join(home, inner));
  await writeFile(join(home, 'own/d-a/f-x'), 'own');
  await writeFile(join(home, 'other/d-a/f-x'), 'other');
});
afterEach(() => rm(home, { recursive: true, force: true }));

/** A folder that has been opened, and in whose place there is a link to another one now. */
async function swapped(holding: 'best' | 'path'): Promise<{ readonly root: Directory; readonly folder: Directory }> {
  const root = await openRoot(join(home, 'own'), holding);
  const folder = (await openChild(root, 'd-a', false))!;
  await rename(join(home, 'own/d-a'), join(home, 'own/aside'));
  await symlink('../other/d-a', join(home, 'own/d-a'));
  return { root, folder };
}

describe('a folder that is swapped for a link after it has been opened', () => {
  it('is the same one when it is held by its descriptor', async () => {
    const { root, folder } = await swapped('best');
    if (folder.handle !== undefined) {
      const file = await openFile(folder, 'f-x');
      expect(await file?.handle.readFile('utf8')).toBe('own');
      await file?.handle.close();
      await (await openChild(folder, 'd-b', false))?.close();
    }
    await folder.close();
    await root.close();
  });

  it('is refused when it is held by its path', async () => {
    const { root, folder } = await swapped('path');
    expect(folder.handle).toBeUndefined();
    await expect(openFile(folder, 'f-x')).rejects.toMatchObject(refusal);
    await expect(openChild(folder, 'd-b', false)).rejects.toMatchObject(refusal);
    await folder.close();
    await root.close();
  });
});
