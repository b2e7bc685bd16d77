// npm run bench -- storage: what isolation costs in the database, side by side with the same without it, in one run.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { principalOf, tenantId } from '@portcullis/core';
import { cerbosSidecar } from '@portcullis/pdp/cerbos';
import { planToSql, resourceOfRow } from '@portcullis/storage/plan';
import {
  conformingSql,
  migration,
  rowLevelSecurity,
  schemaPerTenant,
  tenantSchemas,
} from '@portcullis/storage/postgres';
import { contextFor } from '@portcullis/testing/contexts';
import { startPostgres } from '@portcullis/testing/postgres';
import { interleave, median, report } from './measure.mjs';

const rows = Number(process.env.BENCH_ROWS ?? 1_000_000);
const tenants = Number(process.env.BENCH_TENANTS ?? 1_000);
const schemas = Number(process.env.BENCH_SCHEMAS ?? 10_000);

const server = await startPostgres({ settings: { shared_buffers: '512MB', synchronous_commit: 'off' } });
const folder = mkdtempSync(join(tmpdir(), 'portcullis-bench-'));
const pools = [];
const pool = (user, more = {}) => {
  const made = new pg.Pool({ connectionString: server.url('postgres', user), max: 4, ...more });
  made.on('error', () => undefined);
  pools.push(made);
  return made;
};

try {
  const admin = pool('postgres');
  await admin.query(
    'CREATE ROLE app LOGIN NOINHERIT; CREATE ROLE bare LOGIN; CREATE ROLE migrator LOGIN CREATEROLE; GRANT CREATE ON DATABASE postgres TO migrator; GRANT pg_read_all_stats TO app WITH INHERIT TRUE',
  );
  console.log(
    `PostgreSQL ${(await admin.query('SHOW server_version')).rows[0].server_version}, ${rows} rows of ${tenants} tenants`,
  );
  await rowLevel(admin);
  await schemaSwitch(admin);
} finally {
  await Promise.all(pools.map((one) => one.end()));
  await server.stop();
  rmSync(folder, { recursive: true });
}

async function rowLevel(admin) {
  // The same rows twice: once as an application without isolation keeps them, once as the generator makes them.
  await admin.query(`
    CREATE TABLE plain (tenant_id text NOT NULL, id int NOT NULL, author text, classification text, body text, PRIMARY KEY (tenant_id, id));
    INSERT INTO plain SELECT 't' || (n % ${tenants}), n / ${tenants}, 'user-' || (n % 17), (ARRAY['public', 'internal', 'secret'])[1 + n % 3], repeat('x', 100)
      FROM generate_series(0, ${rows - 1}) n;
    CREATE TABLE notes (LIKE plain INCLUDING ALL);
    INSERT INTO notes SELECT * FROM plain;
    ${conformingSql({ table: 'notes', role: 'app' })}
    GRANT SELECT ON plain TO bare, app;
    ANALYZE plain; ANALYZE notes;`);
  const rls = rowLevelSecurity(pool('app'));
  const pipelined = rowLevelSecurity(pool('app', { pipeline: true }));
  const context = contextFor({ tenant: 't7' });
  const bare = pool('bare');

  const explained = await rls.withTenant(context, (sql) =>
    sql.query('EXPLAIN SELECT id, body FROM notes WHERE id = 40'),
  );
  console.log('\nthe plan of a query by id, under row-level security:');
  for (const row of explained.rows) console.log(`  ${row['QUERY PLAN']}`);
  if (!explained.rows.some((row) => /Index (Only )?Scan/.test(row['QUERY PLAN'])))
    throw new Error('no index serves the query');

  const one = {
    bare: 'SELECT id, body FROM plain WHERE tenant_id = $1 AND id = $2',
    own: 'SELECT id, body FROM notes WHERE id = $1',
  };
  const transaction = async (text, values, settings = '') => {
    const client = await bare.connect();
    try {
      await client.query(`BEGIN${settings}`);
      const { rows: found } = await client.query(text, values);
      await client.query('COMMIT');
      return found;
    } finally {
      client.release();
    }
  };
  const byId = await interleave(
    {
      'bare connection, one statement': () => bare.query(one.bare, ['t7', 40]),
      'bare connection, in a transaction': () => transaction(one.bare, ['t7', 40]),
      'row-level security': () => rls.withTenant(context, (sql) => sql.query(one.own, [40])),
      'row-level security, pipelined': () => pipelined.withTenant(context, (sql) => sql.query(one.own, [40])),
    },
    { rounds: 1500, warmup: 200 },
  );
  report('(e) one row by id', byId);
  const inside = await interleave(
    {
      'bare connection, 10 statements in a transaction': async () => {
        const client = await bare.connect();
        await client.query('BEGIN');
        for (let id = 0; id < 10; id++) await client.query(one.bare, ['t7', id]);
        await client.query('COMMIT');
        client.release();
      },
      'row-level security, 10 statements': () =>
        rls.withTenant(context, async (sql) => {
          for (let id = 0; id < 10; id++) await sql.query(one.own, [id]);
        }),
    },
    { rounds: 400, warmup: 50 },
  );
  report('(e) ten statements in one transaction', inside);
  const many = await interleave(
    {
      'bare connection, in a transaction': () =>
        transaction('SELECT count(*), max(length(body)) FROM plain WHERE tenant_id = $1', ['t7']),
      'row-level security': () =>
        rls.withTenant(context, (sql) => sql.query('SELECT count(*), max(length(body)) FROM notes')),
    },
    { rounds: 300, warmup: 50 },
  );
  report(`(e) all ${rows / tenants} rows of the tenant`, many);
  console.log(`  round trips: one statement 1, a transaction 3, row-level security 3, pipelined 2`);
  await listing(rls, context);
}

