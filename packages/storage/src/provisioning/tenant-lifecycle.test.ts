import { Keyv } from 'keyv';
import { beforeEach, describe, expect, it } from 'vitest';
import { PortcullisError, tenantId, type LifecycleEvent, type OperatorContext } from '@portcullis/core';
import { contextFor, operatorFor } from '@portcullis/testing/contexts';
import { memoryStore, type TenantStore } from '@portcullis/tenants';
import { keyvStorage, type KeyvStorage } from '../keyv.js';
import { keysResource } from './keys-resource.js';
import type { TenantLifecycleOptions } from './lifecycle-options.js';
import { memoryArchive, type MemoryArchive } from './memory-archive.js';
import { memoryJournal } from './memory-journal.js';
import type { JobJournal } from './job-journal.js';
import { parseRegistryEntry } from './registry-entry.js';
import type { LifecycleProgress } from './step.js';
import type { TenantLifecycle } from './lifecycle.js';
import { tenantLifecycle } from './tenant-lifecycle.js';
import type { TenantResource } from './tenant-resource.js';

const acme = tenantId('acme');
const other = tenantId('acm');
const record = { id: acme, name: 'Acme', plan: 'pro', domains: ['acme.example'] };
const day = 86_400_000;

interface World {
  now: number;
  readonly registry: TenantStore;
  readonly journal: JobJournal;
  readonly archive: MemoryArchive;
  readonly stores: readonly KeyvStorage[];
  readonly events: LifecycleEvent[];
  readonly operator: OperatorContext;
  readonly options: TenantLifecycleOptions;
  lifecycle: TenantLifecycle;
}

/** Everything that survives a crash, and a lifecycle over it. */
function world(): World {
  const accesses: unknown[] = [];
  const stores = ['keys', 'more'].map(() =>
    keyvStorage({
      keyv: new Keyv(),
      operatorAccess: (access) => {
        accesses.push(access);
        return Promise.resolve();
      },
    }),
  );
  const events: LifecycleEvent[] = [];
  const registry = memoryStore();
  const options: TenantLifecycleOptions = {
    resources: [
      // A place that has to be made, so that there is something to roll back.
      seeded(keysResource(stores[0]!), stores[0]!),
      seeded(keysResource(stores[1]!, { name: 'more' }), stores[1]!),
    ],
    registry,
    journal: memoryJournal(),
    archive: memoryArchive(),
    record: (event) => {
      events.push(event);
      return Promise.resolve();
    },
    clock: () => made.now,
    wait: (ms) => {
      made.now += ms;
      return Promise.resolve();
    },
  };
  const made: World = {
    now: Date.now(),
    registry,
    journal: options.journal,
    archive: options.archive as MemoryArchive,
    stores,
    events,
    operator: operatorFor({ expiresAt: Date.now() + 3650 * day }),
    options,
    lifecycle: tenantLifecycle(options),
  };
  return made;
}

/** A resource whose provisioning leaves a key, as a migration leaves tables. */
function seeded(resource: TenantResource, storage: KeyvStorage): TenantResource {
  const mark = async ({ tenant, operator }: Parameters<TenantResource['provision']>[0]): Promise<void> => {
    const keys = await storage.forTenantAsOperator(operator, tenant);
    if (!(await keys.has('made'))) await keys.set('made', true);
  };
  return { ...resource, provision: mark };
}

async function fill({ stores, registry }: World, tenant = acme): Promise<void> {
  for (const [index, store] of stores.entries()) {
    const keys = store.forTenant(contextFor({ tenant }));
    await keys.set('note/1', { title: `of ${tenant} in ${String(index)}`, none: null, deep: [1.5, 'é\u{1F600}'] });
    await keys.set('note/2', 'x'.repeat(1000));
  }
  await registry.putMember(tenant, 'test#alice', ['admin']);
}

/** All that the world holds of a tenant, without the times at which the registry writes. */
async function contents({ stores, registry }: World, tenant = acme): Promise<unknown> {
  const held = [];
  for (const store of stores) {
    const keys = store.forTenant(contextFor({ tenant }));
    const page = await keys.list();
    held.push(await Promise.all(page.keys.map(async (key) => [key, await keys.get(key)])));
  }
  const found = await registry.getTenant(tenant);
  const { createdAt: _created, updatedAt: _updated, ...stored } = found ?? {};
  const members = (await registry.getMembers(tenant)).map(({ userId, roles }) => [userId, roles]);
  return { held, stored, members };
}

