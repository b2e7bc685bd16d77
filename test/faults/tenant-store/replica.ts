/** A process that changes tenants until it is killed, and says which it keeps. */
import KeyvRedis from '@keyv/redis';
import { Keyv } from 'keyv';
import { Pool } from 'pg';
import type { TenantStore } from '@portcullis/tenants';
import { keyvStore } from '@portcullis/tenants/keyv';
import { postgresStore } from '@portcullis/tenants/postgres';
import { nothing, round } from './churn.js';

const [kind, url = '', name = ''] = process.argv.slice(2);
const store: TenantStore =
  kind === 'redis'
    ? keyvStore(new Keyv({ store: new KeyvRedis(url) }))
    : postgresStore(new Pool({ connectionString: url }));

for (let index = 0; ; index++) {
  const done = nothing();
  await round(store, name, index, done);
  for (const id of done.tenants) process.stdout.write(`${id}\n`);
}
