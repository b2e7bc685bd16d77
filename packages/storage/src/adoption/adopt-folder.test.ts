import {
  chmod,
  link,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tenantId } from '@portcullis/core';
import { contextFor } from '@portcullis/testing/contexts';
import { folderStorage } from '../folder.js';
import { adoptFolder, type AdoptFolderOptions } from './adopt-folder.js';
import { adoption, type Adoption } from './adoption.js';
import { memoryAdoptionJournal } from './job/memory-adoption-journal.js';

const system = tenantId('system');
const refusal = (code: string, detail = ''): unknown =>
  expect.objectContaining({ code, detail: expect.stringContaining(detail) as unknown });

let all: string;
beforeAll(async () => {
  all = await mkdtemp(join(tmpdir(), 'portcullis-adoption-'));
});
afterAll(() => rm(all, { recursive: true, force: true }));

async function filled(): Promise<string> {
  const root = await mkdtemp(join(all, 'root-'));
  await mkdir(join(root, 'Reports', '2024'), { recursive: true });
  await mkdir(join(root, 'nothing in it'));
  await chmod(join(root, 'Reports'), 0o750);
  await writeFile(join(root, 'read me.TXT'), 'hello', { mode: 0o640 });
  await writeFile(join(root, 'Reports', 'é.bin'), Uint8Array.from([0, 255]), { mode: 0o600 });
  await writeFile(join(root, 'Reports', '2024', '.hidden'), '');
  return root;
}

/** Names, kinds, bits and contents. */
async function contents(root: string, path = ''): Promise<readonly unknown[]> {
  const found: unknown[] = [];
  for (const name of (await readdir(join(root, path))).sort()) {
    const at = join(path, name);
    const stat = await lstat(join(root, at));
    if (stat.isDirectory()) found.push([at, stat.mode], ...(await contents(root, at)));
    else if (stat.isFile())
      found.push([at, stat.mode, stat.mtimeMs, stat.ino, (await readFile(join(root, at))).toString('hex')]);
    else found.push([at, 'other']);
  }
  return found;
}

function moving(root: string, options: AdoptFolderOptions = {}): Adoption {
  return adoption({ tenant: system, steps: [adoptFolder(root, options)], journal: memoryAdoptionJournal() });
}

