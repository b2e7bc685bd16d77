import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { revisionOf, revisionOfFolder } from './revision.js';

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-revision-'));
  folders.push(folder);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

const of = (documents: readonly unknown[], schemas: Readonly<Record<string, unknown>> = {}): string =>
  revisionOf({ documents, schemas: new Map(Object.entries(schemas)) });

describe('a revision', () => {
  it('is the same in whatever order', () => {
    expect(of([{ a: 1, b: 2 }, { c: 3 }], { x: {}, y: true })).toBe(of([{ c: 3 }, { b: 2, a: 1 }], { y: true, x: {} }));
  });

  it('is another one for anything else', () => {
    const all = [
      of([]),
      of([{}]),
      of([{ a: 1 }]),
      of([{ a: 1 }, { a: 1 }]),
      of([{ a: 1 }, { b: 2 }]),
      of([{ a: 1, b: 2 }]),
      of([{ a: '1' }]),
      of(['{"a":1}']),
      of([], { a: 1 }),
      of([], { b: 1 }),
      of([], { a: 1, b: 2 }),
      // A name that holds what would part two schemas.
      of([], { 'a 1\nb': 2 }),
      of([{}], { a: 1 }),
    ];
    expect(new Set(all).size).toBe(all.length);
  });
});

describe('the revision of a folder', () => {
  const policy = 'apiVersion: api.cerbos.dev/v1\nresourcePolicy: {resource: note, version: default, rules: []}\n';

  it('leaves out what is disabled, empty or a comment', async () => {
    const plain = await revisionOfFolder(folderOf({ 'a.yaml': policy }));
    const more = folderOf({
      'b.yaml': policy,
      'c.yaml': `${policy}disabled: true\n`,
      'd.yaml': '# nothing\n',
      'e.yaml': '',
    });
    expect(await revisionOfFolder(more)).toBe(plain);
    expect(await revisionOfFolder(folderOf({ 'a.yaml': `${policy}disabled: false\n` }))).not.toBe(plain);
  });

  it('is there for files that cannot be read as policies, and changes with them', async () => {
    // A member that is there twice is an error, after which the last one stands.
    const texts = ['a: [1', 'a: [2', 'a: 1\na: 2', 'a: 0\na: 2', 'a: 2'];
    const all = await Promise.all(texts.map((text) => revisionOfFolder(folderOf({ 'a.yaml': text }))));
    expect(all[0]).toMatch(/^[0-9a-f]{64}$/);
    expect(new Set(all).size).toBe(all.length);
  });

  it('goes by the names of schemas, and by what they say', async () => {
    const all = await Promise.all(
      [
        { '_schemas/a.json': '{}' },
        { '_schemas/b.json': '{}' },
        { '_schemas/a.json': '{"type":"object"}' },
        { '_schemas/a.json': '{' },
        { '_schemas/b/a.json': '{}' },
      ].map((schemas) => revisionOfFolder(folderOf({ 'a.yaml': policy, ...(schemas as Record<string, string>) }))),
    );
    expect(new Set(all).size).toBe(all.length);
  });
});
