import { beforeEach, describe, expect, it } from 'vitest';
import { PortcullisError, tenantId, type ConfigurationChange, type TenantResolver } from '@portcullis/core';
import { identityFor } from '@portcullis/testing/contexts';
import { registry } from '../registry/registry.js';
import { resolver } from '../resolver/resolver.js';
import { memoryStore } from '../store/memory.js';
import type { TenantStore } from '../store/store.js';
import { migrateToTenants, undoMigration, type MigrationJournal, type MigrationOptions } from './migrate.js';
import { singleTenant, systemTenant } from './single-tenant.js';
import { tenancy } from './tenancy.js';

const users = [
  { userId: 'test#alice', roles: ['owner'] },
  ...Array.from({ length: 25 }, (_one, at) => ({ userId: `test#user-${String(at)}`, roles: ['member'] })),
  { userId: 'test#zoe', roles: ['readonly', 'admin'] },
];
const identityProviders = [{ provider: 'test' }];

let store: TenantStore;
let trail: ConfigurationChange[];
const record = (change: ConfigurationChange): Promise<void> => {
  trail.push(change);
  return Promise.resolve();
};
const migrate = (more: Partial<MigrationOptions> = {}): ReturnType<typeof migrateToTenants> =>
  migrateToTenants(store, { users, identityProviders, record, ...more });
const memberIds = async (): Promise<readonly string[]> =>
  (await store.getMembers(systemTenant)).map(({ userId }) => userId);

beforeEach(() => {
  store = memoryStore();
  trail = [];
});

