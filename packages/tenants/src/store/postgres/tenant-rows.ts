import { PortcullisError, type Tenant, type TenantId } from '@portcullis/core';
import { cursorAt } from '../page.js';
import { isStorable, newTenant, normalDomain, tenantSchema, updatedTenant } from '../record.js';
import { requireOnly, requireVersion } from '../rules.js';
import type { DeleteOptions, TenantStore } from '../store.js';
import { searchable, tenantList, tenantPosition, type TenantList, type TenantOrder } from '../tenant-list.js';
import type { SqlStoreOptions } from './sql-store-options.js';
import type { Query } from './sql.js';
import { firstRecord, records, tenantRecord, type Tables } from './tables.js';

type TenantRows = Pick<
  TenantStore,
  | 'createTenant'
  | 'getTenant'
  | 'getTenantByDomain'
  | 'getTenantsByProvider'
  | 'updateTenant'
  | 'deleteTenant'
  | 'listTenants'
>;

/** The tenants of a PostgreSQL store. */
export function tenantRows({ sql, tables, clock }: SqlStoreOptions): TenantRows {
  const from = `SELECT ${tenantRecord} FROM ${tables.tenants} t`;
  return {
    createTenant: (input) =>
      sql.transaction(async (query) => {
        const tenant = newTenant(input, clock());
        const made = await query(
          `INSERT INTO ${tables.tenants} (id, name, name_key, domains, status, plan, settings, created_at, updated_at, version) ` +
            `VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (id) DO NOTHING RETURNING id`,
          [...columnsOf(tenant), tenant.createdAt, tenant.updatedAt, tenant.version],
        );
        if (made.length === 0) throw new PortcullisError('conflict', `tenant \`${tenant.id}\` exists`);
        await writePointers(query, tables, tenant);
        return tenant;
      }),
    getTenant: async (id) => firstRecord(tenantSchema, await sql.read(`${from} WHERE t.id = $1`, [id])),
    async getTenantByDomain(domain) {
      const name = normalDomain(domain);
      if (name === undefined) return undefined;
      const rows = await sql.read(`${from} JOIN ${tables.domains} d ON d.tenant_id = t.id WHERE d.domain = $1`, [name]);
      return firstRecord(tenantSchema, rows);
    },
    async getTenantsByProvider(provider, tenantHint) {
      if (!isStorable(provider) || !isStorable(tenantHint ?? '')) return [];
      const joined = `${from} JOIN ${tables.bindings} b ON b.tenant_id = t.id WHERE b.provider = $1`;
      const rows =
        tenantHint === undefined
          ? await sql.read(`${joined} AND b.tenant_hint IS NULL ORDER BY t.id`, [provider])
          : await sql.read(`${joined} AND b.tenant_hint = $2`, [provider, tenantHint]);
      return records(tenantSchema, rows);
    },
    updateTenant: (id, update, options) =>
      sql.transaction(async (query) => {
        const tenant = await lockedTenant(query, tables, id);
        if (tenant === undefined) throw new PortcullisError('tenant_unknown');
        requireVersion(tenant.version, options);
        const updated = updatedTenant(tenant, update, clock());
        await query(
          `UPDATE ${tables.tenants} SET name = $2, name_key = $3, domains = $4, status = $5, plan = $6, settings = $7, ` +
            `updated_at = $8, version = $9 WHERE id = $1`,
          [...columnsOf(updated), updated.updatedAt, updated.version],
        );
        await writePointers(query, tables, updated);
        return updated;
      }),
    deleteTenant: (id, options) =>
      sql.transaction(async (query) => {
        const tenant = await lockedTenant(query, tables, id);
        if (tenant === undefined) return;
        requireVersion(tenant.version, options);
        if (options?.ifOnly !== undefined) await requireOnlyIn(query, tables, id, options);
        // All that refers to it goes with it.
        await query(`DELETE FROM ${tables.tenants} WHERE id = $1`, [id]);
      }),
    async listTenants(options) {
      const list = tenantList(options);
      const { text, values } = listQuery(from, list);
      const found = await sql.transaction(async (query) => records(tenantSchema, await query(text, values)));
      const page = found.slice(0, list.limit);
      const last = found.length > list.limit ? page.at(-1) : undefined;
      return last === undefined
        ? { tenants: page }
        : { tenants: page, cursor: cursorAt(list.mark, tenantPosition(last, list.orderBy)) };
    },
  };
}

/**
 * Reads a tenant, and keeps everything of it to this transaction until it ends. Whatever changes something that belongs
 * to a tenant takes this lock first.
 */
