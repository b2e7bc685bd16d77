import { PortcullisError, type Membership, type Tenant, type TenantId, type TenantPlans } from '@portcullis/core';
import { cursorAt, pageLimit, positionAt } from '../page.js';
import { isStorable, membershipSchema } from '../record.js';
import { isOwner, maxUsersOf, memberAfter, requireOwner, requirePlace, requireVersion } from '../rules.js';
import type { TenantStore } from '../store.js';
import type { SqlStoreOptions } from './sql-store-options.js';
import type { Query } from './sql.js';
import { firstRecord, membershipRecord, records, type Tables } from './tables.js';
import { lockedTenant } from './tenant-rows.js';

type MemberRows = Pick<
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

/** The memberships of a PostgreSQL store. */
export function memberRows({ sql, tables, clock, plans }: SqlStoreOptions): MemberRows {
  const from = `SELECT ${membershipRecord} FROM ${tables.memberships}`;
  const member = async (query: Query, tenant: TenantId, userId: string): Promise<Membership | undefined> =>
    isStorable(userId)
      ? firstRecord(membershipSchema, await query(`${from} WHERE tenant_id = $1 AND user_id = $2`, [tenant, userId]))
      : undefined;

  return {
    addMember: (tenant, userId, roles, options = {}) =>
      sql.transaction(async (query) => {
        const record = await requireTenant(query, tables, tenant);
        if ((await member(query, tenant, userId)) !== undefined)
          throw new PortcullisError('conflict', 'the user is a member already');
        const added = memberAfter(tenant, userId, roles, undefined, clock());
        const others = { query, tables, tenant: record, plans, now: clock() };
        if (options.invitation === undefined) await requirePlaceIn(others);
        else {
          await takeInvitation(query, tables, tenant, options.invitation, clock());
          // Its place was counted when it was made; who is a member already is never counted out by it.
          await requirePlaceIn({ ...others, withoutInvitations: true });
        }
        await writeMember(query, tables, added);
        return added;
      }),
    changeMember: (tenant, userId, roles, options) =>
      sql.transaction(async (query) => {
        await lockedTenant(query, tables, tenant);
        const known = await member(query, tenant, userId);
        if (known === undefined) throw new PortcullisError('not_found', 'the user is not a member');
        requireVersion(known.version, options);
        const changed = memberAfter(tenant, userId, roles, known, clock());
        await requireOwnerIn(query, tables, known, changed.roles);
        await writeMember(query, tables, changed);
        return changed;
      }),
    putMember: (tenant, userId, roles) =>
      sql.transaction(async (query) => {
        const record = await requireTenant(query, tables, tenant);
        const known = await member(query, tenant, userId);
        const put = memberAfter(tenant, userId, roles, known, clock());
        if (known === undefined) await requirePlaceIn({ query, tables, tenant: record, plans, now: clock() });
        else await requireOwnerIn(query, tables, known, put.roles);
        await writeMember(query, tables, put);
        return put;
      }),
    removeMember: (tenant, userId, options) =>
      sql.transaction(async (query) => {
        await lockedTenant(query, tables, tenant);
        const known = await member(query, tenant, userId);
        if (known === undefined) return;
        requireVersion(known.version, options);
        await requireOwnerIn(query, tables, known, undefined);
        await query(`DELETE FROM ${tables.memberships} WHERE tenant_id = $1 AND user_id = $2`, [tenant, userId]);
      }),
    getMembership: (tenant, userId) => member(sql.read, tenant, userId),
    getMembers: async (tenant) =>
      records(membershipSchema, await sql.read(`${from} WHERE tenant_id = $1 ORDER BY user_id`, [tenant])),
    async listMembers(tenant, options = {}) {
      const mark = ['members', tenant];
      const limit = pageLimit(options.limit);
      const after = positionAt(mark, options.cursor)?.id;
      const behind = after === undefined ? '' : ' AND user_id > $2';
      const rows = await sql.read(
        `${from} WHERE tenant_id = $1${behind} ORDER BY user_id LIMIT ${String(limit + 1)}`,
        after === undefined ? [tenant] : [tenant, after],
      );
      const items = records(membershipSchema, rows.slice(0, limit));
      const last = rows.length > limit ? items.at(-1) : undefined;
      return last === undefined ? { items } : { items, cursor: cursorAt(mark, { key: '', id: last.userId }) };
    },
    getUserMemberships: async (userId) =>
      isStorable(userId)
        ? records(membershipSchema, await sql.read(`${from} WHERE user_id = $1 ORDER BY tenant_id`, [userId]))
        : [],
  };
}

/** @throws PortcullisError `tenant_unknown` */
export async function requireTenant(query: Query, tables: Tables, id: TenantId): Promise<Tenant> {
  const tenant = await lockedTenant(query, tables, id);
  if (tenant === undefined) throw new PortcullisError('tenant_unknown');
  return tenant;
}

/** What decides whether there is a place. */
interface PlaceQuestion {
  readonly query: Query;
  readonly tables: Tables;
  /** Locked. */
  readonly tenant: Tenant;
  readonly plans: TenantPlans | undefined;
  readonly now: number;
  readonly withoutInvitations?: boolean;
}

/**
 * Refuses one more member or invitation than the tenant may have. An invitation that has expired takes no place.
 *
 * @throws PortcullisError `quota_exceeded`
 */
export async function requirePlaceIn(question: PlaceQuestion): Promise<void> {
  const { query, tables, tenant, plans, now, withoutInvitations } = question;
  const maxUsers = maxUsersOf(tenant, plans);
  if (maxUsers === undefined) return;
  const members = await countOf(query, `${tables.memberships} WHERE tenant_id = $1`, [tenant.id]);
  const open =
    withoutInvitations === true
      ? 0
      : await countOf(query, `${tables.invitations} WHERE tenant_id = $1 AND expires_at > $2`, [tenant.id, now]);
  requirePlace(members + open, maxUsers);
}

async function requireOwnerIn(
  query: Query,
  tables: Tables,
  member: Membership,
  after: readonly string[] | undefined,
): Promise<void> {
  if (!isOwner(member.roles) || isOwner(after)) return;
  const owners = `${tables.memberships} WHERE tenant_id = $1 AND roles @> '["owner"]'`;
  requireOwner(member, after, await countOf(query, owners, [member.tenantId]));
}

/** How many rows there are. @param from - a table and a condition */
export async function countOf(query: Query, from: string, values: readonly unknown[]): Promise<number> {
  const [row] = await query(`SELECT count(*)::text AS number FROM ${from}`, values);
  return Number(row?.['number']);
}

async function writeMember(query: Query, tables: Tables, member: Membership): Promise<void> {
  const { tenantId, userId, roles, joinedAt, version } = member;
  await query(
    `INSERT INTO ${tables.memberships} (tenant_id, user_id, roles, joined_at, version) VALUES ($1, $2, $3, $4, $5) ` +
      `ON CONFLICT (tenant_id, user_id) DO UPDATE SET roles = $3, joined_at = $4, version = $5`,
    [tenantId, userId, JSON.stringify(roles), joinedAt, version],
  );
}

async function takeInvitation(query: Query, tables: Tables, tenant: TenantId, id: string, now: number): Promise<void> {
  if (!isStorable(id)) throw new PortcullisError('invitation_invalid');
  const taken = await query(
    `DELETE FROM ${tables.invitations} WHERE tenant_id = $1 AND id = $2 AND expires_at > $3 RETURNING id`,
    [tenant, id, now],
  );
  if (taken.length === 0) throw new PortcullisError('invitation_invalid');
}
