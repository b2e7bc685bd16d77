import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PortcullisError, tenantId, type ConfigurationChange, type TenantRole } from '@portcullis/core';
import { contextFor } from '@portcullis/testing/contexts';
import { memoryStore } from '../store/memory.js';
import type { TenantStore } from '../store/store.js';
import { importRoles, syncRoles } from './sync.js';
import { tenantRoles, type TenantRoles } from './tenant-roles.js';

const acme = tenantId('acme');
const globex = tenantId('globex');
const actor = { system: 'roles from git', requestId: 'r-1' };

let folder: string;
let store: TenantStore;
let roles: TenantRoles;
let trail: ConfigurationChange[];

const role = (roleId: string, more: Partial<TenantRole> = {}): Omit<TenantRole, 'version'> => ({
  tenantId: acme,
  roleId,
  name: roleId,
  parentRoles: ['member'],
  permissions: [{ resource: 'document', action: 'read' }],
  ...more,
});
const text = (path: string): string => readFileSync(join(folder, path), 'utf8');
const files = (): readonly string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'done';
  } catch (error) {
    return error instanceof PortcullisError ? error.code : String(error);
  }
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'portcullis-sync-'));
  store = memoryStore();
  trail = [];
  roles = tenantRoles({
    store,
    record: (change) => {
      trail.push(change);
      return Promise.resolve();
    },
  });
  for (const id of [acme, globex]) await store.createTenant({ id, name: id });
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('roles in a policy folder', () => {
  it('are written a file a role, changed where they changed, and removed when they are gone', async () => {
    await roles.put(actor, role('reviewer'));
    await roles.put(actor, role('junior', { parentRoles: ['reviewer'] }));
    await roles.put(actor, role('reviewer', { tenantId: globex }));
    const all = ['acme', 'globex'].flatMap((tenant) =>
      ['junior', 'reviewer'].map((name) => `tenants/${tenant}/roles/${name}.yaml`),
    );
    const [junior = '', reviewer = '', , other = ''] = all;
    const planned = await syncRoles(store, folder, { dryRun: true });
    expect(planned).toEqual({ written: [junior, reviewer, other], removed: [], unchanged: [], refused: [] });
    expect(files()).toEqual([]);
    expect(await syncRoles(store, folder)).toEqual(planned);
    expect(files()).toEqual([junior, reviewer, other]);
    expect(await syncRoles(store, folder)).toMatchObject({
      written: [],
      removed: [],
      unchanged: [junior, reviewer, other],
    });

    await roles.remove(actor, acme, 'junior');
    await roles.put(actor, role('reviewer', { name: 'Another' }));
    expect(await syncRoles(store, folder)).toMatchObject({
      written: [reviewer],
      removed: [junior],
      unchanged: [other],
    });
    await store.deleteTenant(globex);
    expect(await syncRoles(store, folder)).toMatchObject({ removed: [other] });
    expect(files()).toEqual([reviewer]);
  });

  it('leave alone what somebody else wrote, and do not write over it', async () => {
    await roles.put(actor, role('reviewer'));
    await syncRoles(store, folder);
    const path = 'tenants/acme/roles/reviewer.yaml';
    const ours = text(path);
    mkdirSync(join(folder, 'tenants/globex/roles'), { recursive: true });
    const theirs = {
      'tenants/acme/roles/by-hand.yaml': '# by hand\n',
      // A copy: its first line is that of another file.
      'tenants/acme/roles/copy.yaml': ours,
      'tenants/globex/roles/reviewer.yaml': ours,
      'tenants/acme/document.yaml': ours,
      'tenants/acme/roles/notes.md': ours,
    };
    for (const [file, content] of Object.entries(theirs)) writeFileSync(join(folder, file), content);
    await roles.put(actor, role('by-hand'));
    await roles.put(actor, role('new'));
    expect(await codeOf(syncRoles(store, folder))).toBe('conflict');
    expect(files()).not.toContain('tenants/acme/roles/new.yaml');
    await roles.remove(actor, acme, 'by-hand');
    await roles.remove(actor, acme, 'reviewer');
    expect((await syncRoles(store, folder)).removed).toEqual([path]);
    for (const [file, content] of Object.entries(theirs)) expect(text(file)).toBe(content);
  });

  it('are not written through a link', async () => {
    await roles.put(actor, role('reviewer'));
    const elsewhere = mkdtempSync(join(tmpdir(), 'portcullis-elsewhere-'));
    try {
      mkdirSync(join(folder, 'tenants/acme'), { recursive: true });
      symlinkSync(elsewhere, join(folder, 'tenants/acme/roles'));
      expect(await codeOf(syncRoles(store, folder))).toBe('config_invalid');
      expect(readdirSync(elsewhere)).toEqual([]);
    } finally {
      rmSync(elsewhere, { recursive: true });
    }
  });

  it('of one tenant do not stop those of others, and stay as they are where they cannot be written', async () => {
    await roles.put(actor, role('reviewer'));
    await roles.put(actor, role('reviewer', { tenantId: globex }));
    await syncRoles(store, folder);
    await roles.put(actor, role('boss', { tenantId: globex }));
    await roles.remove(actor, globex, 'reviewer');
    await roles.put(actor, role('second'));
    const report = await syncRoles(store, folder, { reserved: ['boss'] });
    expect(report.refused).toEqual([
      { tenant: 'globex', problem: expect.stringMatching(/^role_invalid: roleId/) as string },
    ]);
    expect(report.removed).toEqual([]);
    expect(files()).toEqual(
      ['acme/roles/reviewer', 'acme/roles/second', 'globex/roles/reviewer'].map((file) => `tenants/${file}.yaml`),
    );
  });

  it('clear away what a run that died left behind, and not what one may still be writing', async () => {
    await roles.put(actor, role('reviewer'));
    await syncRoles(store, folder);
    const [old, fresh] = ['0', '1'].map((digit) =>
      join(folder, 'tenants/acme/roles', `.portcullis-${digit.repeat(16)}.tmp`),
    ) as [string, string];
    for (const file of [old, fresh]) writeFileSync(file, 'half');
    utimesSync(old, 1, 1);
    await syncRoles(store, folder);
    expect(files()).toHaveLength(2);
    expect(readFileSync(fresh, 'utf8')).toBe('half');
  });

  it('come back as people edited them, recorded, and not where the store has gone on', async () => {
    await roles.put(actor, role('reviewer'));
    await roles.put(actor, role('junior', { parentRoles: ['reviewer'] }));
    await roles.put(actor, role('only-here', { tenantId: globex }));
    await syncRoles(store, folder, { tenants: [acme] });
    const reviewer = 'tenants/acme/roles/reviewer.yaml';
    writeFileSync(join(folder, reviewer), text(reviewer).replace('"read"', '"list"'));
    const junior = 'tenants/acme/roles/junior.yaml';
    writeFileSync(join(folder, junior), text(junior).replace('"read"', '"list"'));
    await roles.put(actor, role('junior', { parentRoles: ['reviewer'], name: 'Changed meanwhile' }));
    trail.length = 0;
    const expected = {
      stored: ['acme/reviewer'],
      unchanged: [],
      stale: ['acme/junior'],
      missing: ['globex/only-here'],
      refused: [],
    };
    expect(await importRoles(store, folder, { roles, actor, dryRun: true })).toEqual(expected);
    expect(trail).toEqual([]);
    expect(await importRoles(store, folder, { roles, actor })).toEqual(expected);
    expect(trail.map(({ action, target }) => [action, target])).toEqual([['role.put', 'reviewer']]);
    expect((await store.getRole(acme, 'reviewer'))?.permissions).toEqual([{ resource: 'document', action: 'list' }]);
    expect((await store.getRole(acme, 'junior'))?.name).toBe('Changed meanwhile');
  });

  it('make an empty store what the first one was', async () => {
    await roles.put(actor, role('z-parent'));
    await roles.put(actor, role('a-child', { parentRoles: ['z-parent'], permissions: [] }));
    await syncRoles(store, folder);
    const before = await store.getRoles(acme);
    const second = memoryStore();
    await second.createTenant({ id: acme, name: 'Acme' });
    const into = tenantRoles({ store: second, record: () => Promise.resolve() });
    expect((await importRoles(second, folder, { roles: into, actor })).stored).toEqual([
      'acme/z-parent',
      'acme/a-child',
    ]);
    expect(await second.getRoles(acme)).toEqual(before);
  });

  it('are not read where somebody wrote what a role cannot be', async () => {
    await roles.put(actor, role('reviewer'));
    await syncRoles(store, folder);
    const path = 'tenants/acme/roles/reviewer.yaml';
    writeFileSync(join(folder, path), text(path).replace('scope: "acme"', 'scope: ""'));
    const report = await importRoles(store, folder, { roles, actor });
    expect(report.refused).toMatchObject([{ tenant: 'acme' }]);
    expect(report.stored).toEqual([]);
  });
});

