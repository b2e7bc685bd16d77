import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { PortcullisError, tenantId, type ConfigurationChange, type Identity } from '@portcullis/core';
import { contextFor, identityFor, operatorFor, type IdentityFixture } from '@portcullis/testing/contexts';
import { registry } from '../registry/registry.js';
import { resolver } from '../resolver/resolver.js';
import { memoryStore } from '../store/memory.js';
import type { TenantStore } from '../store/store.js';
import { invitations, type Invitations } from './invitations.js';
import { members } from './members.js';

const acme = tenantId('acme');
const day = 24 * 3_600_000;
const owner = contextFor({ subject: 'oscar', memberRoles: ['owner'] });

let now: number;
let store: TenantStore;
let trail: ConfigurationChange[];
let service: Invitations;

beforeEach(async () => {
  now = Date.now();
  trail = [];
  const clock = (): number => now;
  store = memoryStore({ clock });
  service = invitations({
    store,
    clock,
    record: (change) => {
      trail.push(change);
      return Promise.resolve();
    },
  });
  await store.createTenant({ id: acme, name: 'Acme', settings: { identityProviders: [{ provider: 'test' }] } });
  await store.putMember(acme, 'test#oscar', ['owner']);
});

async function outcome(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'done';
  } catch (error) {
    if (!(error instanceof PortcullisError)) return String(error);
    // What the caller reads is the same whatever was wrong.
    if (error.code === 'invitation_invalid') {
      expect(error.toPublic()).toMatchObject({ message: 'the invitation does not hold', data: { code: error.code } });
      return error.detail ?? '';
    }
    return error.code;
  }
}

const bob = (more: IdentityFixture = {}): Identity =>
  identityFor({ subject: 'bob', email: 'bob@example.com', claims: { email_verified: true }, ...more });
const invite = async (email = 'Bob@Example.com', roles: readonly string[] = ['member']): Promise<string> =>
  (await service.create(owner, acme, { email, roles })).token;

