import { Keyv } from 'keyv';
import { expect, it } from 'vitest';
import { systemClock, tenantId } from '@portcullis/core';
import { tenantStoreContract } from '@portcullis/testing/tenant-store-contract';
import { keyvStore } from '../keyv.js';
import { backendStore } from './backend-store.js';
import { memoryBackend } from './memory-backend.js';

tenantStoreContract(
  'memory',
  (options) => {
    const backend = memoryBackend();
    const open = () => backendStore({ backend, clock: systemClock, plans: options?.plans });
    return Promise.resolve({ one: open(), two: open() });
  },
  { sequences: 300 },
);
tenantStoreContract('Keyv in memory', (options) => {
  const store = keyvStore(new Keyv(), { writers: 'one', ...options });
  return Promise.resolve({ one: store, two: store });
});

it('a record that is malformed in the backend is a failure of the store, and not a tenant', async () => {
  const keyv = new Keyv();
  const store = keyvStore(keyv, { writers: 'one' });
  await store.createTenant({ id: tenantId('acme'), name: 'Acme' });
  await keyv.set(JSON.stringify(['tenant', 'acme']), JSON.stringify({ id: 'acme', status: 'active' }));
  await expect(store.getTenant(tenantId('acme'))).rejects.toMatchObject({ code: 'store_unavailable' });
});

it('a Keyv adapter that has no atomic change has to be for one process, said aloud', () => {
  expect(() => keyvStore(new Keyv())).toThrow(expect.objectContaining({ code: 'config_invalid' }) as Error);
});

it('completes a change that was cut short, before anything is read', async () => {
  const keyv = new Keyv();
  const acme = tenantId('acme');
  await keyvStore(keyv, { writers: 'one' }).createTenant({ id: acme, name: 'Acme', domains: ['a.example'] });
  for (let writes = 1; writes < 12; writes++) {
    // The process ends after so many writes: what it wrote is all that there is.
    const copy = new Keyv();
    const held = keyv.store as Map<string, unknown>;
    for (const [key, value] of held) (copy.store as Map<string, unknown>).set(key, value);
    let left = writes;
    const set = copy.set.bind(copy);
    copy.set = (...args) => (left-- > 0 ? set(...args) : new Promise(() => undefined));
    const remove = copy.delete.bind(copy);
    copy.delete = (...args) => (left-- > 0 ? remove(...args) : new Promise(() => undefined));
    const dying = keyvStore(copy, { writers: 'one', timeoutMs: 20 });
    const ended = await dying.updateTenant(acme, { name: 'New', domains: ['b.example'] }).catch(() => 'failed');
    copy.set = set;
    copy.delete = remove;
    const store = keyvStore(copy, { writers: 'one' });
    const tenant = await store.getTenant(acme);
    const [domain = ''] = tenant?.domains ?? [];
    expect((await store.getTenantByDomain(domain))?.id).toBe('acme');
    expect((await store.listTenants({ orderBy: 'name' })).tenants).toEqual([tenant]);
    if (ended !== 'failed') expect(tenant?.name).toBe('New');
    const other = domain === 'a.example' ? 'b.example' : 'a.example';
    expect(await store.getTenantByDomain(other)).toBeUndefined();
    await store.createTenant({ id: tenantId('globex'), name: 'Globex', domains: [other] });
  }
});
