import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { recordsConfiguration } from '@portcullis/audit';
import { PortcullisError, tenantId, type IdentityProviderBinding } from '@portcullis/core';
import { members } from '@portcullis/tenants';
import { reason, startAdminWorld, type AdminWorld, type Who } from './admin-world.js';

const acme = tenantId('acme');
const own: IdentityProviderBinding = { provider: 'customers' };
const directory: IdentityProviderBinding = { provider: 'entra', tenantHint: 'directory-of-acme' };

let world: AdminWorld;
beforeAll(async () => {
  world = await startAdminWorld();
});
afterAll(async () => {
  await world.close();
});
beforeEach(async () => {
  await world.store.updateTenant(acme, { settings: { identityProviders: [own, directory] } });
});

const codeOf = async (response: Response): Promise<string | number> =>
  response.status < 400 ? response.status : ((await response.json()) as { readonly code: string }).code;

const headersOf = (who: Who): Readonly<Record<string, string>> => (who === 'operator' ? reason : {});

/** Sends a change of a record with its entity tag. */
async function change(who: Who, line: string, body: unknown, api = world.api): Promise<string | number> {
  const [, path = ''] = line.split(' ');
  const headers = headersOf(who);
  const read = await world.ask(who, `GET ${path}`, { headers }, api);
  return codeOf(
    await world.ask(who, line, { body, headers: { ...headers, 'if-match': read.headers.get('etag') ?? '' } }, api),
  );
}

const bind = (who: Who, identityProviders: readonly IdentityProviderBinding[], api = world.api) =>
  change(who, 'PATCH /tenants/acme/oauth', { identityProviders }, api);

describe('a binding', () => {
  it.each(['approver', 'auditor', 'support', 'operator_admin', 'ghost'])(
    'does not map to `%s`, which nobody gives: neither by an owner nor by an operator',
    async (role) => {
      const mapped: IdentityProviderBinding = { ...directory, membership: 'token', roles: { User: role } };
      expect(await bind('owner', [own, mapped])).toBe('request_invalid');
      expect(await bind('operator', [own, mapped])).toBe('request_invalid');
      expect((await world.store.getTenant(acme))?.settings.identityProviders).toEqual([own, directory]);
    },
  );

  it('maps to built-in roles and to the tenant’s own, which then stay; and keeps what the platform mapped', async () => {
    await world.store.putRole({ tenantId: acme, roleId: 'clerk', name: 'x', parentRoles: ['member'], permissions: [] });
    const mapped: IdentityProviderBinding = { ...directory, membership: 'token', roles: { A: 'admin', B: 'clerk' } };
    expect(await bind('owner', [own, mapped])).toBe(200);
    expect(await change('owner', 'DELETE /tenants/acme/roles/clerk', undefined)).toBe('conflict');
    const platforms = { ...directory, membership: 'required', roles: { User: 'approver' } } as const;
    await world.store.updateTenant(acme, { settings: { identityProviders: [own, platforms] } });
    expect(await bind('owner', [own, { ...platforms, membership: 'token' }])).toBe(200);
    expect(await bind('owner', [own, { ...platforms, roles: { User: 'approver', Other: 'approver' } }])).toBe(
      'request_invalid',
    );
    expect(await change('owner', 'DELETE /tenants/acme/roles/clerk', undefined)).toBe(204);
  });
});

describe('members whom their tokens make', () => {
  const boss: IdentityProviderBinding = { ...own, membership: 'token', roles: { Boss: 'owner', User: 'member' } };

  it('are not demoted by an administrator that stores them, nor more than before when it removes its own record', async () => {
    await world.store.updateTenant(acme, { settings: { identityProviders: [boss] } });
    const body = { userId: 'customers#chief', roles: ['readonly'] };
    expect(await codeOf(await world.ask('admin', 'POST /tenants/acme/users', { body }))).toBe('denied');
    expect(await change('admin', 'DELETE /tenants/acme/users/customers%23adam', undefined)).toBe('denied');
    expect(await codeOf(await world.ask('owner', 'POST /tenants/acme/users', { body }))).toBe(201);
  });

  it('are kept out by having no roles', async () => {
    await world.store.updateTenant(acme, { settings: { identityProviders: [boss] } });
    const body = { userId: 'customers#eve', roles: [] };
    expect(await codeOf(await world.ask('owner', 'POST /tenants/acme/users', { body }))).toBe(201);
    const token = await world.token('stranger', { roles: ['Boss'] });
    const read = await world.api.fetch(
      new Request('https://api.example.com/admin/tenants/acme', { headers: { authorization: `Bearer ${token}` } }),
    );
    expect(await codeOf(read)).toBe('denied');
    expect(await change('owner', 'DELETE /tenants/acme/users/customers%23eve', undefined)).toBe(204);
  });
});

describe('users of a provider that another tenant has', () => {
  it('are not made ambiguous by being added first and bound afterwards', async () => {
    await world.store.updateTenant(acme, { settings: { identityProviders: [own, { provider: 'mine' }] } });
    const globex = tenantId('globex');
    await world.store.updateTenant(globex, { settings: { identityProviders: [own, { provider: 'shared' }] } });
    const api = world.apiWith({
      providers: ['shared'],
      members: members({ store: world.store, record: recordsConfiguration(world.audit) }),
    });
    const add = (userId: string): Promise<Response> =>
      world.ask('owner', 'POST /tenants/acme/users', { body: { userId, roles: ['member'] } }, api);
    expect(await codeOf(await add('shared#gina'))).toBe('denied');
    expect(await codeOf(await add('customers#gina'))).toBe('denied');
    expect(await codeOf(await add('mine#gina'))).toBe(201);
  });
});