describe('an invitation', () => {
  it('makes whoever has the secret and the address a member, once', async () => {
    const token = await invite();
    expect(await service.accept(bob(), token, 'r-1')).toMatchObject({ userId: 'test#bob', roles: ['member'] });
    expect(await store.getInvitations(acme)).toEqual([]);
    expect(await outcome(service.accept(bob({ subject: 'bob2' }), token, 'r-2'))).toBe(
      'there is no such invitation: unknown, taken or revoked',
    );
    expect(trail.map(({ action }) => action)).toEqual(['invitation.create', 'invitation.accept']);
  });

  it('takes nobody the roles that its token gives it', async () => {
    const roles = { Boss: 'owner', User: 'member' };
    await store.updateTenant(acme, {
      settings: { identityProviders: [{ provider: 'test', membership: 'token', roles }] },
    });
    const token = await invite();
    expect(await outcome(service.accept(bob({ roles: ['User', 'Boss'] }), token, 'r'))).toBe(
      'the identity has the role owner without, which it would lose',
    );
    expect(await store.getMembership(acme, 'test#bob')).toBeUndefined();
    const informed = invitations({ store, record: () => Promise.resolve(), unstored: () => ['admin'] });
    expect(await outcome(informed.accept(bob(), token, 'r'))).toBe(
      'the identity has the role admin without, which it would lose',
    );
    expect(await outcome(service.accept(bob({ roles: ['User'] }), token, 'r'))).toBe('done');
  });

  it('is worth what its maker still is: nothing of a member who is gone, or of a provider that is not bound any more', async () => {
    await store.putMember(acme, 'test#anna', ['admin']);
    const anna = contextFor({ subject: 'anna', memberRoles: ['admin'] });
    const { token } = await service.create(anna, acme, { email: 'bob@example.com', roles: ['admin'] });
    const lost = 'whoever invited could not do so any more';
    await store.putMember(acme, 'test#anna', ['member']);
    expect(await outcome(service.accept(bob(), token, 'r'))).toBe(lost);
    await store.putMember(acme, 'test#anna', []);
    expect(await outcome(service.accept(bob(), token, 'r'))).toBe(lost);
    await store.removeMember(acme, 'test#anna');
    expect(await outcome(service.accept(bob(), token, 'r'))).toBe(lost);
    await store.putMember(acme, 'test#anna', ['admin']);
    await store.updateTenant(acme, { settings: { identityProviders: [{ provider: 'other' }] } });
    expect(await outcome(service.accept(bob({ provider: 'other' }), token, 'r'))).toBe(
      'the provider of whoever invited is not bound to the tenant any more',
    );
    await store.updateTenant(acme, { settings: { identityProviders: [{ provider: 'test' }] } });
    expect(await outcome(service.accept(bob(), token, 'r'))).toBe('done');
  });

  it('of a member by token is worth what its binding may give', async () => {
    const bindings = (role: string) => ({
      settings: { identityProviders: [{ provider: 'test', membership: 'token' as const, roles: { Boss: role } }] },
    });
    await store.updateTenant(acme, bindings('admin'));
    const tenants = resolver({ registry: registry({ store }) });
    const identity = identityFor({ subject: 'anna', roles: ['Boss'] });
    const anna = await tenants.resolve({ identity, requestId: 'r' });
    const { token } = await service.create(anna, acme, { email: 'bob@example.com', roles: ['admin'] });
    await store.updateTenant(acme, bindings('member'));
    expect(await outcome(service.accept(bob(), token, 'r'))).toBe('whoever invited could not do so any more');
    await store.updateTenant(acme, bindings('admin'));
    expect(await outcome(service.accept(bob(), token, 'r'))).toBe('done');
  });

  it('of an operator and of a system holds without their being members', async () => {
    const operator = operatorFor({ tenants: ['acme'] });
    for (const [index, actor] of [operator, { system: 'sign-up', requestId: 'r' }].entries()) {
      const { invitation, token } = await service.create(actor, acme, { email: 'bob@example.com', roles: ['owner'] });
      expect(invitation.invitedBy).toBe(['#operator:test#operator', '#system:sign-up'][index]);
      expect(await outcome(service.accept(bob({ subject: `bob${String(index)}` }), token, 'r'))).toBe('done');
    }
  });

  it.each<readonly [string, () => Promise<unknown>, string]>([
    ['is removed', () => store.removeMember(acme, 'test#anna'), 'not_a_member'],
    ['is demoted', () => store.putMember(acme, 'test#anna', ['member']), 'denied'],
  ])('is taken back where its maker %s while it is made', async (_what, happens, code) => {
    await store.putMember(acme, 'test#anna', ['admin']);
    const actions: string[] = [];
    const racing = invitations({
      store,
      record: async ({ action }) => {
        actions.push(action);
        if (action === 'invitation.create') await happens();
      },
    });
    const anna = contextFor({ subject: 'anna', memberRoles: ['admin'] });
    expect(await outcome(racing.create(anna, acme, { email: 'x@example.com', roles: ['admin'] }))).toBe(code);
    expect(await store.getInvitations(acme)).toEqual([]);
    expect(actions).toEqual(['invitation.create', 'invitation.revoke']);
  });

  it('keeps its secret: only a hash of it is stored, listed is not even that, and nothing of it is recorded', async () => {
    const token = await invite();
    const secret = token.split('.')[2]!;
    expect(Buffer.from(secret, 'base64url')).toHaveLength(32);
    const [stored] = await store.getInvitations(acme);
    expect(stored?.secretHash).toBe(createHash('sha256').update(Buffer.from(secret, 'base64url')).digest('base64url'));
    const listed = await service.list(owner, acme);
    for (const text of [JSON.stringify(listed), JSON.stringify(trail)]) {
      expect(text).not.toContain(stored!.secretHash);
      expect(text).not.toContain(secret);
    }
    expect(listed).toEqual([expect.objectContaining({ email: 'bob@example.com', isExpired: false })]);
  });

  it('lets in one of those who come with it at one time', async () => {
    const token = await invite();
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, (_one, at) =>
        outcome(service.accept(bob({ subject: `bob${String(at)}` }), token, 'r')),
      ),
    );
    expect(outcomes.filter((one) => one === 'done')).toHaveLength(1);
    expect((await store.getMembers(acme)).map(({ roles }) => roles)).toHaveLength(2);
  });

  it.each<readonly [string, () => Identity, string]>([
    ['another address', () => bob({ email: 'eve@example.com' }), 'the invitation is for another address'],
    ['an address below it', () => bob({ email: 'bob@mail.example.com' }), 'the invitation is for another address'],
    [
      'an address that is not verified',
      () => bob({ claims: { email_verified: false } }),
      'the identity has no verified e-mail address',
    ],
    ['an address of which nothing is said', () => bob({ claims: {} }), 'the identity has no verified e-mail address'],
    [
      'a word for true',
      () => bob({ claims: { email_verified: 'yes' } }),
      'the identity has no verified e-mail address',
    ],
    ['no address', () => bob({ email: undefined }), 'the identity has no verified e-mail address'],
    [
      'two addresses',
      () => bob({ email: 'bob@example.com, eve@example.com' }),
      'the identity has no verified e-mail address',
    ],
    ['a client', () => bob({ kind: 'client' }), 'the identity is a client’s and not a person’s'],
    ['an old token', () => bob({ expiresAt: 1 }), 'the token has expired'],
    [
      'a provider that is not the tenant’s',
      () => bob({ provider: 'elsewhere' }),
      'the provider elsewhere is not bound to the tenant',
    ],
    [
      'another tenant of the provider',
      () => bob({ tenantHint: 'globex' }),
      'the provider test is not bound to the tenant',
    ],
  ])('is nothing with %s', async (_name, identity, detail) => {
    const token = await invite();
    expect(await outcome(service.accept(identity(), token, 'r'))).toBe(detail);
    expect(await store.getMembers(acme)).toHaveLength(1);
    expect(await outcome(service.accept(bob(), token, 'r'))).toBe('done');
  });

  it('compares addresses in any case of ASCII, and takes no other letter for one of those', async () => {
    expect(await outcome(service.accept(bob({ email: 'BOB@EXAMPLE.COM' }), await invite(), 'r'))).toBe('done');
    // U+212A, the Kelvin sign, has the lower-case form k.
    const token = await invite('kim@example.com');
    const kelvin = bob({ subject: 'eve', email: '\u212Aim@example.com' });
    expect(await outcome(service.accept(kelvin, token, 'r'))).toBe('the invitation is for another address');
  });

  it('is nothing with another secret, another id, or no token at all', async () => {
    const [tenant, id, secret] = (await invite()).split('.') as [string, string, string];
    const other = (await invite('eve@example.com')).split('.')[2]!;
    expect(await outcome(service.accept(bob(), `${tenant}.${id}.${other}`, 'r'))).toBe('the secret is another one');
    const unknown = 'there is no such invitation: unknown, taken or revoked';
    expect(await outcome(service.accept(bob(), `${tenant}.${'A'.repeat(16)}.${secret}`, 'r'))).toBe(unknown);
    expect(await outcome(service.accept(bob(), `globex.${id}.${secret}`, 'r'))).toBe(unknown);
    for (const token of ['', '..', `${tenant}.${id}.`, `${tenant}.${id}.${secret}x`, `${tenant}.${id}.${secret}\n`, id])
      expect(await outcome(service.accept(bob(), token, 'r'))).toBe('the token is none');
  });

  it('ends at the very instant, and by revocation', async () => {
    const token = await invite();
    now += 7 * day;
    expect(await outcome(service.accept(bob({ expiresAt: now + 1 }), token, 'r'))).toBe('the invitation has expired');
    expect((await service.list(owner, acme)).map(({ isExpired }) => isExpired)).toEqual([true]);
    const second = await service.create(owner, acme, { email: 'bob@example.com', roles: ['member'], ttlMs: 1000 });
    expect(second.invitation.expiresAt).toBe(now + 1000);
    await service.revoke(owner, acme, second.invitation.id);
    await service.revoke(owner, acme, 'nothing');
    expect(await outcome(service.accept(bob({ expiresAt: now + 1 }), second.token, 'r'))).toMatch(/^there is no such/);
  });

  it('cannot be made for a role above one’s own, for one that is not there, or for no address', async () => {
    await store.putMember(acme, 'test#anna', ['admin']);
    const admin = contextFor({ subject: 'anna', memberRoles: ['owner'] });
    const create = (roles: readonly string[], email = 'bob@example.com', ttlMs?: number): Promise<string> =>
      outcome(service.create(admin, acme, { email, roles, ttlMs }));
    expect(await create(['owner'])).toBe('denied');
    expect(await create(['boss'])).toBe('request_invalid');
    expect(await create([])).toBe('request_invalid');
    for (const email of ['bob', '@example.com', 'bob@', 'bob@localhost', 'a b@example.com', '<bob@example.com>'])
      expect(await create(['member'], email)).toBe('request_invalid');
    for (const ttlMs of [0, -1, Number.NaN, Infinity, 91 * day])
      expect(await create(['member'], 'bob@example.com', ttlMs)).toBe('request_invalid');
    const ofOwner = await service.create(owner, acme, { email: 'bob@example.com', roles: ['owner'] });
    expect(await outcome(service.revoke(admin, acme, ofOwner.invitation.id))).toBe('denied');
  });

  it('takes a place among the tenant’s users until it is over', async () => {
    await store.updateTenant(acme, { settings: { quotas: { maxUsers: 2 } } });
    const token = await invite();
    expect(await outcome(service.create(owner, acme, { email: 'eve@example.com', roles: ['member'] }))).toBe(
      'quota_exceeded',
    );
    expect(await outcome(service.accept(bob(), token, 'r'))).toBe('done');
  });

  it('gives no role that is gone, and nothing in a tenant that is suspended or gone, or to a member', async () => {
    await store.putRole({ tenantId: acme, roleId: 'reviewer', name: 'x', parentRoles: ['member'], permissions: [] });
    const ofRole = await invite('bob@example.com', ['reviewer']);
    await store.removeRole(acme, 'reviewer');
    expect(await outcome(service.accept(bob(), ofRole, 'r'))).toBe('the role reviewer is gone');
    const token = await invite();
    expect(await outcome(service.accept(bob({ subject: 'oscar' }), token, 'r'))).toBe(
      'the identity is a member already',
    );
    await store.updateTenant(acme, { status: { state: 'suspended' } });
    expect(await outcome(service.accept(bob(), token, 'r'))).toBe('the tenant is suspended');
  });

  it('of an administrator who was dismissed lets nobody in', async () => {
    await store.putMember(acme, 'test#anna', ['admin']);
    const anna = contextFor({ subject: 'anna', memberRoles: ['admin'] });
    const { token } = await service.create(anna, acme, { email: 'bob@example.com', roles: ['admin'] });
    await members({ store, record: () => Promise.resolve() }).remove(owner, acme, 'test#anna');
    expect(await outcome(service.accept(bob(), token, 'r'))).toMatch(/^there is no such/);
  });

  it('is for an identity that a verifier made', async () => {
    await expect(service.accept({ ...bob() }, await invite(), 'r')).rejects.toThrow(TypeError);
  });

  it('takes an address as verified where the platform knows a better way to tell', async () => {
    const trusting = invitations({
      store,
      record: () => Promise.resolve(),
      verifiedEmail: ({ sub }) => `${sub}@example.com`,
    });
    expect(await outcome(trusting.accept(bob({ email: undefined, claims: {} }), await invite(), 'r'))).toBe('done');
  });
});
