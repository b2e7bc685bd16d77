import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { McpServer } from '@modelcontextprotocol/server';
import { Keyv } from 'keyv';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { memoryAudit } from '@portcullis/audit';
import { oidc, staticKeys, verifier } from '@portcullis/claims';
import { tenantId, type TenantContext } from '@portcullis/core';
import { portcullis, type Gate, type McpEndpoint } from '@portcullis/mcp';
import { adoptFolder, adoption, adoptKeys, adoptRows, folderAdoptionJournal } from '@portcullis/storage/adoption';
import { folderStorage, type FolderStorage } from '@portcullis/storage/folder';
import { keyvStorage } from '@portcullis/storage/keyv';
import { rowLevelSecurity } from '@portcullis/storage/postgres';
import { memoryStore, registry, resolver, singleTenant, tenancy } from '@portcullis/tenants';
import { fixtures } from '@portcullis/testing/issuers';
import { startPostgres, type PostgresServer } from '@portcullis/testing/postgres';
import { callText, connect, startHarness, url, type Harness } from './harness.js';

/** What the tools work with: they do not know whose it is. */
interface Data {
  query(text: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>;
  setting(key: string): Promise<unknown>;
  file(name: string): Promise<string | undefined>;
}

let harness: Harness;
let server: PostgresServer;
let folder: string;
let files: FolderStorage;
let owner: pg.Pool;
let app: pg.Pool;
const keyv = new Keyv({ namespace: 'notes' });

beforeAll(async () => {
  [harness, server] = await Promise.all([startHarness(), startPostgres()]);
  folder = await mkdtemp(join(tmpdir(), 'portcullis-adopted-'));
  const root = new pg.Pool({ connectionString: server.url() });
  await root.query(
    'CREATE ROLE owner LOGIN; CREATE ROLE app LOGIN; GRANT CREATE ON DATABASE postgres TO owner; GRANT CREATE ON SCHEMA public TO owner',
  );
  await root.end();
  [owner, app] = ['owner', 'app'].map((user) => new pg.Pool({ connectionString: server.url('postgres', user) })) as [
    pg.Pool,
    pg.Pool,
  ];
  for (const pool of [owner, app]) pool.on('error', () => undefined);
  await owner.query(`
    CREATE TABLE books (id serial PRIMARY KEY, title text UNIQUE);
    CREATE TABLE notes (id text PRIMARY KEY, book integer REFERENCES books ON DELETE CASCADE, body text);
    INSERT INTO books (title) VALUES ('Diary'), ('Recipes');
    INSERT INTO notes VALUES ('n1', 1, 'rain'), ('n2', 2, 'soup')`);
  await keyv.set('theme', 'dark');
  await mkdir(join(folder, 'attachments'));
  await writeFile(join(folder, 'attachments', 'photo.txt'), 'a photo');
  files = await folderStorage({ root: folder });
});
afterAll(async () => {
  await files.close();
  await owner.end();
  await app.end();
  await server.stop();
  await harness.close();
  await rm(folder, { recursive: true, force: true });
});

/** The data as it was before there were tenants. */
const plain = (): Data => ({
  query: async (text, values) => (await owner.query<Record<string, unknown>>(text, values && [...values])).rows,
  setting: (key) => keyv.get(key),
  file: (name) => readFile(join(folder, name), 'utf8').catch(() => undefined),
});

/** The data of one tenant. */
function ofTenant(context: TenantContext): Data {
  return {
    query: (text, values) =>
      rowLevelSecurity(app).withTenant(context, async (sql) => (await sql.query(text, values)).rows),
    setting: (key) => keyvStorage({ keyv }).forTenant(context).get(key),
    file: async (name) => {
      const found = await files.forTenant(context).get(name);
      return found && Buffer.from(found).toString();
    },
  };
}

/** The same server, with multi-tenancy off or on. */
async function serve(mode: string | undefined): Promise<McpEndpoint> {
  const tenants = registry({ store: memoryStore() });
  for (const [id, user] of [
    ['system', 'alice'],
    ['globex', 'gina'],
  ] as const) {
    await tenants.store.createTenant({
      id: tenantId(id),
      name: id,
      settings: { identityProviders: [{ provider: 'oidc' }] },
    });
    await tenants.store.putMember(tenantId(id), `oidc#${user}`, ['admin']);
  }
  const keys = staticKeys({ keys: harness.issuer.keys.map(({ publicJwk }) => publicJwk) });
  const gate = portcullis<Data>({
    identity: verifier([oidc({ name: 'oidc', issuer: harness.issuer.issuer, audience: fixtures.audience, keys })]),
    tenants: tenancy({
      mode,
      single: () => singleTenant({ otherwise: ['admin'] }),
      multi: () => resolver({ registry: tenants }),
    }),
    pdp: harness.pdp,
    audit: memoryAudit(),
    resource: url,
    authorizationServers: [harness.issuer.issuer],
    storage: (context) => (mode === 'enabled' ? ofTenant(context) : plain()),
  });
  return gate.serve(() => notesServer(gate));
}

function notesServer(gate: Gate<Data>): McpServer {
  const made = new McpServer({ name: 'notes', version: '1.0.0' }, { capabilities: { tools: {} } });
  const text = { inputSchema: z.object({ name: z.string() }), authorize: 'default' } as const;
  gate.tool(made, 'notes', { authorize: 'default' }, async (_args, { storage }) =>
    JSON.stringify(
      await storage.query('SELECT n.id, n.body, b.title FROM notes n JOIN books b ON b.id = n.book ORDER BY n.id'),
    ),
  );
  gate.tool(made, 'book_add', text, async ({ name }, { storage }) =>
    JSON.stringify(await storage.query('INSERT INTO books (title) VALUES ($1) RETURNING title', [name])),
  );
  gate.tool(made, 'setting', text, async ({ name }, { storage }) =>
    JSON.stringify((await storage.setting(name)) ?? null),
  );
  gate.tool(made, 'file', text, async ({ name }, { storage }) => (await storage.file(name)) ?? 'no such file');
  return made;
}

/** What a client reads through every tool. */
async function answers(endpoint: McpEndpoint, user: 'alice' | 'gina'): Promise<readonly string[]> {
  const client = await connect(endpoint, await harness.token(user));
  try {
    const { tools } = await client.listTools();
    return [
      tools.map(({ name }) => name).join(),
      await callText(client, 'notes'),
      await callText(client, 'setting', { name: 'theme' }),
      await callText(client, 'file', { name: 'attachments/photo.txt' }),
    ];
  } finally {
    await client.close();
  }
}

it('gives a client the same answers before, as a tenant, and after the way back; another tenant sees none of them', async () => {
  const move = adoption({
    tenant: tenantId('system'),
    steps: [
      adoptRows(owner, { tables: ['books', 'notes'], role: 'app', verify: { pool: app } }),
      adoptKeys(keyv, { namespace: 'notes' }),
      adoptFolder(folder),
    ],
    journal: folderAdoptionJournal(`${folder}-journal`),
  });
  const old = await serve(undefined);
  const before = await answers(old, 'alice');
  expect(before).toEqual([
    'notes,book_add,setting,file',
    '[{"id":"n1","body":"rain","title":"Diary"},{"id":"n2","body":"soup","title":"Recipes"}]',
    '"dark"',
    'a photo',
  ]);
  const plan = await move.dryRun();
  expect(plan.steps.flatMap(({ plan: each }) => each?.obstacles ?? [])).toEqual([]);
  expect(await answers(old, 'alice')).toEqual(before);
  await old.close();

  await move.run();
  const many = await serve('enabled');
  expect(await answers(many, 'alice')).toEqual(before);
  expect(await answers(many, 'gina')).toEqual([before[0], '[]', 'null', 'no such file']);
  await move.finish();
  expect(await answers(many, 'alice')).toEqual(before);

  // Work goes on; the same title and the same key are free in the other tenant.
  const gina = await connect(many, await harness.token('gina'));
  expect(await callText(gina, 'book_add', { name: 'Diary' })).toBe('[{"title":"Diary"}]');
  const alice = await connect(many, await harness.token('alice'));
  expect(await callText(alice, 'book_add', { name: 'Diary' })).toMatch(/tool error/);
  expect(await callText(alice, 'book_add', { name: 'Letters' })).toBe('[{"title":"Letters"}]');
  await Promise.all([gina.close(), alice.close()]);

  await expect(move.undo()).rejects.toMatchObject({
    code: 'storage_conflict',
    message: 'there are rows of other tenants',
  });
  expect(await answers(many, 'alice')).toEqual(before);
  await many.close();
  await ofGlobexAway();
  expect(await move.undo()).toMatchObject({ state: 'undone' });
  const again = await serve(undefined);
  expect(await answers(again, 'alice')).toEqual(before);
  expect((await plain().query('SELECT title FROM books ORDER BY id')).map(({ title }) => title)).toEqual([
    'Diary',
    'Recipes',
    'Letters',
  ]);
  await again.close();
  await rm(`${folder}-journal`, { recursive: true, force: true });
}, 120_000);

/** The other customer leaves before the server goes back to one. */
async function ofGlobexAway(): Promise<void> {
  await owner.query("BEGIN; SET LOCAL app.tenant_id = 'globex'; DELETE FROM books; COMMIT");
}