describe('operators', () => {
  const staffed: IdentityProviderBinding = {
    provider: 'staff',
    membership: 'token',
    roles: { 'Platform.Admin': 'owner' },
  };

  it.each<readonly [Who, IdentityProviderBinding]>([
    ['operator', staffed],
    ['operator', { provider: 'staff' }],
    ['operator', { provider: 'staff', tenantHint: 'any' }],
    ['owner', { provider: 'staff' }],
  ])('get into no tenant by a binding of their provider: as %s, %j', async (who, binding) => {
    const api = world.apiWith({ providers: ['staff'] });
    expect(await bind(who, [own, binding], api)).toBe('denied');
    expect((await world.store.getTenant(acme))?.settings.identityProviders).toEqual([own, directory]);
  });

  it('are made members by nobody: not of their own provider, nor of another one for operators', async () => {
    const api = world.apiWith({
      operators: { ...world.operators, isOperatorProvider: (name) => name === 'staff' || name === 'staff-too' },
    });
    for (const who of ['operator', 'owner'] as const)
      for (const userId of ['staff#sue', 'staff-too#oscar']) {
        const asked = { body: { userId, roles: ['owner'] }, headers: headersOf(who) };
        expect(await codeOf(await world.ask(who, 'POST /tenants/acme/users', asked, api))).toBe('denied');
      }
    // One from before there were operators gets no other roles, and can be removed.
    await world.store.putMember(acme, 'staff-too#old', ['member']);
    const path = '/tenants/acme/users/staff-too%23old';
    expect(await change('operator', `PATCH ${path}`, { roles: ['owner'] }, api)).toBe('denied');
    expect(await change('operator', `DELETE ${path}`, undefined, api)).toBe(204);
  });

  it('accept no invitation', async () => {
    await world.store.updateTenant(acme, { settings: { identityProviders: [own, staffed] } });
    const asked = { body: { email: 'olga@staff.example', roles: ['admin'] } };
    const sent = await world.ask('owner', 'POST /tenants/acme/invitations', asked);
    const { token } = (await sent.json()) as { readonly token: string };
    const accept = async (email: string): Promise<Response> =>
      world.api.fetch(
        new Request('https://api.example.com/admin/invitations/accept', {
          method: 'POST',
          headers: {
            authorization: `Bearer ${await world.token('support', { email, email_verified: true })}`,
            'content-type': 'application/json',
          },
          body: JSON.stringify({ token }),
        }),
      );
    expect(await codeOf(await accept('olga@staff.example'))).toBe('denied');
    expect(await world.store.getMembership(acme, 'staff#sam')).toBeUndefined();
  });
});

describe('the trail', () => {
  const trailOf = (from: number): readonly unknown[] =>
    world.audit.entries.slice(from).filter(({ type }) => type === 'configuration');

  it('tells of a change that failed after it was recorded', async () => {
    const api = world.apiWith({
      store: { ...world.store, updateTenant: () => Promise.reject(new PortcullisError('store_unavailable')) },
    });
    const from = world.audit.entries.length;
    expect(await change('operator', 'PUT /tenants/acme/status', { state: 'suspended' }, api)).toBe('store_unavailable');
    expect(trailOf(from)).toMatchObject([
      { action: 'tenant.status', before: { state: 'active' }, after: { state: 'suspended' } },
      { action: 'tenant.status.failed', target: 'acme', before: {}, after: {} },
    ]);
  });

  it('of a tenant that is there does not tell of its creation', async () => {
    const from = world.audit.entries.length;
    const asked = { body: { id: 'acme', name: 'Another' }, headers: reason };
    expect(await codeOf(await world.ask('operator', 'POST /tenants', asked))).toBe('conflict');
    expect(await codeOf(await world.ask('operator', 'POST /tenants?dryRun=true', asked))).toBe('conflict');
    expect(trailOf(from)).toEqual([]);
  });
});

describe('the id of a user', () => {
  it.each(['..', '.', '#x', 'customers#', 'customers', '%2e%2e'])('is none: %s', async (userId) => {
    const asked = { body: { userId, roles: ['member'] } };
    expect(await codeOf(await world.ask('owner', 'POST /tenants/acme/users', asked))).toBe('request_invalid');
  });

  it.each([
    ['quotes', '"'],
    ['control characters', '\u0001'],
  ])('may be as long as it gets in a cursor: of %s', async (_what, character) => {
    const userId = `!#${character.repeat(998)}`;
    await world.store.putMember(acme, userId, ['member']);
    const read = await world.ask('owner', 'GET /tenants/acme/users?limit=1');
    const page = (await read.json()) as { readonly users: readonly unknown[]; readonly nextCursor: string };
    expect(page.users).toMatchObject([{ userId }]);
    const next = await world.ask('owner', `GET /tenants/acme/users?limit=1&cursor=${page.nextCursor}`);
    expect(await codeOf(next)).toBe(200);
    expect(await change('owner', `DELETE /tenants/acme/users/${encodeURIComponent(userId)}`, undefined)).toBe(204);
  });
});
