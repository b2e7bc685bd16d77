import { beforeEach, describe, expect, it } from 'vitest';
import { tenantId, type Tenant } from '@portcullis/core';
import { memoryStore } from '../store/memory.js';
import type { TenantStore } from '../store/store.js';
import { registry, requireGoodStanding, type Registry } from './registry.js';

const acme = tenantId('acme');

describe('a registry', () => {
  let now: number;
  let store: TenantStore;
  let loads: number;
  let gate: Promise<void> | undefined;
  let tenants: Registry;

  beforeEach(async () => {
    now = 1_000_000;
    loads = 0;
    gate = undefined;
    const inner = memoryStore({ clock: () => now });
    store = {
      ...inner,
      getTenant: async (id) => {
        loads++;
        const found = await inner.getTenant(id);
        await gate;
        return found;
      },
    };
    tenants = registry({ store, clock: () => now, maxAgeMs: 10_000, negativeMaxAgeMs: 2_000, maxEntries: 2 });
    await store.createTenant({ id: acme, name: 'Acme' });
  });

  it('asks the store once for many at the same time, and not again while the answer is young', async () => {
    await Promise.all(Array.from({ length: 50 }, () => tenants.tenant(acme)));
    now += 9_999;
    await tenants.tenant(acme);
    expect(loads).toBe(1);
    now += 1;
    await tenants.tenant(acme);
    expect(loads).toBe(2);
  });

  it('keeps "there is none" for less long', async () => {
    const nobody = tenantId('nobody');
    await tenants.tenant(nobody);
    await tenants.tenant(nobody);
    expect(loads).toBe(1);
    now += 2_000;
    await tenants.tenant(nobody);
    expect(loads).toBe(2);
  });

  it('does not keep failures', async () => {
    const broken = registry({
      store: {
        ...store,
        getTenant: () => {
          loads++;
          return Promise.reject(new Error('down'));
        },
      },
      clock: () => now,
    });
    await expect(broken.tenant(acme)).rejects.toThrow('down');
    await expect(broken.tenant(acme)).rejects.toThrow('down');
    expect(loads).toBe(2);
  });

  it('keeps nothing for longer when the clock is set back, and nothing when it is set forward', async () => {
    let elapsed = 0;
    const own = registry({ store, clock: () => now, elapsed: () => elapsed, maxAgeMs: 10_000 });
    await own.tenant(acme);
    now -= 3_600_000;
    elapsed = 9_999;
    await own.tenant(acme);
    expect(loads).toBe(1);
    elapsed = 10_000;
    await own.tenant(acme);
    expect(loads).toBe(2);
    now += 7_200_000;
    await own.tenant(acme);
    expect(loads).toBe(3);
  });

  it('counts the age of an answer from when it was asked for', async () => {
    let open = (): void => undefined;
    gate = new Promise((resolve) => (open = resolve));
    const early = tenants.tenant(acme);
    now += 10_000;
    gate = undefined;
    open();
    await early;
    await tenants.tenant(acme);
    expect(loads).toBe(2);
  });

  it('is bounded', async () => {
    for (const id of ['a', 'b', 'c']) await tenants.tenant(tenantId(id));
    await tenants.tenant(tenantId('a'));
    expect(loads).toBe(4);
  });

  it('sees a change through its store at once', async () => {
    await tenants.tenant(acme);
    await tenants.store.updateTenant(acme, { status: { state: 'suspended' } });
    expect((await tenants.tenant(acme))?.status.state).toBe('suspended');
  });

  it('does not keep what was loading when it was invalidated', async () => {
    let open = (): void => undefined;
    gate = new Promise((resolve) => (open = resolve));
    const early = tenants.tenant(acme);
    await new Promise((resolve) => setImmediate(resolve));
    await store.updateTenant(acme, { name: 'New' });
    tenants.invalidate(acme);
    gate = undefined;
    open();
    expect((await early)?.name).toBe('Acme');
    expect((await tenants.tenant(acme))?.name).toBe('New');
  });
});

describe('good standing', () => {
  const tenant = (status: Tenant['status']): Tenant => ({ status }) as Tenant;

  it('ends with the trial, at that very instant, whatever is cached', () => {
    expect(() => requireGoodStanding(tenant({ state: 'trial', expiresAt: 100 }), 99)).not.toThrow();
    expect(() => requireGoodStanding(tenant({ state: 'trial', expiresAt: 100 }), 100)).toThrow(
      expect.objectContaining({ code: 'tenant_expired' }) as Error,
    );
  });

  it('is not of the suspended', () => {
    expect(() => requireGoodStanding(tenant({ state: 'suspended' }), 0)).toThrow(
      expect.objectContaining({ code: 'tenant_suspended' }) as Error,
    );
  });
});
