import { lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import type { ArchiveStore } from './archive-store.js';
import { bytesOfLines, linesOfBytes } from './entry-lines.js';
import { folderArchive } from './folder-archive.js';
import { memoryArchive } from './memory-archive.js';

const refusal = (code: string): unknown => expect.objectContaining({ code });
const root = mkdtemp(join(tmpdir(), 'portcullis-archive-'));
let count = 0;
afterAll(async () => rm(await root, { recursive: true }));

const stores: Record<string, () => Promise<ArchiveStore>> = {
  'in memory': () => Promise.resolve(memoryArchive()),
  'in a folder': async () => folderArchive(join(await root, String(count++))),
};
const chunks = (...parts: readonly Uint8Array[]): AsyncIterable<Uint8Array> => ReadableStream.from(parts);
async function read(store: ArchiveStore, id: string, file: string): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of store.read(id, file)) all.push(chunk);
  return Buffer.concat(all);
}

describe.each(Object.entries(stores))('an archive store %s', (_name, open) => {
  it('has an archive when it was committed, byte for byte, and not before', async () => {
    const store = await open();
    const big = Buffer.alloc(200_000, Buffer.from([0, 255, 10, 13, 128]));
    const writer = await store.create('one');
    await writer.write('000001', chunks(big.subarray(0, 70_000), big.subarray(70_000)));
    await writer.write('manifest.json', chunks());
    await expect(read(store, 'one', '000001')).rejects.toEqual(refusal('storage_not_provisioned'));
    await writer.commit();
    expect((await read(store, 'one', '000001')).equals(big)).toBe(true);
    expect(await read(store, 'one', 'manifest.json')).toHaveLength(0);
    await expect(read(store, 'one', '000002')).rejects.toEqual(refusal('storage_not_provisioned'));
  });

  it('never writes over what is there', async () => {
    const store = await open();
    const writer = await store.create('one');
    await writer.write('000001', chunks(Buffer.from('first')));
    await expect(writer.write('000001', chunks(Buffer.from('second')))).rejects.toEqual(refusal('conflict'));
    await writer.commit();
    await expect(store.create('one')).rejects.toEqual(refusal('conflict'));
    expect((await read(store, 'one', '000001')).toString()).toBe('first');
  });

  it('forgets what was aborted or removed, and takes a fresh one of that id', async () => {
    const store = await open();
    const aborted = await store.create('one');
    await aborted.write('000001', chunks(Buffer.from('x')));
    await aborted.abort();
    const crashed = await store.create('one');
    await crashed.write('000001', chunks(Buffer.from('x')));
    await store.remove('one');
    const whole = await store.create('one');
    await whole.commit();
    await store.remove('one');
    await store.remove('one');
    await expect(read(store, 'one', '000001')).rejects.toEqual(refusal('storage_not_provisioned'));
    await (await store.create('one')).commit();
  });

  it('passes on the error of what is written', async () => {
    const store = await open();
    const writer = await store.create('one');
    const failing = async function* (): AsyncGenerator<Uint8Array> {
      await Promise.resolve();
      yield Buffer.from('x');
      throw new Error('the source failed');
    };
    await expect(writer.write('000001', failing())).rejects.toThrow('the source failed');
    await writer.abort();
  });

  it.each(['', '..', '../x', 'a/b', 'a.partial', 'A', '-a', 'x'.repeat(101), 'a\0b'])(
    'refuses the id %j',
    async (id) => {
      const store = await open();
      const calls = [() => store.create(id), () => read(store, id, '000001'), async () => store.remove(id)];
      for (const call of calls) await expect((async () => call())()).rejects.toEqual(refusal('storage_refused'));
      const writer = await store.create('one');
      await expect(writer.write(id, chunks())).rejects.toEqual(refusal('storage_refused'));
    },
  );
});

describe('an archive in a folder', () => {
  it('is for its own account alone', async () => {
    const folder = join(await root, 'modes');
    const store = folderArchive(folder);
    const writer = await store.create('one');
    await writer.write('000001', chunks(Buffer.from('x')));
    expect(await readdir(folder)).toEqual(['one.partial']);
    await writer.commit();
    expect(await readdir(folder)).toEqual(['one']);
    for (const path of [folder, join(folder, 'one')]) expect((await stat(path)).mode & 0o777).toBe(0o700);
    expect((await stat(join(folder, 'one', '000001'))).mode & 0o777).toBe(0o600);
  });

  it('follows no link, neither to read nor to write', async () => {
    const folder = join(await root, 'links');
    const outside = join(await root, 'outside');
    await writeFile(outside, 'mine');
    const store = folderArchive(folder);
    const writer = await store.create('one');
    await symlink(outside, join(folder, 'one.partial', '000001'));
    await expect(writer.write('000001', chunks(Buffer.from('x')))).rejects.toEqual(refusal('conflict'));
    await writer.commit();
    await expect(read(store, 'one', '000001')).rejects.toEqual(refusal('storage_unavailable'));
    await symlink(join(await root, 'elsewhere'), join(folder, 'two'));
    await expect(store.create('two')).rejects.toEqual(refusal('conflict'));
    await mkdir(join(await root, 'elsewhere'));
    await store.remove('two');
    expect((await lstat(join(await root, 'elsewhere'))).isDirectory()).toBe(true);
    expect(await readFile(outside, 'utf8')).toBe('mine');
  });
});

it('lines come back as they were, however the bytes are cut', async () => {
  const line = fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\n', ' '));
  await fc.assert(
    fc.asyncProperty(
      fc.array(line.filter((text) => text !== '')),
      fc.integer({ min: 1, max: 7 }),
      async (lines, size) => {
        const bytes: Uint8Array[] = [];
        for await (const chunk of bytesOfLines(lines)) bytes.push(chunk);
        const all = Buffer.concat(bytes);
        const cut: Uint8Array[] = [];
        for (let at = 0; at < all.length; at += size) cut.push(all.subarray(at, at + size));
        const back: string[] = [];
        for await (const text of linesOfBytes(chunks(...cut))) back.push(text);
        expect(back).toEqual(lines);
      },
    ),
  );
});