async function listing(rls, context) {
  const policy = (condition) =>
    `    - { actions: ["read"], effect: EFFECT_ALLOW, roles: ["member"], condition: { match: { expr: '${condition}' } } }`;
  writeFileSync(
    join(folder, 'note.yaml'),
    `apiVersion: api.cerbos.dev/v1\nresourcePolicy:\n  resource: note\n  version: default\n  rules:\n${policy('R.attr.classification == "public"')}\n${policy('R.attr.author == "user-3"')}\n`,
  );
  const pdp = await cerbosSidecar({ policies: folder, pollMs: 0, deadlineMs: 10_000 });
  const attributes = { id: { type: 'text', column: 'key' }, columns: { author: 'text', classification: 'text' } };
  const request = { principal: principalOf(context), scope: context.tenant.id };
  const columns = 'id::text AS key, author, classification';
  const byPlan = async () => {
    const plan = await pdp.plan({ ...request, kind: 'note', action: 'read', tenant: context.tenant.id });
    const { text, values } = planToSql(plan, attributes);
    const found = await rls.withTenant(context, (sql) =>
      sql.query(`SELECT ${columns} FROM notes WHERE ${text} ORDER BY id`, values),
    );
    return found.rows.map(({ key }) => key);
  };
  const byCheck = async () => {
    const found = await rls.withTenant(context, (sql) => sql.query(`SELECT ${columns} FROM notes ORDER BY id`));
    const questions = found.rows.map((row) => ({
      resource: { kind: 'note', tenant: context.tenant.id, ...resourceOfRow(row, attributes) },
      actions: ['read'],
    }));
    const answers = await pdp.check({ ...request, questions });
    return found.rows.filter((_row, index) => answers[index][0].effect === 'allow').map(({ key }) => key);
  };
  const [planned, checked] = [await byPlan(), await byCheck()];
  if (planned.join() !== checked.join()) throw new Error('the plan and the check disagree');
  report(
    `(f) a list of ${planned.length} of ${rows / tenants} rows`,
    await interleave(
      { 'plan, then the rows it names': byPlan, 'fetch all, check each': byCheck },
      { rounds: 40, warmup: 5 },
    ),
  );
  await pdp.close();
}

async function schemaSwitch(admin) {
  const owner = pool('migrator');
  const manager = tenantSchemas(owner, {
    login: 'app',
    migrations: [migration('0001', 'CREATE TABLE notes (id int PRIMARY KEY, body text)')],
  });
  await manager.install();
  const ids = Array.from({ length: schemas }, (_, index) => tenantId(`s${index}`));
  for (const step of [100, 1_000, schemas].filter(
    (size, index, all) => size <= schemas && all.indexOf(size) === index,
  )) {
    const startedAt = performance.now();
    const made = await manager.upgrade({ tenants: ids.slice(0, step), concurrency: 4 });
    if (made.failed.length > 0) throw made.failed[0].error;
    const took = (performance.now() - startedAt) / 1000;
    console.log(
      `\n(g) ${step} tenants with a schema: ${made.upgraded.length} made in ${took.toFixed(1)} s, ${((took * 1000) / made.upgraded.length).toFixed(1)} ms each`,
    );
    await switching(ids.slice(0, step));
  }
  const again = performance.now();
  const unchanged = await manager.upgrade({ concurrency: 4 });
  console.log(
    `\n(g) an upgrade of ${unchanged.total} tenants that has nothing to do: ${((performance.now() - again) / 1000).toFixed(1)} s`,
  );
  await admin.query('SELECT 1');
}

async function switching(ids) {
  const app = pool('app');
  const perTenant = schemaPerTenant(app);
  const contexts = ids.map((tenant) => contextFor({ tenant }));
  let next = 0;
  const times = await interleave(
    {
      'one schema, in a transaction, no switch': async () => {
        const client = await app.connect();
        await client.query('BEGIN');
        await client.query('SELECT 1');
        await client.query('COMMIT');
        client.release();
      },
      'one tenant’s schema, again and again': () =>
        perTenant.withTenant(contexts[0], (sql) => sql.query('SELECT body FROM notes WHERE id = 1')),
      'another tenant’s schema each time': () => {
        next = (next + 7) % contexts.length;
        return perTenant.withTenant(contexts[next], (sql) => sql.query('SELECT body FROM notes WHERE id = 1'));
      },
    },
    { rounds: 400, warmup: 100 },
  );
  report(`(g) a query in a schema, of ${ids.length}`, times);
  const memory = await app.query('SELECT sum(total_bytes)::bigint AS bytes FROM pg_backend_memory_contexts');
  console.log(
    `  memory of one connection after that: ${(Number(memory.rows[0].bytes) / 1e6).toFixed(1)} MB; switch costs ${(median(times['another tenant’s schema each time']) - median(times['one schema, in a transaction, no switch'])).toFixed(0)} µs`,
  );
  await app.end();
  pools.splice(pools.indexOf(app), 1);
}