describe('who says what a role is', () => {
  const permissions = [{ resource: '*', action: '*' }];

  it('has every role that it narrows: nobody raises a role that it holds', async () => {
    await store.putMember(acme, 'test#oscar', ['owner']);
    await store.putMember(acme, 'test#anna', ['admin']);
    const anna = contextFor({ subject: 'anna', memberRoles: ['admin'] });
    const put = (by: typeof anna, more: Partial<TenantRole>): Promise<string> =>
      codeOf(roles.put(by, role('mine', { permissions, ...more })));
    expect(await put(anna, { parentRoles: ['owner'] })).toBe('denied');
    expect(await put(anna, { parentRoles: ['admin'] })).toBe('done');
    expect(await put(anna, { parentRoles: ['member', 'owner'] })).toBe('denied');
    await roles.put(actor, role('of-owners', { parentRoles: ['owner'] }));
    expect(await codeOf(roles.put(anna, role('of-owners')))).toBe('denied');
    expect(await codeOf(roles.remove(anna, acme, 'of-owners'))).toBe('denied');
    expect(await put(anna, { parentRoles: ['of-owners'] })).toBe('denied');
  });

  it('is not whoever only holds it', async () => {
    await roles.put(actor, role('reviewer', { parentRoles: ['admin'] }));
    await store.putMember(acme, 'test#rita', ['reviewer']);
    const rita = contextFor({ subject: 'rita', memberRoles: ['reviewer'] });
    expect(await codeOf(roles.put(rita, role('reviewer', { parentRoles: ['admin'], permissions })))).toBe('denied');
    expect(await codeOf(roles.put(rita, role('below', { parentRoles: ['reviewer'], permissions })))).toBe('done');
    expect(await codeOf(roles.put(rita, role('reviewer', { parentRoles: ['below'], permissions })))).toBe('denied');
  });

  it('is somebody of the tenant, or an operator, and is recorded before', async () => {
    await store.putMember(globex, 'test#gina', ['owner']);
    const gina = contextFor({ tenant: 'globex', subject: 'gina', memberRoles: ['owner'] });
    expect(await codeOf(roles.put(gina, role('reviewer')))).toBe('cross_tenant');
    expect(await codeOf(roles.remove(gina, acme, 'reviewer'))).toBe('cross_tenant');
    const deaf = tenantRoles({ store, record: () => Promise.reject(new PortcullisError('audit_unavailable')) });
    expect(await codeOf(deaf.put(actor, role('reviewer')))).toBe('audit_unavailable');
    expect(await store.getRoles(acme)).toEqual([]);
    await roles.put(actor, role('reviewer'));
    expect(await codeOf(roles.put(actor, role('reviewer'), { ifVersion: 0 }))).toBe('precondition_failed');
    expect(await codeOf(roles.put(actor, role('other'), { ifVersion: 0 }))).toBe('done');
    expect(trail[0]).toMatchObject({
      action: 'role.put',
      target: 'reviewer',
      before: null,
      after: { name: 'reviewer' },
    });
  });

  it('does not name it as an operator is named', async () => {
    expect(await codeOf(roles.put(actor, role('operator_admin')))).toBe('role_invalid');
    const strict = tenantRoles({ store, record: () => Promise.resolve(), reserved: ['boss'] });
    expect(await codeOf(strict.put(actor, role('boss')))).toBe('role_invalid');
  });
});