export async function lockedTenant(query: Query, tables: Tables, id: TenantId): Promise<Tenant | undefined> {
  return firstRecord(
    tenantSchema,
    await query(`SELECT ${tenantRecord} FROM ${tables.tenants} t WHERE t.id = $1 FOR UPDATE`, [id]),
  );
}

/** The tenant is locked: nothing is added to it until the transaction ends. */
async function requireOnlyIn(query: Query, tables: Tables, id: TenantId, options: DeleteOptions): Promise<void> {
  const rows = await query(`SELECT user_id FROM ${tables.memberships} WHERE tenant_id = $1`, [id]);
  const [others] = await query(
    `SELECT ((SELECT count(*) FROM ${tables.roles} WHERE tenant_id = $1) + ` +
      `(SELECT count(*) FROM ${tables.invitations} WHERE tenant_id = $1) + ` +
      `(SELECT count(*) FROM ${tables.claims} WHERE tenant_id = $1))::text AS number`,
    [id],
  );
  requireOnly(
    rows.map((row) => String(row['user_id'])),
    Number(others?.['number']),
    options,
  );
}

function columnsOf({ id, name, domains, status, plan, settings }: Tenant): readonly string[] {
  return [id, name, searchable(name), JSON.stringify(domains), JSON.stringify(status), plan, JSON.stringify(settings)];
}

/** What finds the tenant, and speaks for one tenant at the most: the unique indexes see to that. */
async function writePointers(query: Query, tables: Tables, tenant: Tenant): Promise<void> {
  const { id, domains, settings } = tenant;
  const names = [...new Set(domains)];
  await query(`DELETE FROM ${tables.domains} WHERE tenant_id = $1 AND NOT ($2::jsonb @> to_jsonb(domain))`, [
    id,
    JSON.stringify(names),
  ]);
  const own = new Set(
    (await query(`SELECT domain FROM ${tables.domains} WHERE tenant_id = $1`, [id])).map(({ domain }) => domain),
  );
  // In one order for all, so that two that want the same wait for one another in the same order.
  for (const domain of names.filter((name) => !own.has(name)).sort()) {
    const made = await query(
      `INSERT INTO ${tables.domains} (domain, tenant_id) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING domain`,
      [domain, id],
    );
    if (made.length === 0) throw new PortcullisError('conflict', `domain \`${domain}\` is taken`);
  }
  const bindings = new Map(
    settings.identityProviders.map(({ provider, tenantHint }) => [
      JSON.stringify([provider, tenantHint]),
      [provider, tenantHint ?? null] as const,
    ]),
  );
  await query(`DELETE FROM ${tables.bindings} WHERE tenant_id = $1`, [id]);
  for (const [, [provider, hint]] of [...bindings].sort(([a], [b]) => (a < b ? -1 : 1)))
    await query(`INSERT INTO ${tables.bindings} (tenant_id, provider, tenant_hint) VALUES ($1, $2, $3)`, [
      id,
      provider,
      hint,
    ]);
}

/** What each order is by, as SQL: the id comes last in all of them. */
const orderColumns: Readonly<Record<TenantOrder, readonly string[]>> = {
  id: ['t.id'],
  name: ['t.name_key', 't.id'],
  createdAt: ['t.created_at', 't.id'],
};

function listQuery(from: string, list: TenantList): { readonly text: string; readonly values: readonly unknown[] } {
  const values: unknown[] = [];
  const value = (one: unknown): string => `$${String(values.push(one))}`;
  const where: string[] = [];
  if (list.state !== undefined) where.push(`t.status ->> 'state' = ${value(list.state)}`);
  if (list.plan !== undefined) where.push(`t.plan = ${value(list.plan)}`);
  if (list.search !== undefined) {
    const search = value(list.search);
    where.push(`(strpos(lower(t.id), ${search}) > 0 OR strpos(t.name_key, ${search}) > 0)`);
  }
  const direction = list.reverse ? 'DESC' : 'ASC';
  const columns = orderColumns[list.orderBy];
  if (list.after !== undefined) {
    const { key, id } = list.after;
    const position = list.orderBy === 'id' ? [value(id)] : [value(key), value(id)];
    where.push(`(${columns.join(', ')}) ${list.reverse ? '<' : '>'} (${position.join(', ')})`);
  }
  const condition = where.length === 0 ? '' : ` WHERE ${where.join(' AND ')}`;
  const order = columns.map((column) => `${column} ${direction}`).join(', ');
  return { text: `${from}${condition} ORDER BY ${order} LIMIT ${String(list.limit + 1)}`, values };
}