async function working(): Promise<World> {
  const made = world();
  await made.lifecycle.provision(made.operator, record);
  await fill(made);
  await made.lifecycle.provision(made.operator, { id: other, name: 'Acm' });
  await fill(made, other);
  return made;
}

const nothing = { held: [[], []], stored: {}, members: [] };
const refusal = (code: string): unknown => expect.objectContaining({ code });

describe('the life of a tenant', () => {
  it('makes each resource in order, and lets the tenant in last', async () => {
    const made = world();
    const report = await made.lifecycle.provision(made.operator, record);
    expect(report).toMatchObject({ tenant: acme, action: 'provision', state: 'done' });
    expect(report.steps.map(({ step }) => step)).toEqual(['provision:keys', 'provision:more', 'register', 'activate']);
    expect(made.events.map(({ step }) => step)).toEqual(['begin', ...report.steps.map(({ step }) => step)]);
    expect(await made.registry.getTenant(acme)).toMatchObject({ plan: 'pro', status: { state: 'active' } });
    // Again: nothing is made, and nothing changes.
    const before = await contents(made);
    await made.lifecycle.provision(made.operator, { ...record, plan: 'other' });
    expect(await contents(made)).toEqual(before);
  });

  it('archives first, deletes after the retention, and brings all of it back, the neighbour untouched', async () => {
    const made = await working();
    const before = await contents(made);
    const neighbour = await contents(made, other);
    const first = await made.lifecycle.deprovision(made.operator, acme);
    expect(first).toMatchObject({ state: 'retained', retainUntil: made.now + 30 * day });
    expect(first.steps.map(({ step }) => step)).toEqual(['suspend', 'settle', 'archive', 'verify']);
    expect(await contents(made)).toEqual({
      ...(before as object),
      stored: expect.objectContaining({ status: { state: 'suspended', reason: `deprovision ${first.job}` } }),
    });
    const text = [...made.archive.archives.get(first.archive!)!.values()].map((file) => Buffer.from(file).toString());
    expect(text.join()).toContain('of acme in 1');
    expect(text.join()).not.toMatch(/of acm in/);

    made.now += 30 * day - 1;
    expect(await made.lifecycle.deprovision(made.operator, acme)).toMatchObject({ state: 'retained', steps: [] });
    made.now += 1;
    const second = await made.lifecycle.deprovision(made.operator, acme);
    expect(second.steps.map(({ step }) => step)).toEqual(['recheck', 'remove:more', 'remove:keys', 'unregister']);
    expect(await contents(made)).toEqual(nothing);

    const back = await made.lifecycle.restore(made.operator, acme, first.archive!);
    expect(back.steps.map(({ step }) => step)).toEqual(['restore:keys', 'restore:more', 'register', 'activate']);
    expect(await contents(made)).toEqual(before);
    expect(await contents(made, other)).toEqual(neighbour);
  });

  it('does nothing in a dry run but say what it would do, the journal included', async () => {
    const made = await working();
    const journal = await made.journal.read(acme);
    const before = await contents(made);
    const report = await made.lifecycle.deprovision(made.operator, acme, { dryRun: true });
    expect(report.state).toBe('planned');
    expect(report.steps).toContainEqual({
      step: 'remove:keys',
      does: 'deletes all that the tenant has in `keys`',
      counts: { keys: 3 },
    });
    expect(report.steps.map(({ step }) => step)).toEqual([
      ...['suspend', 'settle', 'archive', 'verify'],
      ...['recheck', 'remove:more', 'remove:keys', 'unregister'],
    ]);
    const fresh = tenantId('fresh');
    await made.lifecycle.provision(made.operator, { id: fresh, name: 'Fresh' }, { dryRun: true });
    expect(await made.journal.read(fresh)).toBeUndefined();
    expect(await made.registry.getTenant(fresh)).toBeUndefined();
    expect(await made.journal.read(acme)).toEqual(journal);
    expect(await contents(made)).toEqual(before);
    expect(made.archive.archives.size).toBe(0);
    expect(made.events.at(-1)).toMatchObject({ step: 'dry-run', tenant: fresh });
  });

  it('tells of each step before and after, with counts', async () => {
    const made = await working();
    const told: LifecycleProgress[] = [];
    await made.lifecycle.deprovision(made.operator, acme, { onProgress: (progress) => told.push(progress) });
    expect(told.map(({ step, state }) => `${step} ${state}`)).toEqual(
      ['suspend', 'settle', 'archive', 'verify'].flatMap((step) => [`${step} started`, `${step} done`]),
    );
    expect(told.at(-3)).toMatchObject({ step: 'archive', index: 3, of: 4, counts: { entries: 2 } });
  });

  it('gives the tenant back the status that it had when the deprovisioning is cancelled', async () => {
    const made = await working();
    const status = { state: 'trial', expiresAt: made.now + 5 * day } as const;
    await made.registry.updateTenant(acme, { status });
    await made.lifecycle.deprovision(made.operator, acme);
    expect(await made.lifecycle.cancel(made.operator, acme)).toMatchObject({ action: 'cancel', state: 'done' });
    expect((await made.registry.getTenant(acme))?.status).toEqual(status);
    made.now += 31 * day;
    expect(await made.lifecycle.sweep(made.operator)).toEqual([]);
    await expect(made.lifecycle.cancel(made.operator, acme)).rejects.toEqual(refusal('storage_refused'));
    expect((await made.lifecycle.deprovision(made.operator, acme)).state).toBe('retained');
  });

  it('sweeps what is due, one failure not in the way of the others, and an operator’s own tenants alone', async () => {
    const made = await working();
    await made.lifecycle.deprovision(made.operator, acme);
    const kept = await made.lifecycle.deprovision(made.operator, other);
    made.now += 30 * day;
    const mine = operatorFor({ tenants: ['acme'], expiresAt: made.now + day });
    expect(await made.lifecycle.sweep(mine, { dryRun: true })).toMatchObject([{ report: { state: 'planned' } }]);
    made.archive.archives.get(kept.archive!)!.delete('000002');
    const swept = await made.lifecycle.sweep(made.operator);
    expect(swept).toMatchObject([
      { tenant: other, error: { code: 'storage_not_provisioned' } },
      { tenant: acme, report: { state: 'done' } },
    ]);
    expect(await contents(made)).toEqual(nothing);
    expect(await made.registry.getTenant(other)).toBeDefined();
  });
});

