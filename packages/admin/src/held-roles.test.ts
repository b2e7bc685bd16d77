import { expect, it } from 'vitest';
import { tenantId } from '@portcullis/core';
import { memoryStore, registry, resolver } from '@portcullis/tenants';
import { contextFor, identityFor } from '@portcullis/testing/contexts';
import { heldRoles } from './held-roles.js';

const acme = tenantId('acme');

it('a member has the roles that are stored now, and those of its token only while none are', async () => {
  const store = memoryStore();
  const binding = { provider: 'test', membership: 'token', roles: { Boss: 'owner' } } as const;
  await store.createTenant({ id: acme, name: 'Acme', settings: { identityProviders: [binding] } });
  const identity = identityFor({ subject: 'olga', roles: ['Boss'] });
  const context = await resolver({ registry: registry({ store }) }).resolve({ identity, requestId: 'r' });
  const roles = (): Promise<readonly string[]> => heldRoles(store, { kind: 'member', identity, context });
  expect(await roles()).toEqual(['owner']);
  await store.putMember(acme, identity.key, ['readonly']);
  expect(await roles()).toEqual(['readonly']);
});

it('a member that was stored and is not any more has none, whatever its context says', async () => {
  const context = contextFor({ subject: 'anna', memberRoles: ['owner'] });
  expect(await heldRoles(memoryStore(), { kind: 'member', identity: context.identity, context })).toEqual([]);
});