describe('adopting a folder', () => {
  it('moves files to where the tenant finds them under their paths, and back, times and bits included', async () => {
    const root = await filled();
    const before = await contents(root);
    const move = moving(root);
    expect((await move.dryRun()).steps[0]).toMatchObject({ counts: { toMove: 3 }, plan: { obstacles: [] } });
    expect(await contents(root)).toEqual(before);
    expect((await move.run()).steps).toEqual([{ step: 'files', counts: { files: 3 } }]);
    const storage = await folderStorage({ root });
    const own = storage.forTenant(contextFor({ tenant: 'system' }));
    expect((await own.list()).keys).toEqual(['Reports/2024/.hidden', 'Reports/é.bin', 'read me.TXT']);
    expect(Buffer.from((await own.get('read me.TXT'))!).toString()).toBe('hello');
    expect((await storage.forTenant(contextFor({ tenant: 'Reports' })).list()).keys).toEqual([]);
    await storage.close();
    expect((await lstat(join(root, 't-system'))).mode & 0o777).toBe(0o700);
    await move.undo();
    expect(await contents(root)).toEqual(before);
  });

  it('removes the empty folders at the end, and makes them again on the way back, with what is new', async () => {
    const root = await filled();
    const before = await contents(root);
    const move = moving(root);
    await move.run();
    expect((await move.finish()).steps[0]?.counts).toEqual({ foldersRemoved: 3 });
    expect(await readdir(root)).toEqual(['t-system']);
    const storage = await folderStorage({ root });
    await storage.forTenant(contextFor({ tenant: 'system' })).put('Reports/new/one', 'since');
    await storage.close();
    await move.undo();
    expect(await readFile(join(root, 'Reports', 'new', 'one'), 'utf8')).toBe('since');
    await rm(join(root, 'Reports', 'new'), { recursive: true });
    expect(await contents(root)).toEqual(before);
  });

  it('follows no link, and moves nothing where there is one', async () => {
    const root = await filled();
    const outside = await mkdtemp(join(all, 'outside-'));
    await writeFile(join(outside, 'secret'), 'of the machine');
    await symlink(outside, join(root, 'Reports', 'way out'));
    await symlink(join(outside, 'secret'), join(root, 'a secret'));
    await link(join(root, 'read me.TXT'), join(root, 'second name'));
    await mkdir(join(root, 't-shirts'));
    const before = [await contents(root), await contents(outside)];
    const planned = (await moving(root).dryRun()).steps[0]?.plan?.obstacles.map(({ what }) => what);
    expect(planned).toEqual(['Reports/way out', 'a secret', 'read me.TXT', 'second name', 't-shirts']);
    await expect(moving(root).run()).rejects.toEqual(refusal('storage_refused', '`Reports/way out`'));
    expect([await contents(root), await contents(outside)]).toEqual(before);

    const move = moving(root, { obstacles: 'skip' });
    expect((await move.run()).steps[0]?.counts).toEqual({ files: 2, skipped: 5 });
    await move.finish();
    expect(await contents(outside)).toEqual(before[1]);
    expect(await readdir(join(root, 'Reports'))).toEqual(['way out']);
    await move.undo();
    expect([await contents(root), await contents(outside)]).toEqual(before);
  });

  it('puts no link out of the root in the way of what goes back', async () => {
    const root = await filled();
    const outside = await mkdtemp(join(all, 'outside-'));
    const move = moving(root);
    await move.run();
    await move.finish();
    await symlink(outside, join(root, 'Reports'));
    await expect(move.undo()).rejects.toMatchObject({ code: 'storage_refused' });
    expect(await readdir(outside)).toEqual([]);
    await unlink(join(root, 'Reports'));
    await move.undo();
    expect(await readdir(join(root, 'Reports'))).toEqual(['2024', 'é.bin']);
  });

  it('refuses a tenant that has a folder already', async () => {
    const root = await filled();
    await mkdir(join(root, 't-system'));
    const before = await contents(root);
    await expect(moving(root).run()).rejects.toEqual(refusal('conflict'));
    expect(await contents(root)).toEqual(before);
  });

  it('writes over neither side where both have a file', async () => {
    for (const [stays, text] of [
      ['tenant', 'hello'],
      ['original', 'written since'],
    ] as const) {
      const root = await filled();
      const move = moving(root);
      await move.run();
      await writeFile(join(root, 'read me.TXT'), 'written since');
      await expect(move.undo()).rejects.toEqual(refusal('storage_conflict', '`read me.TXT`'));
      await move.undo({ onConflict: stays });
      expect(await readFile(join(root, 'read me.TXT'), 'utf8')).toBe(text);
      expect((await readdir(root)).includes('t-system')).toBe(false);
    }
  });

  it('writes over nothing when the old server writes while it is cut short', async () => {
    const root = await filled();
    const move = moving(root);
    const ending = new AbortController();
    const onProgress = ({ counts }: { readonly counts?: Readonly<Record<string, number>> | undefined }): void => {
      if (counts?.['moved'] === 2) ending.abort();
    };
    await expect(move.run({ onProgress, signal: ending.signal })).rejects.toEqual(refusal('storage_unavailable'));
    await writeFile(join(root, 'Reports', 'é.bin'), 'written by the old server');
    await expect(move.run()).rejects.toEqual(refusal('storage_refused', 'already'));
    const storage = await folderStorage({ root });
    expect(await storage.forTenant(contextFor({ tenant: 'system' })).get('Reports/é.bin')).toEqual(
      Uint8Array.from([0, 255]),
    );
    await storage.close();
    expect(await readFile(join(root, 'Reports', 'é.bin'), 'utf8')).toBe('written by the old server');
    await move.undo({ onConflict: 'original' });
    expect(await readFile(join(root, 'Reports', 'é.bin'), 'utf8')).toBe('written by the old server');
  });

  it('does not lose a file that cannot go back beside another', async () => {
    const root = await filled();
    const move = moving(root);
    await move.run();
    const storage = await folderStorage({ root });
    await storage.forTenant(contextFor({ tenant: 'system' })).put('read me.TXT/below', 'it');
    await expect(move.undo()).rejects.toEqual(refusal('storage_conflict', 'a file and a folder'));
    await storage.forTenant(contextFor({ tenant: 'system' })).delete('read me.TXT/below');
    await storage.close();
    expect(await move.undo()).toMatchObject({ state: 'undone' });
  });

  it('leaves what is no file of the tenant’s, and says so', async () => {
    const root = await filled();
    const move = moving(root);
    await move.run();
    await writeFile(join(root, 't-system', 'README'), 'by hand');
    await expect(move.undo()).rejects.toEqual(refusal('storage_refused', 'README'));
    expect(await readFile(join(root, 't-system', 'README'), 'utf8')).toBe('by hand');
    await unlink(join(root, 't-system', 'README'));
    expect(await move.undo()).toMatchObject({ state: 'undone' });
  });

  it('refuses a root that is not there', async () => {
    await expect(moving(join(all, 'none')).run()).rejects.toMatchObject({ code: 'config_invalid' });
  });

  it('brings any tree back as it was', async () => {
    const name = fc.string({
      unit: fc.constantFrom('a', 'B', '_', '-', ' ', 'é', '日', '.x', '!'),
      minLength: 1,
      maxLength: 4,
    });
    const path = fc.array(name, { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(fc.array(path, { maxLength: 6 }), fc.boolean(), async (paths, finished) => {
        const root = await mkdtemp(join(all, 'any-'));
        for (const each of paths) {
          const at = join(root, ...each);
          if (at.normalize('NFC') !== at) return;
          await mkdir(dirname(at), { recursive: true }).catch(() => undefined);
          await writeFile(at, each.join()).catch(() => undefined);
        }
        const before = await contents(root);
        const move = moving(root);
        await move.run();
        if (finished) await move.finish();
        await move.undo();
        expect(await contents(root)).toEqual(before);
      }),
      { numRuns: 25 },
    );
  });
});
