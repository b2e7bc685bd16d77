import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { tenantId } from '@portcullis/core';
import { adoptFolder, adoption, folderAdoptionJournal } from '@portcullis/storage/adoption';
import { portcullis } from '../portcullis.js';
import { adopt } from './adopt.js';

const folder = mkdtempSync(join(tmpdir(), 'portcullis-adopt-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

let root: string;
let config: string;
let closed = 0;
let count = 0;

beforeEach(async () => {
  const here = join(folder, String(count++));
  root = join(here, 'data');
  await mkdir(root, { recursive: true });
  await writeFile(join(root, 'one.txt'), '1');
  await mkdir(join(root, 'two'));
  await writeFile(join(root, 'two', 'three'), '3');
  config = join(here, 'adopt.config.mjs');
  closed = 0;
  Object.assign(globalThis, {
    [`make${String(count)}`]: () => ({
      adoption: adoption({
        tenant: tenantId('system'),
        steps: [adoptFolder(root)],
        journal: folderAdoptionJournal(join(here, 'journal')),
      }),
      close: () => Promise.resolve(closed++),
    }),
  });
  writeFileSync(config, `export default () => globalThis['make${String(count)}']();`);
});
afterEach(() => {
  vi.restoreAllMocks();
});

interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(...args: readonly string[]): Promise<Run> {
  let [out, err] = ['', ''];
  const written = vi.spyOn(process.stdout, 'write').mockImplementation((text, done: unknown) => {
    out += String(text);
    if (typeof done === 'function') (done as () => void)();
    return true;
  });
  const told = vi.spyOn(console, 'error').mockImplementation((text: unknown) => (err += `${String(text)}\n`));
  try {
    return { code: await adopt.run(['--config', config, ...args]), out, err };
  } finally {
    written.mockRestore();
    told.mockRestore();
  }
}

const names = async (): Promise<readonly string[]> => (await readdir(root)).sort();

describe('portcullis tenancy adopt', () => {
  it('is a command of portcullis, which answers failures with 2', async () => {
    const told = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    expect(await portcullis(['tenancy', 'adopt', '--dry-run'])).toBe(2);
    expect(told.mock.calls.flat().join()).toContain('--config is needed');
    rmSync(root, { recursive: true });
    expect(await portcullis(['tenancy', 'adopt', '--yes', '--config', config])).toBe(2);
    expect(told.mock.calls.flat().join()).toContain('is not a folder that can be used');
    expect(closed).toBe(1);
  });

  it('says what it would do, does it, finishes it and takes it back', async () => {
    const plan = await run('--dry-run');
    expect(plan).toMatchObject({ code: 0, err: '' });
    expect(plan.out).toBe('tenant system: planned\nfiles: toMove 2\n  moves 2 files into `t-system`\n');
    expect(await names()).toEqual(['one.txt', 'two']);

    const made = await run('--yes');
    expect(made).toMatchObject({ code: 0, out: 'tenant system: adopted\nfiles: files 2\n' });
    expect(made.err).toContain('1/1 files started');
    expect(await names()).toEqual(['t-system', 'two']);
    expect(await run('--yes', '--finish')).toMatchObject({
      code: 0,
      out: 'tenant system: finished\nfiles: foldersRemoved 1\n',
    });
    expect(await names()).toEqual(['t-system']);
    const back = await run('--yes', '--undo', '--json');
    expect(JSON.parse(back.out)).toMatchObject({ action: 'undo', state: 'undone', steps: [{ step: 'files' }] });
    expect(back.err).toBe('');
    expect(await names()).toEqual(['one.txt', 'two']);
    expect(closed).toBe(4);
  });

  it('does nothing unasked', async () => {
    for (const action of [[], ['--finish'], ['--undo']])
      await expect(run(...action)).rejects.toThrow('there is no terminal to ask at: say --yes');
    expect(closed).toBe(0);
    expect(await names()).toEqual(['one.txt', 'two']);
  });

  it('exits with 1 where something speaks against it, and names it', async () => {
    await mkdir(join(root, 't-system'));
    const plan = await run('--dry-run', '--json');
    expect(plan.code).toBe(1);
    expect(JSON.parse(plan.out)).toMatchObject({ steps: [{ plan: { obstacles: [{ what: 't-system' }] } }] });
    const refused = await run('--yes');
    expect(refused).toMatchObject({ code: 1, out: '' });
    expect(refused.err).toContain('conflict: tenant `system` has a folder already');
    const json = await run('--yes', '--finish', '--json');
    expect(json.code).toBe(1);
    expect(JSON.parse(json.out)).toMatchObject({ error: { code: 'storage_refused' } });
    expect(closed).toBe(3);
  });

  it('passes on what the way back may do besides', async () => {
    await run('--yes');
    await writeFile(join(root, 'one.txt'), 'written since');
    expect(await run('--yes', '--undo')).toMatchObject({ code: 1 });
    expect(await run('--yes', '--undo', '--on-conflict', 'original')).toMatchObject({ code: 0 });
  });

  it.each([
    [['--finish', '--undo'], /not both/],
    [['--on-conflict', 'both', '--undo'], /`tenant` or `original`/],
    [['--mix-tenants'], /go with --undo/],
    [['--accept-deleted'], /goes with --finish/],
    [['--unknown'], /unknown/i],
    [['more'], /positional/i],
  ])('refuses %j', async (args, why) => {
    await expect(run(...args, '--yes')).rejects.toMatchObject({
      name: 'UsageError',
      message: expect.stringMatching(why) as unknown,
    });
  });

  it('refuses a configuration that is none', async () => {
    await expect(adopt.run(['--dry-run'])).rejects.toMatchObject({ name: 'UsageError' });
    await expect(adopt.run(['--dry-run', '--config', join(folder, 'none.mjs')])).rejects.toThrow(/cannot be loaded/);
    const other = join(folder, 'other.mjs');
    writeFileSync(other, 'export default { adoption: {} };');
    await expect(adopt.run(['--dry-run', '--config', other])).rejects.toThrow(/no default export of the form/);
  });
});