describe('a server that is to have many tenants', () => {
  it('keeps its users where they were, before, after, and on the way back', async () => {
    const known = Object.fromEntries(users.map(({ userId, roles }) => [userId, roles]));
    const run = (mode: string | undefined): TenantResolver =>
      tenancy({
        mode,
        single: () => singleTenant({ roles: ({ key }) => known[key] }),
        multi: () => resolver({ registry: registry({ store, maxAgeMs: 0, negativeMaxAgeMs: 0 }) }),
      });
    const seen = (tenants: TenantResolver): Promise<readonly string[]> =>
      Promise.all(
        [...users.map(({ userId }) => userId.slice(5)), 'stranger'].map(async (subject) => {
          try {
            const query = { identity: identityFor({ subject }), requestId: 'r', header: () => undefined };
            const { tenant, membership } = await tenants.resolve(query);
            return `${membership.userId} ${tenant.id} ${membership.roles.join()}`;
          } catch (error) {
            return error instanceof PortcullisError ? error.code : String(error);
          }
        }),
      );
    const before = await seen(run(undefined));
    expect(before).toEqual([...users.map(({ userId, roles }) => `${userId} system ${roles.join()}`), 'not_a_member']);
    expect(new Set(await seen(run('enabled')))).toEqual(new Set(['not_a_member']));

    const { journal, added, hasOwner } = await migrate();
    expect([added, hasOwner]).toEqual([users.length, true]);
    expect(await seen(run('enabled'))).toEqual(before);

    const kept = JSON.parse(JSON.stringify(journal)) as MigrationJournal;
    expect(await undoMigration(store, kept, { record })).toEqual({
      removed: users.length,
      changed: [],
      removedTenant: true,
    });
    expect(await store.getTenant(systemTenant)).toBeUndefined();
    expect(await seen(run(undefined))).toEqual(before);
    expect(await undoMigration(store, kept, { record })).toEqual({ removed: 0, changed: [], removedTenant: false });
  });

  it('is told what would be done, and nothing is done', async () => {
    const report = await migrate({
      dryRun: true,
      users: [...users, { userId: 'bob', roles: ['member'] }, { userId: 'test#c', roles: ['boss'] }],
    });
    expect(report).toMatchObject({
      dryRun: true,
      users: 29,
      added: 27,
      kept: 0,
      hasOwner: true,
      journal: { added: [] },
    });
    expect(report.refused).toEqual([
      { userId: 'bob', problem: 'the user id is not a provider, `#` and a subject' },
      { userId: 'test#c', problem: 'request_invalid: roles: there is no role `boss`' },
    ]);
    expect(await store.getTenant(systemTenant)).toBeUndefined();
    expect(trail).toEqual([]);
  });

  it('can be migrated again: who is a member keeps the roles that it has', async () => {
    await migrate();
    await store.putMember(systemTenant, 'test#user-3', ['admin']);
    const again = await migrate();
    expect(again).toMatchObject({ added: 0, kept: users.length });
    expect((await store.getMembership(systemTenant, 'test#user-3'))?.roles).toEqual(['admin']);
    expect(again.journal.added).toEqual([]);
  });

  it('goes on where it was cut short, and takes back what both runs did', async () => {
    const lists: (readonly string[])[] = [];
    let journal: MigrationJournal | undefined;
    const failing = {
      ...store,
      addMember: (...args: Parameters<TenantStore['addMember']>) =>
        args[1] === 'test#user-12'
          ? Promise.reject(new PortcullisError('store_unavailable'))
          : store.addMember(...args),
    };
    const onProgress = ({ journal: now }: { journal: MigrationJournal }): Promise<void> => {
      journal = JSON.parse(JSON.stringify(now)) as MigrationJournal;
      lists.push(now.added.map(({ userId }) => userId));
      return Promise.resolve();
    };
    await expect(
      migrateToTenants(failing, { users, identityProviders, record, batchSize: 1, onProgress }),
    ).rejects.toMatchObject({ code: 'store_unavailable' });
    expect(lists.at(-1)).toHaveLength(13);
    const second = await migrate({ journal, onProgress });
    expect(second).toMatchObject({ added: users.length - 13, kept: 13 });
    expect(second.journal.added).toHaveLength(users.length);
    expect(await undoMigration(store, second.journal, { record })).toMatchObject({ removed: users.length });
  });

  it('ends at a signal, between two users', async () => {
    const end = new AbortController();
    const report = await migrate({
      signal: end.signal,
      batchSize: 5,
      onProgress: () => end.abort(),
    });
    expect(report.added).toBe(5);
    expect(await memberIds()).toHaveLength(5);
  });

  it('leaves a tenant that was there before, and its owner, and a member who left and came back', async () => {
    let now = 1000;
    store = memoryStore({ clock: () => now });
    await store.createTenant({ id: systemTenant, name: 'System' });
    const { journal } = await migrate();
    expect(journal.createdTenant).toBeUndefined();
    await store.removeMember(systemTenant, 'test#user-4');
    now++;
    await store.putMember(systemTenant, 'test#user-4', ['member']);
    const report = await undoMigration(store, journal, { record });
    expect(report).toEqual({ removed: users.length - 2, changed: ['test#user-4', 'test#alice'], removedTenant: false });
    await store.removeMember(systemTenant, 'test#user-4');
    expect((await undoMigration(store, journal, { record })).removedTenant).toBe(false);
    expect(await memberIds()).toEqual(['test#alice']);
  });

  it('does not lose on the way back what others did meanwhile', async () => {
    await store.createTenant({ id: systemTenant, name: 'System' });
    await store.putMember(systemTenant, 'test#user-1', ['member']);
    const { journal } = await migrate();
    await store.putMember(systemTenant, 'test#user-2', ['admin']);
    await store.putMember(systemTenant, 'test#new', ['owner']);
    const report = await undoMigration(store, journal, { record });
    expect(await memberIds()).toEqual(expect.arrayContaining(['test#user-1', 'test#user-2', 'test#new']));
    expect(await memberIds()).not.toContain('test#user-7');
    expect(report.changed).toContain('test#user-2');
    expect(report.removedTenant).toBe(false);
    expect(await store.getTenant(systemTenant)).toBeDefined();
  });

  it('keeps its last owner, and its tenant, where there is something else in it', async () => {
    const { journal } = await migrate();
    await store.putMember(systemTenant, 'test#new', ['member']);
    const report = await undoMigration(store, journal, { record });
    expect(report).toEqual({ removed: users.length - 1, changed: ['test#alice'], removedTenant: false });
    expect([...(await memberIds())].sort()).toEqual(['test#alice', 'test#new']);
    await store.removeMember(systemTenant, 'test#new');
    await store.putRole({ tenantId: systemTenant, roleId: 'r', name: 'r', parentRoles: ['member'], permissions: [] });
    expect((await undoMigration(store, journal, { record })).removedTenant).toBe(false);
    await store.removeRole(systemTenant, 'r');
    expect((await undoMigration(store, journal, { record })).removedTenant).toBe(true);
  });

  it('does not delete with the tenant what is added to it in the last moment', async () => {
    const { journal } = await migrate();
    const report = await undoMigration(store, journal, {
      record: async ({ action }) => {
        if (action === 'tenant.delete') await store.putMember(systemTenant, 'test#new', ['member']);
      },
    });
    expect(report).toEqual({ removed: users.length - 1, changed: ['test#alice'], removedTenant: false });
    expect([...(await memberIds())].sort()).toEqual(['test#alice', 'test#new']);
  });

  it('records every member and the tenant before, and stops where that fails', async () => {
    await migrate();
    expect(trail).toHaveLength(users.length + 1);
    expect(trail[0]).toMatchObject({ action: 'tenant.create', author: { system: 'migration' } });
    store = memoryStore();
    const deaf = (): Promise<void> => Promise.reject(new PortcullisError('audit_unavailable'));
    await expect(migrate({ record: deaf })).rejects.toMatchObject({ code: 'audit_unavailable' });
    expect(await store.getTenant(systemTenant)).toBeUndefined();
  });

  it('says that nobody owns the tenant, counts a user once, and takes no journal of another tenant', async () => {
    const twice = [users[1]!, users[1]!];
    expect(await migrate({ users: twice })).toMatchObject({ users: 2, added: 1, kept: 1, hasOwner: false });
    await expect(migrate({ journal: { tenant: tenantId('acme'), added: [] } })).rejects.toMatchObject({
      code: 'config_invalid',
    });
    await expect(migrate({ batchSize: 0 })).rejects.toMatchObject({ code: 'config_invalid' });
  });
});
