// npm run bench -- tenants: what finding the tenant costs, from a cache and from the real stores, with 10,000 tenants.
import KeyvRedis from '@keyv/redis';
import { Keyv } from 'keyv';
import pg from 'pg';
import { tenantId } from '@portcullis/core';
import { memoryStore, registry, resolver } from '@portcullis/tenants';
import { keyvStore } from '@portcullis/tenants/keyv';
import { postgresStore } from '@portcullis/tenants/postgres';
import { identityFor } from '@portcullis/testing/contexts';
import { startPostgres } from '@portcullis/testing/postgres';
import { hasRedis, startRedis } from '@portcullis/testing/redis';
import { interleave, median, report } from './measure.mjs';

const tenants = Number(process.env.BENCH_TENANTS ?? 10_000);
const opened = [];
try {
  const postgres = await startPostgres();
  opened.push(() => postgres.stop());
  const pool = new pg.Pool({ connectionString: postgres.url(), max: 8 });
  pool.on('error', () => undefined);
  opened.push(() => pool.end());
  const onPostgres = postgresStore(pool);
  await onPostgres.migrate();
  const stores = { memory: memoryStore(), PostgreSQL: onPostgres };
  if (hasRedis()) {
    const redis = await startRedis();
    opened.push(() => redis.stop());
    stores.Redis = keyvStore(new Keyv({ store: new KeyvRedis(redis.url) }));
    opened.push(() => stores.Redis.close());
  } else console.log('redis-server is not installed: Redis is left out');

  const identityOf = (index) =>
    identityFor({ provider: 'oidc', subject: `user-${index}`, tenantHint: `org-${index}`, claims: {} });
  for (const [name, store] of Object.entries(stores)) {
    const startedAt = performance.now();
    for (let at = 0; at < tenants; at += 50)
      await Promise.all(
        Array.from({ length: Math.min(50, tenants - at) }, async (_none, index) => {
          const id = tenantId(`t${at + index}`);
          await store.createTenant({
            id,
            name: id,
            plan: 'pro',
            settings: { identityProviders: [{ provider: 'oidc', tenantHint: `org-${at + index}` }] },
          });
          await store.putMember(id, `oidc#user-${at + index}`, ['member']);
        }),
      );
    console.log(
      `${name}: ${tenants} tenants made in ${((performance.now() - startedAt) / tenants).toFixed(2)} ms each`,
    );
  }

  // As the server would have done by itself after a minute.
  await pool.query('ANALYZE');

  let turn = 0;
  const identities = Array.from({ length: 1000 }, (_none, index) => identityOf(index));
  const resolving = (store, maxAgeMs) => {
    const tenantsOf = resolver({ registry: registry({ store, maxAgeMs, negativeMaxAgeMs: maxAgeMs }) });
    return () => tenantsOf.resolve({ identity: identities[turn++ % identities.length], requestId: 'bench' });
  };
  const alternatives = { cached: resolving(stores.memory, 3_600_000) };
  for (const [name, store] of Object.entries(stores)) alternatives[`uncached, ${name}`] = resolving(store, 0);
  report(`tenant resolution, ${tenants} tenants`, await interleave(alternatives, { rounds: 3000, warmup: 2000 }));

  const inARow = [];
  for (let round = 0; round < 50; round++) {
    const startedAt = performance.now();
    for (let at = 0; at < identities.length; at++) await alternatives.cached();
    inARow.push(((performance.now() - startedAt) * 1000) / identities.length);
  }
  console.log(
    `  cached, ${identities.length} tenants in a row: median ${median(inARow.sort((a, b) => a - b)).toFixed(1)} µs each`,
  );

  report(
    'a change of a tenant',
    await interleave(
      Object.fromEntries(
        Object.entries(stores).map(([name, each]) => [
          name,
          () => each.updateTenant(tenantId(`t${turn++ % tenants}`), { plan: 'enterprise' }),
        ]),
      ),
      { rounds: 500 },
    ),
  );
  report(
    'a page of 100 tenants',
    await interleave(
      Object.fromEntries(
        Object.entries(stores).map(([name, each]) => [name, () => each.listTenants({ limit: 100, plan: 'pro' })]),
      ),
      { rounds: 100, warmup: 10 },
    ),
  );
} finally {
  for (const close of opened.reverse()) await close();
}
