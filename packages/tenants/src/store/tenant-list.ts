import { z } from 'zod';
import type { Tenant } from '@portcullis/core';
import { pageLimit, positionAt, type Position } from './page.js';
import { parseInput } from './record.js';
import type { ListOptions } from './store.js';

/** What tenants can be ordered by. */
export const tenantOrders = ['id', 'name', 'createdAt'] as const;

/** One of `tenantOrders`. */
export type TenantOrder = (typeof tenantOrders)[number];

/** A list of tenants that was asked for, complete and checked. */
export interface TenantList {
  readonly state: Tenant['status']['state'] | undefined;
  readonly plan: string | undefined;
  /** In the form of `searchable`. */
  readonly search: string | undefined;
  readonly orderBy: TenantOrder;
  readonly reverse: boolean;
  readonly limit: number;
  readonly after: Position | undefined;
  /** What its cursors are bound to. */
  readonly mark: readonly unknown[];
}

const optionsSchema = z.object({
  state: z.enum(['active', 'suspended', 'trial']).optional(),
  plan: z.string().max(100).optional(),
  search: z.string().min(1).max(200).optional(),
  orderBy: z.enum(tenantOrders).default('id'),
  direction: z.enum(['asc', 'desc']).default('asc'),
});

/** Checks what list is asked for. @throws PortcullisError `request_invalid` */
export function tenantList(options: ListOptions = {}): TenantList {
  const { state, plan, search, orderBy, direction } = parseInput(optionsSchema, options);
  const mark = ['tenants', state, plan, search, orderBy, direction];
  return {
    state,
    plan,
    search: search === undefined ? undefined : searchable(search),
    orderBy,
    reverse: direction === 'desc',
    limit: pageLimit(options.limit),
    after: positionAt(mark, options.cursor),
    mark,
  };
}

/** A text as it is compared where case does not matter. */
export function searchable(text: string): string {
  return text.normalize('NFC').toLowerCase();
}

/** Where a tenant stands in a list; equals are told apart by their ids. */
export function tenantPosition(tenant: Tenant, orderBy: TenantOrder): Position {
  switch (orderBy) {
    case 'id':
      return { key: '', id: tenant.id };
    case 'name':
      return { key: searchable(tenant.name), id: tenant.id };
    case 'createdAt':
      return { key: String(tenant.createdAt).padStart(16, '0'), id: tenant.id };
  }
}

/** Whether a tenant is among those asked for. */
export function isListed(tenant: Tenant, { state, plan, search }: TenantList): boolean {
  return (
    (state === undefined || tenant.status.state === state) &&
    (plan === undefined || tenant.plan === plan) &&
    (search === undefined || searchable(tenant.id).includes(search) || searchable(tenant.name).includes(search))
  );
}
