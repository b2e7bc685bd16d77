import { PortcullisError } from '@portcullis/core';
import { domainClaimSchema, invitationSchema, isStorable, normalDomain, parseInput } from '../record.js';
import { requireClaimPlace, requireInvitationPlace } from '../rules.js';
import type { TenantStore } from '../store.js';
import { countOf, requirePlaceIn, requireTenant } from './member-rows.js';
import type { SqlStoreOptions } from './sql-store-options.js';
import { claimRecord, firstRecord, invitationRecord, records } from './tables.js';
import { lockedTenant } from './tenant-rows.js';

type OfferRows = Pick<
  TenantStore,
  | 'putInvitation'
  | 'getInvitation'
  | 'getInvitations'
  | 'removeInvitation'
  | 'putDomainClaim'
  | 'getDomainClaim'
  | 'getDomainClaims'
  | 'removeDomainClaim'
>;

/** What waits for somebody to take it up, in a PostgreSQL store: invitations and domain claims. */
export function offerRows({ sql, tables, clock, plans }: SqlStoreOptions): OfferRows {
  const invitations = `SELECT ${invitationRecord} FROM ${tables.invitations} WHERE tenant_id = $1`;
  const claims = `SELECT ${claimRecord} FROM ${tables.claims} WHERE tenant_id = $1`;
  return {
    putInvitation: (input) =>
      sql.transaction(async (query) => {
        const { tenantId, id, ...rest } = parseInput(invitationSchema, input);
        const tenant = await requireTenant(query, tables, tenantId);
        const known = await query(`SELECT id FROM ${tables.invitations} WHERE tenant_id = $1 AND id = $2`, [
          tenantId,
          id,
        ]);
        if (known.length > 0) throw new PortcullisError('conflict', `invitation \`${id}\` exists`);
        await requirePlaceIn({ query, tables, tenant, plans, now: clock() });
        requireInvitationPlace(await countOf(query, `${tables.invitations} WHERE tenant_id = $1`, [tenantId]));
        await query(
          `INSERT INTO ${tables.invitations} ` +
            `(tenant_id, id, email, roles, invited_by, secret_hash, created_at, expires_at) ` +
            `VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
          [
            tenantId,
            id,
            rest.email,
            JSON.stringify(rest.roles),
            rest.invitedBy,
            rest.secretHash,
            rest.createdAt,
            rest.expiresAt,
          ],
        );
      }),
    getInvitation: async (tenant, id) =>
      isStorable(id)
        ? firstRecord(invitationSchema, await sql.read(`${invitations} AND id = $2`, [tenant, id]))
        : undefined,
    getInvitations: async (tenant) => records(invitationSchema, await sql.read(`${invitations} ORDER BY id`, [tenant])),
    async removeInvitation(tenant, id) {
      if (!isStorable(id)) return;
      await sql.transaction(async (query) => {
        await lockedTenant(query, tables, tenant);
        await query(`DELETE FROM ${tables.invitations} WHERE tenant_id = $1 AND id = $2`, [tenant, id]);
      });
    },
    putDomainClaim: (input) =>
      sql.transaction(async (query) => {
        const { tenantId, domain, challenge, createdAt, expiresAt } = parseInput(domainClaimSchema, input);
        const tenant = await requireTenant(query, tables, tenantId);
        const claimed = records(domainClaimSchema, await query(claims, [tenantId]));
        requireClaimPlace(
          domain,
          claimed.map((claim) => claim.domain),
          tenant,
        );
        await query(
          `INSERT INTO ${tables.claims} (tenant_id, domain, challenge, created_at, expires_at) ` +
            `VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant_id, domain) ` +
            `DO UPDATE SET challenge = $3, created_at = $4, expires_at = $5`,
          [tenantId, domain, challenge, createdAt, expiresAt],
        );
      }),
    async getDomainClaim(tenant, domain) {
      const name = normalDomain(domain);
      return name === undefined
        ? undefined
        : firstRecord(domainClaimSchema, await sql.read(`${claims} AND domain = $2`, [tenant, name]));
    },
    getDomainClaims: async (tenant) =>
      records(domainClaimSchema, await sql.read(`${claims} ORDER BY domain`, [tenant])),
    async removeDomainClaim(tenant, domain) {
      const name = normalDomain(domain);
      if (name === undefined) return;
      await sql.transaction(async (query) => {
        await lockedTenant(query, tables, tenant);
        await query(`DELETE FROM ${tables.claims} WHERE tenant_id = $1 AND domain = $2`, [tenant, name]);
      });
    },
  };
}
