import { writeFileSync } from 'node:fs';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tenantId, type TenantId } from '@portcullis/core';
import { startPostgres, type PostgresServer } from '@portcullis/testing/postgres';
import { pgliteSource } from '../postgres/pglite.js';
import { fileJournal } from './file-journal.js';
import type { JobJournal } from './job-journal.js';
import { memoryJournal } from './memory-journal.js';
import { sqlJournal } from './sql-journal.js';

const refusal = (code: string): unknown => expect.objectContaining({ code });
const root = mkdtemp(join(tmpdir(), 'portcullis-journal-'));
let server: PostgresServer;
let pool: pg.Pool;
let embedded: PGlite;
let count = 0;

beforeAll(async () => {
  server = await startPostgres();
  pool = new pg.Pool({ connectionString: server.url(), max: 4 });
  pool.on('error', () => undefined);
  embedded = await PGlite.create();
}, 120_000);
afterAll(async () => {
  await pool.end();
  await embedded.close();
  await server.stop();
  await rm(await root, { recursive: true });
});

/** An empty journal, and another handle to the same. */
type Open = () => Promise<readonly [JobJournal, JobJournal]>;

const journals: Record<string, Open> = {
  'in memory': () => {
    const journal = memoryJournal();
    return Promise.resolve([journal, journal]);
  },
  'in a folder': async () => {
    const folder = join(await root, String(count++));
    return [fileJournal(folder), fileJournal(folder)];
  },
  'in PostgreSQL': async () => {
    const one = sqlJournal(pool);
    await one.install();
    await pool.query('TRUNCATE portcullis.tenant_jobs');
    return [one, sqlJournal(pool)];
  },
  'in PGlite': async () => {
    const one = sqlJournal(pgliteSource(embedded));
    await one.install();
    await embedded.query('TRUNCATE portcullis.tenant_jobs');
    return [one, sqlJournal(pgliteSource(embedded))];
  },
};

describe.each(Object.entries(journals))('a journal %s', (_name, open) => {
  const acme = tenantId('acme');

  it('keeps what was written, by tenant, for every handle', async () => {
    const [one, two] = await open();
    expect(await one.read(acme)).toBeUndefined();
    expect(await one.tenants()).toEqual([]);
    const value = { text: 'é\u{1F600}\u2028"\\\n', list: [1.5, null, { deep: true }] };
    expect(await one.write(acme, value, 0)).toBe(1);
    expect(await two.read(acme)).toEqual({ version: 1, value });
    expect(await two.write(acme, { other: 1 }, 1)).toBe(2);
    expect(await one.read(acme)).toEqual({ version: 2, value: { other: 1 } });
  });

  it('takes a write over the latest version alone', async () => {
    const [one, two] = await open();
    await expect(one.write(acme, 'x', 1)).rejects.toEqual(refusal('conflict'));
    await one.write(acme, 'a', 0);
    await expect(two.write(acme, 'x', 0)).rejects.toEqual(refusal('conflict'));
    await two.write(acme, 'b', 1);
    for (const stale of [0, 1, 3, 99]) await expect(one.write(acme, 'x', stale)).rejects.toEqual(refusal('conflict'));
    expect(await one.read(acme)).toEqual({ version: 2, value: 'b' });
  });

  it('of many that write over one version, lets one', async () => {
    const [one, two] = await open();
    for (let version = 0; version < 25; version++) {
      const results = await Promise.allSettled(
        Array.from({ length: 6 }, (_, writer) => [one, two][writer % 2]!.write(acme, { writer, version }, version)),
      );
      const winners = results.flatMap(({ status }, writer) => (status === 'fulfilled' ? [writer] : []));
      expect(winners).toHaveLength(1);
      for (const result of results)
        if (result.status === 'rejected') expect(result.reason).toEqual(refusal('conflict'));
      expect(await two.read(acme)).toEqual({ version: version + 1, value: { writer: winners[0], version } });
    }
  }, 60_000);

  it('keeps tenants apart whose ids look alike', async () => {
    const ids = ['a', 'A', 'ab', 'a-b', 'a_b', '1', 'x'.repeat(64), `${'x'.repeat(63)}y`].map((id) => tenantId(id));
    const [one, two] = await open();
    for (const id of ids) await one.write(id, id, 0);
    for (const id of ids) expect(await two.read(id)).toEqual({ version: 1, value: id });
    expect(await two.tenants()).toEqual([...ids].sort());
  });
});

