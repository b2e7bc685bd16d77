import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tenantId, type Attributes, type PolicyDecisionPoint, type Principal } from '@portcullis/core';
import { embedded } from '@portcullis/pdp/embedded';
import { planToSql, resourceOfRow, type ColumnMap } from '@portcullis/storage/plan';
import { startPostgres, type PostgresServer } from '@portcullis/testing/postgres';

/** The project's own policies on documents, by whose plans the example lists them from PostgreSQL. */
const policies = join(import.meta.dirname, '..', '..', 'policies');
const documents = { id: 'text', columns: { author: 'text', classification: 'text' } } as const satisfies ColumnMap;
const authors = ['test#alice', 'test#bob', '', null];
const classifications = ['public', 'internal', 'confidential', 'secret', 'unheard of', null];

let server: PostgresServer;
let client: pg.Client;
let pdp: PolicyDecisionPoint;
beforeAll(async () => {
  [server, pdp] = await Promise.all([startPostgres(), embedded({ policies, pollMs: 0 })]);
  client = new pg.Client({ connectionString: server.url() });
  await client.connect();
  await client.query('CREATE TABLE document (id text PRIMARY KEY, author text, classification text)');
  for (const author of authors)
    for (const classification of classifications)
      await client.query('INSERT INTO document VALUES ($1, $2, $3)', [
        `${String(author)} ${String(classification)}`,
        author,
        classification,
      ]);
});
afterAll(async () => {
  await client.end();
  await Promise.all([server.stop(), pdp.close()]);
});

const principal = (id: string, roles: readonly string[], tenant: string, more: Attributes = {}): Principal => ({
  id,
  roles,
  attr: { tenant, plan: 'pro', features: {}, scopes: [], groups_known: true, ...more },
});

describe('the documents that a plan finds', () => {
  const cases = ['acme', 'globex'].flatMap((tenant) =>
    [
      principal('test#alice', ['member'], tenant),
      principal('test#bob', ['admin'], tenant),
      principal('test#carol', ['readonly'], tenant),
      principal('test#alice', [], tenant),
      principal('test#alice', ['owner'], 'initech'),
      principal('test#alice', ['member'], tenant, { plan: 7 }),
    ].flatMap((who) => ['read', 'update', 'share', 'list', 'delete'].map((action) => [tenant, action, who] as const)),
  );

  it.each(cases)('are those that a check allows: in %s, to %s, by %j', async (tenant, action, who) => {
    const about = { principal: who, scope: tenant };
    const plan = await pdp.plan({ ...about, kind: 'document', action, tenant: tenantId(tenant) });
    const { text, values } = planToSql(plan, documents);
    const found = await client.query<{ id: string }>(`SELECT id FROM document WHERE ${text} ORDER BY id`, [...values]);
    const { rows } = await client.query<Record<string, unknown>>('SELECT * FROM document ORDER BY id');
    const resources = rows.map((row) => ({
      kind: 'document',
      tenant: tenantId(tenant),
      ...resourceOfRow(row, documents),
    }));
    const checked = await pdp.check({
      ...about,
      questions: resources.map((resource) => ({ resource, actions: [action] })),
    });
    const allowed = resources.filter((_resource, index) => checked[index]?.[0]?.effect === 'allow');
    expect(found.rows.map(({ id }) => id)).toEqual(allowed.map(({ id }) => id));
  });

  it('are some, and not all', async () => {
    const about = { principal: principal('test#alice', ['member'], 'acme'), scope: 'acme', kind: 'document' };
    const plan = await pdp.plan({ ...about, action: 'read', tenant: tenantId('acme') });
    const { text, values } = planToSql(plan, documents);
    const { rows } = await client.query(`SELECT id FROM document WHERE ${text}`, [...values]);
    // Of alice and bob all but what is secret, and what is secret of alice.
    expect(rows).toHaveLength(7);
  });
});
