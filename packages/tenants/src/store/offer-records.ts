import { PortcullisError } from '@portcullis/core';
import type { BackendStoreOptions } from './backend-store-options.js';
import { invitationEntry, invitationIdOf } from './invitation-entry.js';
import { keys } from './keys.js';
import { removeInvitationFrom, requirePlaceIn } from './member-records.js';
import { entriesOf, readAll, readOne } from './read-records.js';
import { domainClaimSchema, invitationSchema, normalDomain, parseInput, tenantSchema } from './record.js';
import { advanceRoll, requireRoll, rollSchema } from './roll.js';
import { maxInvitations, requireClaimPlace, requireInvitationPlace } from './rules.js';
import type { TenantStore } from './store.js';
import { textOrder } from './text-order.js';
import { transact } from './transaction.js';

type OfferRecords = Pick<
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

/** What waits for somebody to take it up, in a backend store: invitations and domain claims. */
export function offerRecords({ backend, clock, plans }: BackendStoreOptions): OfferRecords {
  return {
    putInvitation: (input) =>
      transact(backend, async (transaction) => {
        const invitation = parseInput(invitationSchema, input);
        const { tenantId, id } = invitation;
        const roll = await requireRoll(transaction, tenantId);
        if ((await transaction.get(keys.invitation(tenantId, id), invitationSchema)) !== undefined)
          throw new PortcullisError('conflict', `invitation \`${id}\` exists`);
        await requirePlaceIn(transaction, tenantId, roll, plans, clock());
        requireInvitationPlace((await transaction.range(keys.invitations(tenantId), { limit: maxInvitations })).length);
        transaction.set(keys.invitation(tenantId, id), invitation);
        transaction.include(keys.invitations(tenantId), invitationEntry(invitation));
        advanceRoll(transaction, tenantId, roll);
      }),
    getInvitation: (tenant, id) => readOne(backend, keys.invitation(tenant, id), invitationSchema),
    async getInvitations(tenant) {
      const entries = await entriesOf(backend, keys.invitations(tenant));
      const found = await readAll(
        backend,
        entries.map((entry) => keys.invitation(tenant, invitationIdOf(entry))),
        invitationSchema,
      );
      return [...found].sort((a, b) => textOrder(a.id, b.id));
    },
    removeInvitation: (tenant, id) =>
      transact(backend, async (transaction) => {
        const roll = await transaction.get(keys.roll(tenant), rollSchema);
        const invitation = await transaction.get(keys.invitation(tenant, id), invitationSchema);
        if (roll === undefined || invitation === undefined) return;
        removeInvitationFrom(transaction, invitation);
        advanceRoll(transaction, tenant, roll);
      }),
    putDomainClaim: (input) =>
      transact(backend, async (transaction) => {
        const claim = parseInput(domainClaimSchema, input);
        const { tenantId, domain } = claim;
        const roll = await requireRoll(transaction, tenantId);
        const tenant = await transaction.get(keys.tenant(tenantId), tenantSchema);
        requireClaimPlace(domain, await entriesOf(transaction, keys.claims(tenantId)), tenant);
        transaction.set(keys.claim(tenantId, domain), claim);
        transaction.include(keys.claims(tenantId), domain);
        advanceRoll(transaction, tenantId, roll);
      }),
    async getDomainClaim(tenant, domain) {
      const name = normalDomain(domain);
      return name === undefined ? undefined : readOne(backend, keys.claim(tenant, name), domainClaimSchema);
    },
    getDomainClaims: async (tenant) =>
      readAll(
        backend,
        (await entriesOf(backend, keys.claims(tenant))).map((domain) => keys.claim(tenant, domain)),
        domainClaimSchema,
      ),
    async removeDomainClaim(tenant, domain) {
      const name = normalDomain(domain);
      if (name === undefined) return;
      await transact(backend, async (transaction) => {
        const roll = await transaction.get(keys.roll(tenant), rollSchema);
        const claim = await transaction.get(keys.claim(tenant, name), domainClaimSchema);
        if (roll === undefined || claim === undefined) return;
        transaction.delete(keys.claim(tenant, name));
        transaction.exclude(keys.claims(tenant), name);
        advanceRoll(transaction, tenant, roll);
      });
    },
  };
}
