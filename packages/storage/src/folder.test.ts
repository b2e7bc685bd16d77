import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { chmod, link, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tenantId, type OperatorAccess } from '@portcullis/core';
import { contextFor, operatorFor } from '@portcullis/testing/contexts';
import { folderStorage, type FolderStorage, type TenantFolder } from './folder.js';
import { openFolderStorage } from './folder/open-folder-storage.js';
import { compareKeys } from './tenant-key.js';

const acme = contextFor({ tenant: 'acme' });
const globex = contextFor({ tenant: 'globex' });
const text = async (folder: TenantFolder, key: string): Promise<string | undefined> => {
  const body = await folder.get(key);
  return body === undefined ? undefined : Buffer.from(body).toString();
};
const refusal = { code: 'storage_refused' };

let home: string;
let root: string;
let opened: FolderStorage[];
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'portcullis-folder-'));
  root = join(home, 'root');
  await mkdir(root, { mode: 0o700 });
  opened = [];
});
afterEach(async () => {
  for (const storage of opened) await storage.close();
  await rm(home, { recursive: true, force: true });
});

describe.each(['best', 'path'] as const)('folder storage, folders held by %s', (holding) => {
  const open = async (options: object = {}): Promise<FolderStorage> => {
    const storage = await openFolderStorage({ root, fsync: false, ...options }, holding);
    opened.push(storage);
    return storage;
  };

  it('keeps the same key of two tenants apart', async () => {
    const storage = await open();
    const [a, g] = [storage.forTenant(acme), storage.forTenant(globex)];
    await a.put('doc/1', 'of acme');
    await g.put('doc/1', Buffer.from('of globex'));
    expect(await text(a, 'doc/1')).toBe('of acme');
    expect(await g.delete('doc/1')).toBe(true);
    expect(await g.delete('doc/1')).toBe(false);
    expect([await g.has('doc/1'), await a.has('doc/1')]).toEqual([false, true]);
    expect(await a.copy('doc/1', 'copy')).toBe(true);
    expect(await a.copy('none', 'copy')).toBe(false);
    expect(await text(a, 'copy')).toBe('of acme');
    expect((await a.list()).keys).toEqual(['copy', 'doc/1']);
    expect(await g.list()).toEqual({ keys: [] });
    expect(await a.clear()).toBe(2);
    expect(await a.get('doc/1')).toBeUndefined();
  });

  it('has a file and a folder of one name side by side, and pages in the order of keys', async () => {
    const own = (await open()).forTenant(acme);
    const keys = ['a', 'a-', 'a/b', 'a/b/c', 'a0', 'A', '\u{1F600}', '\uFF5E', 'b', 'x'.repeat(512)];
    for (const key of keys) await own.put(key, key);
    for (const key of keys) expect(await text(own, key)).toBe(key);
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await own.list({ limit: 3, cursor });
      seen.push(...page.keys);
      cursor = page.cursor;
    } while (cursor !== undefined);
    expect(seen).toEqual([...keys].sort(compareKeys));
    expect((await own.list({ prefix: 'a/' })).keys).toEqual(['a/b', 'a/b/c']);
  });

  it('keeps tenants apart that differ in case alone', async () => {
    const storage = await open();
    await storage.forTenant(contextFor({ tenant: 'Acme' })).put('a', 'of Acme');
    expect(await storage.forTenant(acme).get('a')).toBeUndefined();
    expect((await readdir(root)).map((name) => name.toLowerCase())).toEqual(['t-_41cme']);
  });

  it('gives files and folders to their owner alone', async () => {
    const own = (await open()).forTenant(acme);
    await own.put('a/b', 'x');
    for (const path of ['t-acme', 't-acme/d-a']) expect(statSync(join(root, path)).mode & 0o777).toBe(0o700);
    expect(statSync(join(root, 't-acme/d-a/f-b')).mode & 0o777).toBe(0o600);
  });

  it('refuses keys, prefixes and pages that are not acceptable', async () => {
    const own = (await open()).forTenant(acme);
    for (const key of ['', '.', '..', '../t-globex/f-a', '/etc/passwd', 'a//b', 'a\u0000', 'C:\\x', '%2e%2e']) {
      for (const operation of [
        () => own.get(key),
        () => own.put(key, 'x'),
        () => own.delete(key),
        () => own.has(key),
        () => own.copy(key, 'b'),
        () => own.copy('b', key),
      ])
        await expect(operation()).rejects.toMatchObject(refusal);
    }
    for (const options of [{ limit: 0 }, { limit: 1.5 }, { prefix: '../' }, { prefix: '//' }])
      await expect(own.list(options)).rejects.toMatchObject(refusal);
    await expect(own.put('a', 7 as never)).rejects.toMatchObject(refusal);
    await expect(own.copy('a', 'a')).rejects.toMatchObject(refusal);
    expect((await own.list()).keys).toEqual([]);
  });

  it('refuses what is larger than a file may be, written or found, and leaves nothing of it', async () => {
    const own = (await open({ maxFileBytes: 3 })).forTenant(acme);
    await own.put('a', 'abc');
    await expect(own.put('a', 'abcd')).rejects.toMatchObject(refusal);
    await expect(own.put('b', new Blob(['ab', 'cd']).stream())).rejects.toMatchObject(refusal);
    expect(await readdir(join(root, 't-acme'))).toEqual(['f-a']);
    await writeFile(join(root, 't-acme/f-a'), 'abcd');
    await expect(own.get('a')).rejects.toMatchObject(refusal);
  });

  it('writes a stream, and nothing of one that breaks or stands still', async () => {
    const own = (await open()).forTenant(acme);
    await own.put('a', new Blob(['one', 'two']).stream());
    expect(await text(own, 'a')).toBe('onetwo');
    const broken = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(Buffer.from('half'));
      },
      pull: () => Promise.reject(new Error('broken')),
    });
    await expect(own.put('a', broken)).rejects.toMatchObject({ code: 'storage_unavailable' });
    let cancelled = false;
    const still = new ReadableStream<Uint8Array>({ cancel: () => void (cancelled = true) });
    const impatient = (await open({ timeoutMs: 300 })).forTenant(acme);
    await expect(impatient.put('a', still)).rejects.toMatchObject({ code: 'storage_unavailable' });
    await expect.poll(() => cancelled, { timeout: 10_000 }).toBe(true);
    for (const storage of opened) await storage.close();
    expect(await readdir(join(root, 't-acme'))).toEqual(['f-a']);
    expect(await readFile(join(root, 't-acme/f-a'), 'utf8')).toBe('onetwo');
  });

  it('gives no half of a file, and loses none, when folders come and go', async () => {
    const own = (await open()).forTenant(acme);
    const [one, two] = ['1'.repeat(10_000), '2'.repeat(20_000)];
    const work = Array.from({ length: 8 }, async (_, at) => {
      for (let round = 0; round < 25; round += 1) {
        const key = `d/e/${String(at % 4)}`;
        await own.put(key, at % 2 === 0 ? one : two);
        expect([one, two, undefined]).toContain(await text(own, key));
        await own.delete(key);
      }
    });
    await Promise.all(work);
    await own.put('d/e/f', one);
    expect(await text(own, 'd/e/f')).toBe(one);
  });

  describe('with the work of an attacker in the tenant’s folder', () => {
    let own: TenantFolder;
    const secret = 'of globex';
    const inside = (name: string): string => join(root, 't-acme', name);
    beforeEach(async () => {
      const storage = await open({ timeoutMs: 10_000 });
      own = storage.forTenant(acme);
      await own.put('kept', 'x');
      await storage.forTenant(globex).put('d/secret', secret);
    });
    const untouched = async (): Promise<void> => {
      expect(await readFile(join(root, 't-globex/d-d/f-secret'), 'utf8')).toBe(secret);
      expect(await readdir(join(root, 't-globex'))).toEqual(['d-d']);
      expect(await readdir(join(root, 't-globex/d-d'))).toEqual(['f-secret']);
    };

    it('reads through no link to a file, and writes and deletes the link itself', async () => {
      for (const target of ['../t-globex/d-d/f-secret', join(root, 't-globex/d-d/f-secret'), '/etc/passwd', 'f-l']) {
        await symlink(target, inside('f-l'));
        await expect(own.get('l')).rejects.toMatchObject(refusal);
        await expect(own.has('l')).rejects.toMatchObject(refusal);
        await expect(own.copy('l', 'm')).rejects.toMatchObject(refusal);
        expect((await own.list()).keys).toEqual(['kept']);
        await own.put('l', 'mine');
        expect(await text(own, 'l')).toBe('mine');
        await own.delete('l');
        await symlink(target, inside('f-l'));
        expect(await own.delete('l')).toBe(true);
      }
      await untouched();
    });

    it('goes through no link to a folder, not even one that leads back', async () => {
      for (const target of ['../t-globex/d-d', join(root, 't-globex/d-d'), '.', 'd-l']) {
        await symlink(target, inside('d-l'));
        for (const operation of [
          () => own.get('l/secret'),
          () => own.has('l/secret'),
          () => own.put('l/secret', 'x'),
          () => own.put('l/new', 'x'),
          () => own.delete('l/secret'),
          () => own.copy('l/secret', 'm'),
          () => own.copy('kept', 'l/new'),
        ])
          await expect(operation()).rejects.toMatchObject(refusal);
        expect((await own.list()).keys).toEqual(['kept']);
        expect(await own.clear()).toBe(1);
        await own.put('kept', 'x');
      }
      await untouched();
    });

    it('takes no link for the tenant’s folder', async () => {
      await rm(join(root, 't-acme'), { recursive: true });
      await symlink('t-globex', join(root, 't-acme'));
      for (const operation of [
        () => own.get('d/secret'),
        () => own.put('x', 'x'),
        () => own.list(),
        () => own.clear(),
        () => own.delete('d/secret'),
      ])
        await expect(operation()).rejects.toMatchObject(refusal);
      await untouched();
    });

    it('reads no file that has a second name', async () => {
      await link(join(root, 't-globex/d-d/f-secret'), inside('f-h'));
      await expect(own.get('h')).rejects.toMatchObject(refusal);
      await expect(own.copy('h', 'm')).rejects.toMatchObject(refusal);
      await own.put('h', 'mine');
      expect(await text(own, 'h')).toBe('mine');
      await untouched();
    });

    it('does not wait for a pipe, and opens no socket, no device and no folder', async () => {
      execFileSync('mkfifo', [inside('f-p')]);
      await mkdir(inside('f-d'));
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(inside('f-s'), resolve));
      for (const key of ['p', 'd', 's']) {
        await expect(own.get(key)).rejects.toMatchObject(refusal);
        await expect(own.has(key)).rejects.toMatchObject(refusal);
      }
      await symlink('/dev/zero', inside('f-z'));
      await expect(own.get('z')).rejects.toMatchObject(refusal);
      await expect(own.put('d', 'x')).rejects.toMatchObject(refusal);
      await expect(own.delete('d')).rejects.toMatchObject(refusal);
      expect((await own.list()).keys).toEqual(['kept']);
      await new Promise((resolve) => server.close(resolve));
      await own.put('p', 'now a file');
      expect(await text(own, 'p')).toBe('now a file');
    });

    it('takes nothing from a pipe that somebody writes into', async () => {
      execFileSync('mkfifo', [inside('f-p')]);
      const writer = spawn('sh', ['-c', 'printf written > "$0"', inside('f-p')]);
      for (let at = 0; at < 20; at += 1) {
        await expect(own.get('p')).rejects.toMatchObject(refusal);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      expect(await readFile(inside('f-p'), 'utf8')).toBe('written');
      writer.kill();
    });

    it('shows no file that the codec has not named, and clears it away', async () => {
      for (const name of ['f-A', 'notes.txt', 'p-1', 'f-_61', '.hidden']) await writeFile(inside(name), 'x');
      await mkdir(inside('d-B'));
      await writeFile(inside('d-B/f-a'), 'x');
      expect((await own.list()).keys).toEqual(['kept']);
      await own.clear();
      expect(await readdir(join(root, 't-acme'))).toEqual([]);
    });
  });
});

