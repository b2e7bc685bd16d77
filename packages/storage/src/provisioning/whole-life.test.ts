import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { Keyv } from 'keyv';
import { expect, it } from 'vitest';
import { tenantId } from '@portcullis/core';
import { memoryAudit, recordsLifecycle, recordsOperatorAccess } from '@portcullis/audit';
import { contextFor, operatorFor } from '@portcullis/testing/contexts';
import { memoryStore } from '@portcullis/tenants';
import { folderStorage } from '../folder.js';
import { keyvStorage } from '../keyv.js';
import { pgliteSource } from '../postgres/pglite.js';
import { conformingSql } from '../postgres/rls/conforming-sql.js';
import { fileJournal } from './file-journal.js';
import { folderArchive } from './folder-archive.js';
import { folderResource } from './folder-resource.js';
import { keysResource } from './keys-resource.js';
import { rowsResource } from './rows-resource.js';
import type { TenantLifecycle } from './lifecycle.js';
import { tenantLifecycle } from './tenant-lifecycle.js';

it('a tenant with rows in PGlite, keys and files goes and comes back, by a journal and an archive on disk', async () => {
  const root = await mkdtemp(join(tmpdir(), 'portcullis-lifecycle-'));
  const database = await PGlite.create();
  try {
    await database.exec(
      `CREATE ROLE owner; GRANT CREATE, USAGE ON SCHEMA public TO owner; SET ROLE owner;
       CREATE TABLE notes (tenant_id text NOT NULL, id integer, parent integer, n numeric, j jsonb, PRIMARY KEY (tenant_id, id),
         FOREIGN KEY (tenant_id, parent) REFERENCES notes);
       ${conformingSql({ table: 'notes' })}`,
    );
    const audit = memoryAudit();
    const operatorAccess = recordsOperatorAccess(audit);
    const keys = keyvStorage({ keyv: new Keyv(), operatorAccess });
    const files = join(root, 'files');
    await mkdir(files, { mode: 0o700 });
    const folders = await folderStorage({ root: files, operatorAccess });
    const registry = memoryStore();
    let now = Date.now();
    const operator = operatorFor({ expiresAt: now + 365 * 86_400_000 });
    /** As a process of its own would have it. */
    const lifecycle = (): TenantLifecycle =>
      tenantLifecycle({
        resources: [
          rowsResource(pgliteSource(database), { tables: ['notes'] }),
          keysResource(keys),
          folderResource(folders),
        ],
        registry,
        archive: folderArchive(join(root, 'archives')),
        journal: fileJournal(join(root, 'journal')),
        record: recordsLifecycle(audit),
        clock: () => now,
        settleMs: 0,
      });
    const ids = [tenantId('acme'), tenantId('acm')] as const;
    const [acme] = ids;
    const fill = async (tenant: string): Promise<void> => {
      await database.exec(
        `SET app.tenant_id = '${tenant}'; INSERT INTO notes VALUES ('${tenant}', 1, 2, 1.10, 'null'), ('${tenant}', 2, 1, NULL, NULL)`,
      );
      await keys.forTenant(contextFor({ tenant })).set('k', { of: tenant });
      await folders.forTenant(contextFor({ tenant })).put('a/b', Buffer.from([0, 255, 10]));
    };
    const all = async (): Promise<unknown> => {
      await database.exec('RESET ROLE');
      const { rows } = await database.query('SELECT whole_row::text AS row FROM notes whole_row ORDER BY 1');
      await database.exec('SET ROLE owner');
      const held = [];
      for (const tenant of ids) {
        const own = folders.forTenant(contextFor({ tenant }));
        held.push([
          await keys.forTenant(contextFor({ tenant })).get('k'),
          await own.get('a/b'),
          (await own.list()).keys,
        ]);
      }
      return { rows, held };
    };
    for (const id of ids) {
      await lifecycle().provision(operator, { id, name: id });
      await fill(id);
    }
    const before = await all();
    const { archive } = await lifecycle().deprovision(operator, acme);
    now += 30 * 86_400_000;
    expect(await lifecycle().sweep(operator)).toMatchObject([{ tenant: acme, report: { state: 'done' } }]);
    expect(await all()).not.toEqual(before);
    await lifecycle().restore(operator, acme, archive!);
    expect(await all()).toEqual(before);
    expect(await readdir(join(root, 'archives'))).toEqual([archive]);
    expect(audit.entries).toContainEqual(
      expect.objectContaining({ type: 'lifecycle', step: 'restore:rows', tenant: acme }),
    );
    await folders.close();
  } finally {
    await database.close();
    await rm(root, { recursive: true });
  }
}, 120_000);
