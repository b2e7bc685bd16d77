import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { folderAdoptionJournal } from './folder-adoption-journal.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'portcullis-ledger-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function notes(name = 'keys'): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const note of folderAdoptionJournal(folder).ledger(name).read()) found.push(note);
  return found;
}

it('keeps the notes of each step apart, in order, for the next process', async () => {
  const ledger = folderAdoptionJournal(folder).ledger('keys');
  await ledger.append([{ n: 1 }, { n: 'é\n' }]);
  await ledger.append([]);
  await ledger.append([{ n: 3 }]);
  expect(await notes()).toEqual([{ n: 1 }, { n: 'é\n' }, { n: 3 }]);
  expect(await notes('files')).toEqual([]);
  await ledger.clear();
  await ledger.clear();
  expect(await notes()).toEqual([]);
  await ledger.append([4]);
  expect(await notes()).toEqual([4]);
});

it('drops a line that a crash cut off, in the middle of a character too', async () => {
  await folderAdoptionJournal(folder)
    .ledger('keys')
    .append([{ n: 1 }]);
  const [name = ''] = await readdir(folder);
  await appendFile(join(folder, name), Buffer.from('{"n":"é').subarray(0, 7));
  expect(await notes()).toEqual([{ n: 1 }]);
  const ledger = folderAdoptionJournal(folder).ledger('keys');
  await ledger.append([{ n: 2 }]);
  await ledger.append([{ n: 3 }]);
  expect(await readFile(join(folder, name), 'utf8')).toBe('{"n":1}\n{"n":2}\n{"n":3}\n');
});

it('does not take a broken line for none', async () => {
  await writeFile(join(folder, 'ledger-keys.jsonl'), '{"n":1}\nnot json\n');
  await expect(notes()).rejects.toMatchObject({ code: 'storage_unavailable' });
});

it('makes the folder for its account alone', async () => {
  const journal = folderAdoptionJournal(join(folder, 'new', 'one'));
  expect(await journal.jobs.tenants()).toEqual([]);
  await journal.ledger('keys').append([1]);
  expect(await readdir(join(folder, 'new', 'one'))).toEqual(['ledger-keys.jsonl']);
});
