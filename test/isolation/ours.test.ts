import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { assertIsolated } from '@portcullis/testing/isolation';
import { skipWithoutPgBouncer } from '@portcullis/testing/pgbouncer';
import { startPostgres, type PostgresServer } from '@portcullis/testing/postgres';
import { skipWithoutRedis } from '@portcullis/testing/redis';
import { openPglite, openRls, openSchemas, type Opened } from './ours/postgres.js';
import { openFolders, openKeys, openObjects } from './ours/stores.js';

// `npm run test:isolation` sets both.
const asked = process.env['ISOLATION_OPERATIONS'];
const seed = Number(process.env['ISOLATION_SEED'] ?? Math.trunc(Math.random() * 0x7fffffff));

process.stdout.write(`isolation kit: seed ${String(seed)}\n`);

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
  const admin = new pg.Client(server.url());
  await admin.connect();
  await admin.query('CREATE ROLE app LOGIN NOINHERIT; CREATE ROLE migrator LOGIN CREATEROLE');
  await admin.end();
});
afterAll(() => server.stop());

const adapters: readonly (readonly [name: string, open: () => Promise<Opened>, skip?: boolean])[] = [
  ['row-level security', () => openRls(server, 'direct')],
  ['row-level security, pipelined', () => openRls(server, 'pipelined')],
  ['row-level security behind PgBouncer', () => openRls(server, 'pgbouncer'), skipWithoutPgBouncer()],
  ['row-level security in PGlite', () => openPglite()],
  ['a schema per tenant', () => openSchemas(server)],
  ['keys in memory', () => openKeys('memory')],
  ['keys on Redis', () => openKeys('redis'), skipWithoutRedis()],
  ['objects by prefix', () => openObjects('prefix')],
  ['objects in a bucket per tenant', () => openObjects('bucket per tenant')],
  ['files in folders', () => openFolders()],
];

describe('no tenant reaches another', () => {
  for (const [name, open, skip = false] of adapters)
    it.skipIf(skip)(
      name,
      async () => {
        const { subject, close } = await open();
        // An S3 server in this process takes its time.
        const operations = Number(asked ?? (name.startsWith('objects') ? 100 : 400));
        try {
          const report = await assertIsolated(subject, { operations, seed });
          expect(report.operations).toBeGreaterThanOrEqual(operations);
          const { skipped, refusedTenants } = report;
          if (asked !== undefined)
            process.stdout.write(
              `${name}: ${JSON.stringify({ ...report, capabilities: undefined, tenants: report.tenants.length })}\n`,
            );
          expect(refusedTenants).toEqual({});
          expect(skipped).not.toHaveProperty('usable');
        } finally {
          await close();
        }
      },
      60_000 + Number(asked ?? 1000) * 60,
    );
});