describe('a journal in a folder', () => {
  it('keeps its files to its own account, names them by nothing that a tenant wrote, and clears old ones away', async () => {
    const folder = join(await root, 'modes');
    const journal = fileJournal(folder);
    await fc.assert(
      fc.asyncProperty(fc.stringMatching(/^[0-9A-Za-z][\w-]{0,63}$/), async (id) => {
        const version = (await journal.read(tenantId(id)))?.version ?? 0;
        await journal.write(tenantId(id), id, version);
        expect((await journal.read(tenantId(id)))?.value).toBe(id);
      }),
      { numRuns: 30 },
    );
    for (let version = 0; version < 40; version++) await journal.write('busy--' as TenantId, version, version);
    const files = await readdir(folder);
    for (const file of files) expect(file).toMatch(/^[0-9a-f]+\.\d+\.json$/);
    expect(files.filter((file) => file.startsWith(Buffer.from('busy--').toString('hex')))).toHaveLength(16);
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    for (const file of files) expect((await stat(join(folder, file))).mode & 0o777).toBe(0o600);
    for (const id of ['../x', '', 'a.1'])
      await expect(journal.write(id as TenantId, 1, 0)).rejects.toEqual(refusal('storage_refused'));
  });

  it('of a writer that slept while others wrote, takes nothing', async () => {
    const folder = join(await root, 'slept');
    const journal = fileJournal(folder);
    const acme = tenantId('acme');
    for (let version = 0; version < 3; version++) await journal.write(acme, version, version);
    const path = (version: number): string =>
      join(folder, `${Buffer.from('acme').toString('hex')}.${String(version)}.json`);
    // Between the sleeper's look and its link others write twice, and clear the older one away.
    const sleeper = {
      toJSON() {
        writeFileSync(path(5), '"theirs"');
        return 'late';
      },
    };
    await expect(journal.write(acme, sleeper, 3)).rejects.toEqual(refusal('conflict'));
    expect(await journal.read(acme)).toEqual({ version: 5, value: 'theirs' });
  });

  it('says so when a file is damaged or the folder is none', async () => {
    const folder = join(await root, 'damaged');
    const journal = fileJournal(folder);
    await journal.write(tenantId('acme'), 1, 0);
    await writeFile(join(folder, `${Buffer.from('acme').toString('hex')}.2.json`), '{"half":');
    await expect(journal.read(tenantId('acme'))).rejects.toEqual(refusal('storage_unavailable'));
    const file = join(await root, 'file');
    await writeFile(file, '');
    await expect(fileJournal(file).read(tenantId('acme'))).rejects.toEqual(refusal('storage_unavailable'));
  });
});

it('a row of a database that names no tenant is not taken for one', async () => {
  const journal = sqlJournal(pgliteSource(embedded));
  await journal.install();
  await embedded.query("INSERT INTO portcullis.tenant_jobs (tenant, version, value) VALUES ('../acme', 1, '{}')");
  await expect(journal.tenants()).rejects.toEqual(refusal('tenant_unknown'));
  await embedded.query('TRUNCATE portcullis.tenant_jobs');
});

it('a database that is not there is said to be, and never an empty journal', async () => {
  const gone = new pg.Pool({ connectionString: 'postgresql://nobody@127.0.0.1:1/none' });
  await expect(sqlJournal(gone).read(tenantId('acme'))).rejects.toEqual(refusal('storage_unavailable'));
  await gone.end();
});
