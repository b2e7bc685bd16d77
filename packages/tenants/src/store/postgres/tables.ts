import type { z } from 'zod';
import { parseText } from '../transaction.js';
import type { Row } from './sql.js';

/**
 * The tables, by the schema they are in, and each of their records as one JSON text in a column `record`: a driver
 * leaves text as it is, whatever it was told about numbers and dates.
 */
export interface Tables {
  readonly tenants: string;
  readonly domains: string;
  readonly bindings: string;
  readonly memberships: string;
  readonly roles: string;
  readonly invitations: string;
  readonly claims: string;
}

/** The tables in a schema. @param s - the schema, quoted */
export function tablesIn(s: string): Tables {
  return {
    tenants: `${s}.tenants`,
    domains: `${s}.tenant_domains`,
    bindings: `${s}.tenant_bindings`,
    memberships: `${s}.memberships`,
    roles: `${s}.tenant_roles`,
    invitations: `${s}.invitations`,
    claims: `${s}.domain_claims`,
  };
}

const object = (members: Readonly<Record<string, string>>): string =>
  `json_build_object(${Object.entries(members)
    .map(([name, column]) => `'${name}', ${column}`)
    .join(', ')})::text AS record`;

/** A tenant. Columns of a table that is called `t`. */
export const tenantRecord = object({
  id: 't.id',
  name: 't.name',
  domains: 't.domains',
  status: 't.status',
  plan: 't.plan',
  settings: 't.settings',
  createdAt: 't.created_at',
  updatedAt: 't.updated_at',
  version: 't.version',
});

/** A membership. */
export const membershipRecord = object({
  tenantId: 'tenant_id',
  userId: 'user_id',
  roles: 'roles',
  joinedAt: 'joined_at',
  version: 'version',
});

/** A role of a tenant's own. */
export const roleRecord = object({
  tenantId: 'tenant_id',
  roleId: 'role_id',
  name: 'name',
  parentRoles: 'parent_roles',
  permissions: 'permissions',
  version: 'version',
});

/** An invitation. */
export const invitationRecord = object({
  tenantId: 'tenant_id',
  id: 'id',
  email: 'email',
  roles: 'roles',
  invitedBy: 'invited_by',
  secretHash: 'secret_hash',
  createdAt: 'created_at',
  expiresAt: 'expires_at',
});

/** A domain claim. */
export const claimRecord = object({
  tenantId: 'tenant_id',
  domain: 'domain',
  challenge: 'challenge',
  createdAt: 'created_at',
  expiresAt: 'expires_at',
});

/** The records of rows. @throws PortcullisError `store_unavailable` when one is not what it should be */
export function records<T>(schema: z.ZodType<T>, rows: readonly Row[]): readonly T[] {
  return rows.map(({ record }) => parseText(schema, String(record))).filter((record) => record !== undefined);
}

/** The first record of rows. */
export function firstRecord<T>(schema: z.ZodType<T>, rows: readonly Row[]): T | undefined {
  return records(schema, rows)[0];
}