describe('what a lifecycle refuses', () => {
  let made: World;
  beforeEach(async () => {
    made = await working();
  });

  it('an operator that was not vouched for, whose time is over, or who is for another tenant: at every step', async () => {
    const before = made.events.length;
    const forged = { ...made.operator };
    const wrong = operatorFor({ tenants: ['acm'], expiresAt: made.now + day });
    const over = operatorFor({ expiresAt: made.now - 1 });
    for (const operator of [forged, wrong, over]) {
      for (const call of [
        () => made.lifecycle.provision(operator, record),
        () => made.lifecycle.rollback(operator, acme),
        () => made.lifecycle.deprovision(operator, acme),
        () => made.lifecycle.deprovision(operator, acme, { dryRun: true }),
        () => made.lifecycle.cancel(operator, acme),
        () => made.lifecycle.restore(operator, acme, 'x'),
        () => made.lifecycle.status(operator, acme),
      ])
        await expect(call()).rejects.toEqual(refusal('storage_refused'));
    }
    for (const { lifecycle } of [made, world()])
      await expect(lifecycle.sweep(forged)).rejects.toEqual(refusal('storage_refused'));
    expect(made.events.length).toBe(before);
    // The wait moves the clock past the operator's end: what comes after it is not done.
    const brief = operatorFor({ expiresAt: made.now + 10_000 });
    await expect(made.lifecycle.deprovision(brief, acme)).rejects.toEqual(refusal('storage_refused'));
    expect(made.archive.archives.size).toBe(0);
    expect((await made.lifecycle.status(made.operator, acme))?.job.done).toEqual(['suspend', 'settle']);
  });

  it('takes no step that could not be recorded', async () => {
    const failing = (step: string): TenantLifecycle =>
      tenantLifecycle({
        ...made.options,
        record: (event) =>
          event.step === step ? Promise.reject(new PortcullisError('audit_unavailable')) : Promise.resolve(),
      });
    const journal = await made.journal.read(acme);
    await expect(failing('begin').deprovision(made.operator, acme)).rejects.toEqual(refusal('audit_unavailable'));
    await expect(failing('dry-run').deprovision(made.operator, acme, { dryRun: true })).rejects.toEqual(
      refusal('audit_unavailable'),
    );
    expect(await made.journal.read(acme)).toEqual(journal);
    await expect(failing('suspend').deprovision(made.operator, acme)).rejects.toEqual(refusal('audit_unavailable'));
    expect((await made.registry.getTenant(acme))?.status).toEqual({ state: 'active' });
    await made.lifecycle.deprovision(made.operator, acme);
    made.now += 30 * day;
    const before = await contents(made);
    await expect(failing('remove:more').deprovision(made.operator, acme)).rejects.toEqual(refusal('audit_unavailable'));
    expect(await contents(made)).toEqual(before);
  });

  it('to delete what the archive does not hold any more as it was written', async () => {
    const { archive } = await made.lifecycle.deprovision(made.operator, acme);
    made.now += 30 * day;
    const files = made.archive.archives.get(archive!)!;
    const before = await contents(made);
    for (const [file, content] of [...files]) {
      for (const damage of [
        Buffer.concat([content, Buffer.from('x')]),
        Buffer.from(content.slice(0, -1)),
        Buffer.from(content.map((byte, at) => (at === 5 ? byte ^ 1 : byte))),
      ]) {
        files.set(file, damage);
        await expect(made.lifecycle.deprovision(made.operator, acme)).rejects.toEqual(refusal('storage_refused'));
        expect(await contents(made)).toEqual(before);
      }
      files.set(file, content);
    }
    expect((await made.lifecycle.deprovision(made.operator, acme)).state).toBe('done');
    files.set('000003', Buffer.from('{"key":"made","value":false}\n'));
    const journal = await made.journal.read(acme);
    await expect(made.lifecycle.restore(made.operator, acme, archive!)).rejects.toEqual(refusal('storage_refused'));
    expect(await contents(made)).toEqual(nothing);
    expect(await made.journal.read(acme)).toEqual(journal);
  });

  it('an archive that the journal does not know, another tenant’s, and one that an attacker made whole', async () => {
    const { archive } = await made.lifecycle.deprovision(made.operator, acme);
    made.now += 30 * day;
    await made.lifecycle.sweep(made.operator);
    await made.lifecycle.deprovision(made.operator, other);
    const theirs = (await made.lifecycle.status(made.operator, other))!.archives[0]!.id;
    for (const id of [theirs, 'made-up', '../x', ''])
      await expect(made.lifecycle.restore(made.operator, acme, id)).rejects.toEqual(refusal('storage_refused'));
    // All files of the other tenant's archive, consistent in themselves, in place of this one's.
    made.archive.archives.get(archive!)!.clear();
    for (const [file, content] of made.archive.archives.get(theirs)!)
      made.archive.archives.get(archive!)!.set(file, content);
    await expect(made.lifecycle.restore(made.operator, acme, archive!)).rejects.toEqual(refusal('storage_refused'));
    expect(await contents(made)).toEqual(nothing);
  });

  it('to delete a tenant that was reactivated, or reactivated and suspended again', async () => {
    await made.lifecycle.deprovision(made.operator, acme);
    made.now += 30 * day;
    for (const status of [{ state: 'active' }, { state: 'suspended', reason: 'late with a payment' }] as const) {
      await made.registry.updateTenant(acme, { status });
      await expect(made.lifecycle.deprovision(made.operator, acme)).rejects.toEqual(refusal('conflict'));
      expect(await contents(made)).toMatchObject({ held: [expect.any(Array), expect.any(Array)], stored: { status } });
    }
    // Cancelling leaves what somebody else has decided since.
    await made.lifecycle.cancel(made.operator, acme);
    expect((await made.registry.getTenant(acme))?.status).toMatchObject({ reason: 'late with a payment' });
  });

  it('stops between two removals when the tenant is reactivated there', async () => {
    await made.lifecycle.deprovision(made.operator, acme);
    made.now += 30 * day;
    const stopping = tenantLifecycle({
      ...made.options,
      record: async ({ step }) => {
        if (step === 'remove:keys') await made.registry.updateTenant(acme, { status: { state: 'active' } });
      },
    });
    await expect(stopping.deprovision(made.operator, acme)).rejects.toEqual(refusal('conflict'));
    expect(await contents(made)).toMatchObject({ held: [{ length: 3 }, []] });
  });

  it('to delete the record of a tenant that was reactivated after its data had gone', async () => {
    await made.lifecycle.deprovision(made.operator, acme);
    made.now += 30 * day;
    const stopping = tenantLifecycle({
      ...made.options,
      record: async ({ step }) => {
        if (step === 'unregister') await made.registry.updateTenant(acme, { status: { state: 'active' } });
      },
    });
    await expect(stopping.deprovision(made.operator, acme)).rejects.toEqual(refusal('conflict'));
    expect(await made.registry.getTenant(acme)).toBeDefined();
  });

  it('to take over a record that somebody else made meanwhile, or to delete it in a rollback', async () => {
    const fresh = tenantId('fresh');
    const theirs = { id: fresh, name: 'Theirs' };
    const meeting = tenantLifecycle({
      ...made.options,
      record: async ({ step }) => {
        if (step === 'register') await made.registry.createTenant(theirs);
      },
    });
    await expect(meeting.provision(made.operator, { id: fresh, name: 'Ours' })).rejects.toEqual(refusal('conflict'));
    await expect(made.lifecycle.rollback(made.operator, fresh)).rejects.toEqual(refusal('conflict'));
    expect(await made.registry.getTenant(fresh)).toMatchObject({ ...theirs, status: { state: 'active' } });
  });

  it('to let a tenant in whom somebody has suspended between the last two steps', async () => {
    const fresh = tenantId('fresh');
    const status = { state: 'suspended', reason: 'sanctions' } as const;
    const meeting = tenantLifecycle({
      ...made.options,
      record: async ({ step }) => {
        if (step === 'activate') await made.registry.updateTenant(fresh, { status });
      },
    });
    await meeting.provision(made.operator, { id: fresh, name: 'Fresh' });
    expect((await made.registry.getTenant(fresh))?.status).toEqual(status);
  });

  it('to go on with another record than the one that was begun with', async () => {
    const fresh = { id: tenantId('fresh'), name: 'Fresh', plan: 'free' };
    const failing = tenantLifecycle({
      ...made.options,
      record: ({ step }) => (step === 'register' ? Promise.reject(new Error('down')) : Promise.resolve()),
    });
    await expect(failing.provision(made.operator, fresh)).rejects.toThrow('down');
    await expect(made.lifecycle.provision(made.operator, { ...fresh, plan: 'pro' })).rejects.toEqual(
      refusal('conflict'),
    );
    expect((await made.lifecycle.provision(made.operator, fresh)).state).toBe('done');
  });

  it('to cancel what it has begun to delete', async () => {
    await made.lifecycle.deprovision(made.operator, acme);
    made.now += 30 * day;
    const failing = tenantLifecycle({
      ...made.options,
      record: ({ step }) => (step === 'remove:keys' ? Promise.reject(new Error('down')) : Promise.resolve()),
    });
    await expect(failing.deprovision(made.operator, acme)).rejects.toThrow('down');
    await expect(made.lifecycle.cancel(made.operator, acme)).rejects.toEqual(refusal('storage_refused'));
    expect((await made.lifecycle.deprovision(made.operator, acme)).state).toBe('done');
  });

  it('a restore over anything that is there', async () => {
    const { archive } = await made.lifecycle.deprovision(made.operator, acme);
    await expect(made.lifecycle.restore(made.operator, acme, archive!)).rejects.toEqual(refusal('conflict'));
    made.now += 30 * day;
    await made.lifecycle.sweep(made.operator);
    await made.stores[1]!.forTenant(contextFor({ tenant: 'acme' })).set('new', 1);
    await expect(made.lifecycle.restore(made.operator, acme, archive!)).rejects.toEqual(refusal('conflict'));
    await made.stores[1]!.forTenant(contextFor({ tenant: 'acme' })).clear();
    const fewer = tenantLifecycle({ ...made.options, resources: made.options.resources.slice(1) });
    await expect(fewer.restore(made.operator, acme, archive!)).rejects.toEqual(refusal('storage_refused'));
    expect((await made.lifecycle.restore(made.operator, acme, archive!)).state).toBe('done');
  });

  it('to hand a former tenant’s leftovers to a new one of its id, unless told to', async () => {
    const left = tenantId('left');
    await made.stores[1]!.forTenant(contextFor({ tenant: 'left' })).set('secret', 1);
    const anew = { id: left, name: 'Left' };
    await expect(made.lifecycle.provision(made.operator, anew)).rejects.toEqual(refusal('conflict'));
    expect(await made.registry.getTenant(left)).toBeUndefined();
    expect((await made.lifecycle.provision(made.operator, anew, { adopt: true })).state).toBe('done');
  });

  it('another job while one is not finished, and to end a tenant that nobody knows', async () => {
    const { lifecycle, operator } = made;
    await expect(lifecycle.deprovision(operator, tenantId('nobody'))).rejects.toEqual(refusal('tenant_unknown'));
    const { archive } = await lifecycle.deprovision(operator, acme);
    await expect(lifecycle.provision(operator, record)).rejects.toEqual(refusal('conflict'));
    await expect(lifecycle.rollback(operator, acme)).rejects.toEqual(refusal('storage_refused'));
    await expect(lifecycle.restore(operator, acme, archive!)).rejects.toEqual(refusal('conflict'));
    await expect(lifecycle.rollback(operator, other)).rejects.toEqual(refusal('storage_refused'));
    await expect(lifecycle.cancel(operator, other)).rejects.toEqual(refusal('storage_refused'));
  });

  it('to call a removal done that left something', async () => {
    await made.lifecycle.deprovision(made.operator, acme);
    made.now += 30 * day;
    const [keys, more] = made.options.resources as [TenantResource, TenantResource];
    const lazy = tenantLifecycle({ ...made.options, resources: [keys, { ...more, remove: () => Promise.resolve() }] });
    await expect(lazy.deprovision(made.operator, acme)).rejects.toEqual(refusal('storage_unavailable'));
    expect(await made.registry.getTenant(acme)).toBeDefined();
  });

  it('a journal that is not as it was written, also one that vouches for another tenant’s archive', async () => {
    const { archive } = await made.lifecycle.deprovision(made.operator, acme);
    made.now += 30 * day;
    await made.lifecycle.sweep(made.operator);
    await made.lifecycle.deprovision(made.operator, other);
    const theirs = (await made.lifecycle.status(made.operator, other))!.archives;
    const entry = (await made.journal.read(acme))!;
    const value = entry.value as object;
    let version = entry.version;
    version = await made.journal.write(acme, { ...value, archives: theirs }, version);
    const restore = (id: string): Promise<unknown> => made.lifecycle.restore(made.operator, acme, id);
    await expect(restore(theirs[0]!.id)).rejects.toEqual(refusal('storage_refused'));
    for (const wrong of [{ ...value, tenant: other }, { ...value, more: 1 }, { ...value, job: {} }, null, 'x']) {
      version = await made.journal.write(acme, wrong, version);
      await expect(restore(archive!)).rejects.toEqual(refusal('storage_unavailable'));
      await expect(made.lifecycle.provision(made.operator, record)).rejects.toEqual(refusal('storage_unavailable'));
    }
    expect(await contents(made)).toEqual(nothing);
  });

  it('an archived record that is another tenant’s, or has another tenant’s members', () => {
    const tenant = { id: 'acme', name: 'Acme', status: { state: 'active' } };
    const member = { tenantId: 'acme', userId: 'test#alice', roles: [] };
    expect(parseRegistryEntry(JSON.stringify({ tenant, members: [member] }), acme).record.name).toBe('Acme');
    for (const wrong of [
      { tenant: { ...tenant, id: 'acm' }, members: [] },
      { tenant, members: [{ ...member, tenantId: 'acm' }] },
      { tenant: { ...tenant, id: '../x' }, members: [] },
      { tenant: { id: 'acme' }, members: [] },
    ])
      expect(() => parseRegistryEntry(JSON.stringify(wrong), acme)).toThrow(refusal('storage_refused'));
  });

  it('options and names that are not acceptable', () => {
    for (const wrong of [{ retentionMs: -1 }, { settleMs: 0.5 }, { leaseMs: 0 }, { retentionMs: Infinity }])
      expect(() => tenantLifecycle({ ...made.options, ...wrong })).toThrow(refusal('config_invalid'));
    const [keys] = made.options.resources as [TenantResource];
    for (const resources of [[keys, keys], [{ ...keys, name: 'registry' }], [{ ...keys, name: '../x' }]])
      expect(() => tenantLifecycle({ ...made.options, resources })).toThrow(refusal('config_invalid'));
  });
});