describe('folder storage by descriptors', () => {
  it.skipIf(!existsSync('/proc/self/fd'))(
    'stays in the tenant’s folder while a folder in it is swapped for a link, again and again',
    async () => {
      const storage = await folderStorage({ root, fsync: false });
      opened.push(storage);
      const own = storage.forTenant(acme);
      await own.put('d/secret', 'of acme');
      await storage.forTenant(globex).put('d/secret', 'of globex');
      const [real, aside, link] = ['d-d', 'x-aside', 'x-link'].map((name) => join(root, 't-acme', name)) as [
        string,
        string,
        string,
      ];
      const until = { over: false };
      const swapping = (async () => {
        while (!until.over) {
          await symlink('../t-globex/d-d', link);
          await rename(real, aside);
          await rename(link, real);
          await new Promise((resolve) => setImmediate(resolve));
          await rm(real, { recursive: true });
          await rename(aside, real);
        }
      })().catch((error: unknown) => error);
      const outcomes = new Set<unknown>();
      for (let at = 0; at < 400; at += 1) {
        const body = await text(own, 'd/secret').catch((error: unknown) => (error as { code: unknown }).code);
        outcomes.add(body);
        await own.put(`d/new-${String(at % 7)}`, 'of acme').catch(() => undefined);
        await own.delete(`d/new-${String(at % 5)}`).catch(() => undefined);
        for (const key of await own.list().then(
          ({ keys }) => keys,
          () => [],
        ))
          expect(key).toMatch(/^d\/(?:secret|new-\d)$/);
      }
      until.over = true;
      await swapping;
      expect(outcomes).not.toContain('of globex');
      expect(outcomes).not.toContain('storage_unavailable');
      expect(readdirSync(join(root, 't-globex/d-d'))).toEqual(['f-secret']);
      expect(await readFile(join(root, 't-globex/d-d/f-secret'), 'utf8')).toBe('of globex');
    },
  );

  it('follows a link to its root once, at opening, and then stays there', async () => {
    const [first, second, pointer] = [join(home, 'one'), join(home, 'two'), join(home, 'pointer')];
    await mkdir(first, { mode: 0o700 });
    await mkdir(second, { mode: 0o700 });
    await symlink(first, pointer);
    const storage = await folderStorage({ root: pointer, fsync: false });
    opened.push(storage);
    await rm(pointer);
    await symlink(second, pointer);
    await storage.forTenant(acme).put('a', 'x');
    expect([readdirSync(first), readdirSync(second)]).toEqual([['t-acme'], []]);
    await rename(first, join(home, 'moved'));
    await mkdir(first, { mode: 0o700 });
    expect(await text(storage.forTenant(acme), 'a')).toBe('x');
  });

  it('refuses a root that is not there, is a file, or is everybody’s', async () => {
    await writeFile(join(home, 'file'), '');
    await mkdir(join(home, 'open'));
    await chmod(join(home, 'open'), 0o777);
    for (const bad of ['none', 'file', 'open'])
      await expect(folderStorage({ root: join(home, bad) })).rejects.toMatchObject({ code: 'config_invalid' });
    for (const options of [{ timeoutMs: 0 }, { timeoutMs: 1.5 }, { maxFileBytes: -1 }])
      await expect(folderStorage({ root, ...options })).rejects.toMatchObject({ code: 'config_invalid' });
  });

  it('leaves no descriptor open', async () => {
    const count = (): number => (existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd').length : 0);
    const before = count();
    const storage = await folderStorage({ root });
    const own = storage.forTenant(acme);
    await symlink('nowhere', join(root, 't-acme')).catch(() => undefined);
    await own.put('a/b', 'x').catch(() => undefined);
    await rm(join(root, 't-acme'));
    await own.put('a/b', 'x');
    await own.get('a/b');
    await own.get('a/none');
    await own.get('none/none');
    await own.has('a').catch(() => undefined);
    await own.list();
    await own.copy('a/b', 'c/d');
    await own.clear();
    await storage.close();
    await storage.close();
    await expect.poll(count, { timeout: 10_000 }).toBe(before);
    await expect(own.get('a')).rejects.toMatchObject({ code: 'storage_unavailable' });
  });

  it('says that it is unavailable when the folder cannot be used, and never that there is nothing', async () => {
    const storage = await folderStorage({ root, fsync: false });
    opened.push(storage);
    const own = storage.forTenant(acme);
    await own.put('a', 'x');
    await storage.close();
    for (const operation of [
      () => own.get('a'),
      () => own.has('a'),
      () => own.delete('a'),
      () => own.list(),
      () => own.put('a', 'y'),
      () => own.copy('a', 'b'),
      () => own.clear(),
    ])
      await expect(operation()).rejects.toMatchObject({ code: 'storage_unavailable' });
  });

  it('gives nothing to a context that no resolver made, and lets operators in on record alone', async () => {
    const records: OperatorAccess[] = [];
    const storage = await folderStorage({
      root,
      operatorAccess: (access) => Promise.resolve(void records.push(access)),
    });
    opened.push(storage);
    const operator = operatorFor({ tenants: ['acme'] });
    for (const forged of [{ ...acme }, { tenant: { id: 'acme' } }, undefined, operator])
      expect(() => storage.forTenant(forged as never)).toThrow(expect.objectContaining(refusal) as Error);
    await (await storage.forTenantAsOperator(operator, tenantId('acme'))).put('a', 'x');
    expect(records.map(({ tenant, storage: of }) => [tenant, of])).toEqual([['acme', 'folder']]);
    await expect(storage.forTenantAsOperator(operator, tenantId('globex'))).rejects.toMatchObject(refusal);
    const silent = await folderStorage({ root });
    opened.push(silent);
    await expect(silent.forTenantAsOperator(operator, tenantId('acme'))).rejects.toMatchObject(refusal);
  });

  it('agrees with a map a tenant, whatever the tenants, the keys and the order', async () => {
    const storage = await folderStorage({ root, fsync: false });
    opened.push(storage);
    const contexts = ['a', 'A', 'a-', 'a_2f', 'ab'].map((tenant) => contextFor({ tenant }));
    const key = fc.oneof(
      fc.constantFrom('a', 'A', 'ab', 'a/b', 'a/B', 'b/a', 'a*', '_', '_61', 'con', 'f-a', 'x'.repeat(300)),
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 5 }),
    );
    const what = fc.constantFrom('put', 'put', 'delete', 'get', 'has', 'copy', 'list', 'clear');
    const step = fc.record({ who: fc.nat(4), key, to: key, what, value: fc.string() });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const model = contexts.map(() => new Map<string, string>());
        for (const context of contexts) await storage.forTenant(context).clear();
        for (const { who, key: of, to, what: operation, value } of steps) {
          const own = storage.forTenant(contexts[who]!);
          const expected = model[who]!;
          const accepted = await Promise.all([own.has(of), own.has(to)]).then(
            () => of !== to,
            () => false,
          );
          if (operation === 'clear') {
            expect(await own.clear()).toBe(expected.size);
            expected.clear();
          } else if (operation === 'list')
            expect((await own.list({ limit: 1000 })).keys).toEqual([...expected.keys()].sort(compareKeys));
          else if (!accepted) continue;
          else if (operation === 'put') {
            await own.put(of, value);
            expected.set(of, value);
          } else if (operation === 'delete') expect(await own.delete(of)).toBe(expected.delete(of));
          else if (operation === 'has') expect(await own.has(of)).toBe(expected.has(of));
          else if (operation === 'copy') {
            expect(await own.copy(of, to)).toBe(expected.has(of));
            if (expected.has(of)) expected.set(to, expected.get(of)!);
          } else expect(await text(own, of)).toBe(expected.get(of));
        }
        for (const [index, context] of contexts.entries()) {
          const own = storage.forTenant(context);
          expect((await own.list({ limit: 1000 })).keys).toEqual([...model[index]!.keys()].sort(compareKeys));
          for (const [of, value] of model[index]!) expect(await text(own, of)).toBe(value);
        }
      }),
      { numRuns: 60 },
    );
  });
});

it('removes the folders that a file leaves empty', async () => {
  const storage = await folderStorage({ root, fsync: false });
  opened.push(storage);
  const own = storage.forTenant(acme);
  await own.put('a/b/c', 'x');
  await own.put('a/d', 'x');
  await own.delete('a/b/c');
  expect(readdirSync(join(root, 't-acme/d-a'))).toEqual(['f-d']);
  await own.delete('a/d');
  expect(readdirSync(join(root, 't-acme'))).toEqual([]);
  expect((await stat(join(root, 't-acme'))).isDirectory()).toBe(true);
});
