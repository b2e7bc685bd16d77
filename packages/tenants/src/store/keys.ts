import type { TenantId } from '@portcullis/core';
import type { TenantOrder } from './tenant-list.js';

const spell = (...parts: readonly string[]): string => JSON.stringify(parts);

/** The keys of all records and sets: lists of texts as JSON, so that no two different keys can be spelled alike. */
export const keys = {
  // Records
  tenant: (id: TenantId) => spell('tenant', id),
  roll: (id: TenantId) => spell('roll', id),
  domain: (domain: string) => spell('domain', domain),
  hintedBinding: (provider: string, hint: string) => spell('binding', provider, hint),
  member: (id: TenantId, userId: string) => spell('member', id, userId),
  role: (id: TenantId, roleId: string) => spell('role', id, roleId),
  invitation: (id: TenantId, invitation: string) => spell('invitation', id, invitation),
  claim: (id: TenantId, domain: string) => spell('claim', id, domain),
  // Ordered sets
  tenantsBy: (order: TenantOrder) => spell('tenants', order),
  openBinding: (provider: string) => spell('bindings', provider),
  members: (id: TenantId) => spell('members', id),
  tenantsOf: (userId: string) => spell('user', userId),
  roles: (id: TenantId) => spell('roles', id),
  invitations: (id: TenantId) => spell('invitations', id),
  claims: (id: TenantId) => spell('claims', id),
};
