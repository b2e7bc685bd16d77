import { z } from 'zod';
import { isTenantId, PortcullisError, type Membership, type TenantId, type TenantPlans } from '@portcullis/core';
import type { BackendStoreOptions } from './backend-store-options.js';
import { expiredAt, invitationEntry } from './invitation-entry.js';
import { keys } from './keys.js';
import { cursorAt, pageLimit, positionAt } from './page.js';
import { entriesOf, readAll, readOne } from './read-records.js';
import { invitationSchema, isStorable, membershipSchema, tenantSchema } from './record.js';
import { advanceRoll, holdersOf, requireRoll, rollSchema, type Roll } from './roll.js';
import { maxUsersOf, memberAfter, requireOwner, requirePlace, requireVersion } from './rules.js';
import type { TenantStore } from './store.js';
import { transact, type Transaction } from './transaction.js';

type MemberRecords = Pick<
  TenantStore,
  | 'addMember'
  | 'changeMember'
  | 'putMember'
  | 'removeMember'
  | 'getMembership'
  | 'getMembers'
  | 'listMembers'
  | 'getUserMemberships'
>;

/** The memberships of a backend store. */
export function memberRecords({ backend, clock, plans }: BackendStoreOptions): MemberRecords {
  const membersAt = (tenant: TenantId, userIds: readonly string[]): Promise<readonly Membership[]> =>
    readAll(
      backend,
      userIds.map((userId) => keys.member(tenant, userId)),
      membershipSchema,
    );

  return {
    addMember: (tenant, userId, roles, options = {}) =>
      transact(backend, async (transaction) => {
        const roll = await requireRoll(transaction, tenant);
        const known = await transaction.get(keys.member(tenant, userId), membershipSchema);
        if (known !== undefined) throw new PortcullisError('conflict', 'the user is a member already');
        const member = memberAfter(tenant, userId, roles, undefined, clock());
        if (options.invitation === undefined) {
          await requirePlaceIn(transaction, tenant, roll, plans, clock());
        } else {
          await takeInvitation(transaction, tenant, options.invitation, clock());
          // Its place was counted when it was made; who is a member already is never counted out by it.
          requirePlace(roll.members, await maxUsersIn(transaction, tenant, plans));
        }
        writeMember(transaction, roll, undefined, member);
        return member;
      }),
    changeMember: (tenant, userId, roles, options) =>
      transact(backend, async (transaction) => {
        const roll = await transaction.get(keys.roll(tenant), rollSchema);
        const known = await transaction.get(keys.member(tenant, userId), membershipSchema);
        if (roll === undefined || known === undefined)
          throw new PortcullisError('not_found', 'the user is not a member');
        requireVersion(known.version, options);
        const member = memberAfter(tenant, userId, roles, known, clock());
        requireOwner(known, member.roles, holdersOf(roll, 'owner'));
        writeMember(transaction, roll, known, member);
        return member;
      }),
    putMember: (tenant, userId, roles) =>
      transact(backend, async (transaction) => {
        const roll = await requireRoll(transaction, tenant);
        const known = await transaction.get(keys.member(tenant, userId), membershipSchema);
        const member = memberAfter(tenant, userId, roles, known, clock());
        if (known === undefined) await requirePlaceIn(transaction, tenant, roll, plans, clock());
        requireOwner(known, member.roles, holdersOf(roll, 'owner'));
        writeMember(transaction, roll, known, member);
        return member;
      }),
    removeMember: (tenant, userId, options) =>
      transact(backend, async (transaction) => {
        const roll = await transaction.get(keys.roll(tenant), rollSchema);
        const known = await transaction.get(keys.member(tenant, userId), membershipSchema);
        if (roll === undefined || known === undefined) return;
        requireVersion(known.version, options);
        requireOwner(known, undefined, holdersOf(roll, 'owner'));
        transaction.delete(keys.member(tenant, userId));
        transaction.exclude(keys.members(tenant), userId);
        transaction.exclude(keys.tenantsOf(userId), tenant);
        advanceRoll(transaction, tenant, roll, { before: known.roles, after: undefined });
      }),
    getMembership: async (tenant, userId) =>
      isStorable(userId) ? readOne(backend, keys.member(tenant, userId), membershipSchema) : undefined,
    getMembers: async (tenant) => membersAt(tenant, await entriesOf(backend, keys.members(tenant))),
    async listMembers(tenant, options = {}) {
      const mark = ['members', tenant];
      const limit = pageLimit(options.limit);
      const after = positionAt(mark, options.cursor)?.id;
      // One more than fits tells whether there is a next page.
      const userIds = await backend.range(keys.members(tenant), { after, limit: limit + 1 });
      const last = userIds.length > limit ? userIds[limit - 1] : undefined;
      return {
        items: await membersAt(tenant, userIds.slice(0, limit)),
        ...(last === undefined ? {} : { cursor: cursorAt(mark, { key: '', id: last }) }),
      };
    },
    async getUserMemberships(userId) {
      if (!isStorable(userId)) return [];
      const tenants = z.array(z.custom<TenantId>(isTenantId)).parse(await entriesOf(backend, keys.tenantsOf(userId)));
      return readAll(
        backend,
        tenants.map((tenant) => keys.member(tenant, userId)),
        membershipSchema,
      );
    },
  };
}

function writeMember(transaction: Transaction, roll: Roll, before: Membership | undefined, after: Membership): void {
  const { tenantId, userId } = after;
  transaction.set(keys.member(tenantId, userId), after);
  transaction.include(keys.members(tenantId), userId);
  transaction.include(keys.tenantsOf(userId), tenantId);
  advanceRoll(transaction, tenantId, roll, { before: before?.roles, after: after.roles });
}

async function maxUsersIn(
  transaction: Transaction,
  id: TenantId,
  plans: TenantPlans | undefined,
): Promise<number | undefined> {
  const tenant = await transaction.get(keys.tenant(id), tenantSchema);
  if (tenant === undefined) throw new PortcullisError('tenant_unknown');
  return maxUsersOf(tenant, plans);
}

/**
 * Refuses one more member or invitation than the tenant may have. An invitation that has expired takes no place.
 *
 * @throws PortcullisError `quota_exceeded`, `tenant_unknown`
 */
export async function requirePlaceIn(
  transaction: Transaction,
  tenant: TenantId,
  roll: Roll,
  plans: TenantPlans | undefined,
  now: number,
): Promise<void> {
  const maxUsers = await maxUsersIn(transaction, tenant, plans);
  if (maxUsers === undefined) return;
  // No more than decide; and none where the members alone are too many.
  const limit = Math.max(0, maxUsers - roll.members);
  const open = limit === 0 ? [] : await transaction.range(keys.invitations(tenant), { after: expiredAt(now), limit });
  requirePlace(roll.members + open.length, maxUsers);
}

async function takeInvitation(transaction: Transaction, tenant: TenantId, id: string, now: number): Promise<void> {
  const invitation = await transaction.get(keys.invitation(tenant, id), invitationSchema);
  if (invitation === undefined || invitation.expiresAt <= now) throw new PortcullisError('invitation_invalid');
  removeInvitationFrom(transaction, invitation);
}

/** Removes an invitation with its place. */
export function removeInvitationFrom(
  transaction: Transaction,
  { tenantId, id, expiresAt }: { readonly tenantId: TenantId; readonly id: string; readonly expiresAt: number },
): void {
  transaction.delete(keys.invitation(tenantId, id));
  transaction.exclude(keys.invitations(tenantId), invitationEntry({ id, expiresAt }));
}
