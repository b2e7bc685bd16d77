import { createHash } from 'node:crypto';
import type { PostgresServer } from '@portcullis/testing/postgres';
import type { IsolationOptions, IsolationSubject, IsolationTrap } from '@portcullis/testing/isolation';
import {
  notes,
  openDatabase,
  subjectOf,
  tenantOf,
  transactional,
  type Begin,
  type Fixture,
  type Runner,
} from './postgres.js';

/** A schema per tenant in parts, so that each mistake is one part. */
interface Parts {
  readonly user: string;
  readonly setUp: readonly string[];
  /** As it is written in SQL. */
  readonly schema: (tenant: string) => string;
  readonly provision: (schema: string, role: string) => readonly string[];
  readonly run: (parts: Parts) => Runner;
  readonly subject: Partial<IsolationSubject>;
}

const hash = (tenant: string): string => createHash('sha256').update(tenant).digest('hex').slice(0, 24);
const roleOf = (database: string, tenant: string): string => `"${database}_${hash(tenant)}"`;
const table = 'CREATE TABLE IF NOT EXISTS $schema.notes (key text PRIMARY KEY, value text NOT NULL)';

const begin =
  (parts: Parts): Begin =>
  async (client, tenant) => {
    const { rows } = await client.query<{ name: string }>('SELECT current_database() AS name');
    await client.query(`SET LOCAL ROLE ${roleOf(rows[0]?.name ?? '', tenant)}`);
    await client.query(`SET LOCAL search_path = ${parts.schema(tenant)}, pg_temp`);
  };

const right: Parts = {
  user: 'gate',
  setUp: [],
  schema: (tenant) => `"t_${hash(tenant)}"`,
  provision: (schema, role) => [
    `CREATE ROLE ${role} NOLOGIN`,
    `GRANT ${role} TO gate`,
    `CREATE SCHEMA ${schema}`,
    table.replace('$schema', schema),
    `GRANT USAGE ON SCHEMA ${schema} TO ${role}`,
    `GRANT SELECT, INSERT, UPDATE, DELETE ON ${schema}.notes TO ${role}`,
  ],
  run: (parts) => transactional(begin(parts)),
  subject: {},
};

export async function schemaFixture(server: PostgresServer, mistake: Partial<Parts> = {}): Promise<Fixture> {
  const parts = { ...right, ...mistake };
  const database = await openDatabase(server, { user: parts.user, setUp: parts.setUp });
  const { rows } = await database.admin.query<{ name: string }>('SELECT current_database() AS name');
  const provisioned = new Set<string>();
  return {
    subject: {
      ...subjectOf('notes', database, parts.run(parts), (query) => notes(query)),
      provision: async (context) => {
        const tenant = tenantOf(context);
        for (const text of parts.provision(parts.schema(tenant), roleOf(rows[0]?.name ?? '', tenant)))
          await database.admin.query(text);
        provisioned.add(tenant);
      },
      reset: (contexts) =>
        database.admin.query(
          contexts.map((context) => `DELETE FROM ${parts.schema(tenantOf(context))}.notes`).join(';'),
        ),
      sql: { table: 'notes', schemaOf: (tenant) => parts.schema(tenant).replace(/^"|"$/g, '') },
      ...parts.subject,
    },
    close: database.close,
  };
}

/** One role for all tenants, and a search path that is set in each transaction. */
const pathOnly: Partial<Parts> = {
  user: 'app',
  provision: (schema) => [
    `CREATE SCHEMA IF NOT EXISTS ${schema} AUTHORIZATION app`,
    table.replace('$schema', schema),
    `ALTER TABLE ${schema}.notes OWNER TO app`,
  ],
  run: (parts) =>
    transactional((client, tenant) => client.query(`SET LOCAL search_path = ${parts.schema(tenant)}, pg_temp`)),
};

/** The source's sketch: three statements on a pool, each on whatever connection is free. */
const onThePool =
  (parts: Parts): Runner =>
  (database, tenant, work) =>
    work(async (text, values = []) => {
      await database.pool.query(`SET search_path TO ${parts.schema(tenant)}`);
      const { rows } = await database.pool.query<object>(text, [...values]);
      await database.pool.query('SET search_path TO public');
      return rows;
    });

type Mistake = readonly [name: string, trap: IsolationTrap, parts: Partial<Parts>, options?: IsolationOptions];

/** One mistake each, and what the kit has to call it. */
export const schemaMistakes: readonly Mistake[] = [
  [
    'the source’s sketch: names that drop odd characters, and a search path on a pool',
    'tenant_names_meet',
    {
      ...pathOnly,
      schema: (tenant) => `tenant_${tenant.replace(/[^\p{L}\p{N}_]/gu, '')}`,
      run: onThePool,
      subject: { atomic: false },
    },
  ],
  [
    'a search path on a pool, with names that are right',
    'interleaving',
    { ...pathOnly, run: onThePool, subject: { atomic: false } },
    { only: ['interleaving'] },
  ],
  [
    'names that drop odd characters',
    'tenant_names_meet',
    { ...pathOnly, schema: (tenant) => `"tenant_${tenant.replace(/[^\p{L}\p{N}_]/gu, '')}"` },
  ],
  [
    'names that are not quoted',
    'tenant_names_meet',
    { ...pathOnly, schema: (tenant) => `tenant_${tenant.replaceAll('-', '$')}` },
  ],
  [
    'names that are cut off at 63 bytes',
    'tenant_names_meet',
    { ...pathOnly, schema: (tenant) => `"tenant_${tenant}"` },
  ],
  ['one role for all tenants', 'qualified_name', pathOnly],
  [
    'a role that may do everything, beside a right search path',
    'qualified_name',
    {
      user: 'postgres',
      run: (parts) =>
        transactional((client, tenant) => client.query(`SET LOCAL search_path = ${parts.schema(tenant)}`)),
    },
    { only: ['qualified_name'] },
  ],
  [
    'a search path that falls through to `public`',
    'unprovisioned_tenant',
    {
      ...pathOnly,
      setUp: [table.replace('$schema', 'public'), 'GRANT ALL ON public.notes TO app'],
      run: (parts) =>
        transactional((client, tenant) => client.query(`SET LOCAL search_path = ${parts.schema(tenant)}, public`)),
      subject: { bare: undefined },
    },
  ],
  [
    'a search path of the session',
    'setting_outlives_unit',
    {
      ...pathOnly,
      run: (parts) => transactional((client, tenant) => client.query(`SET search_path = ${parts.schema(tenant)}`)),
    },
  ],
  [
    'temporary tables, which come first in a search path that does not name them',
    'temporary_table',
    {
      ...pathOnly,
      setUp: ['GRANT TEMPORARY ON DATABASE $database TO app'],
      run: (parts) =>
        transactional((client, tenant) => client.query(`SET LOCAL search_path = ${parts.schema(tenant)}`)),
    },
    { only: ['temporary_table'] },
  ],
];
