import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { PortcullisError, type TenantId } from '@portcullis/core';
import { keys } from './keys.js';
import type { Transaction } from './transaction.js';

/**
 * What has to be known of all that belongs to a tenant at once. Whatever changes members, roles, invitations or claims
 * changes the roll too, so that two such changes of one tenant always meet, and a set that was read after the roll is
 * verified with it.
 */
export interface Roll {
  /** Random: a tenant that is deleted and made anew has another roll, for a late change too. */
  readonly incarnation: string;
  /** One more with every change. */
  readonly revision: number;
  readonly members: number;
  /** How many members have a role, by role. */
  readonly holders: readonly (readonly [role: string, count: number])[];
}

const count = z.number().int().min(0);

/** A roll, as it is stored. */
export const rollSchema: z.ZodType<Roll> = z.strictObject({
  incarnation: z.string(),
  revision: count,
  members: count,
  holders: z.array(z.tuple([z.string(), count])),
});

/** The roll of a tenant that is new. */
export function newRoll(): Roll {
  return { incarnation: randomUUID(), revision: 0, members: 0, holders: [] };
}

/** How many members have a role. */
export function holdersOf(roll: Roll, role: string): number {
  return roll.holders.find(([name]) => name === role)?.[1] ?? 0;
}

/** Reads the roll of a tenant that has to be there. @throws PortcullisError `tenant_unknown` */
export async function requireRoll(transaction: Transaction, tenant: TenantId): Promise<Roll> {
  const roll = await transaction.get(keys.roll(tenant), rollSchema);
  if (roll === undefined) throw new PortcullisError('tenant_unknown');
  return roll;
}

/** What becomes of a member's roles: `undefined` for who is not a member. */
export interface RolesChange {
  readonly before: readonly string[] | undefined;
  readonly after: readonly string[] | undefined;
}

/** Writes the roll after a change. */
export function advanceRoll(transaction: Transaction, tenant: TenantId, roll: Roll, change?: RolesChange): void {
  const holders = new Map(roll.holders);
  for (const role of change?.before ?? []) holders.set(role, (holders.get(role) ?? 0) - 1);
  for (const role of change?.after ?? []) holders.set(role, (holders.get(role) ?? 0) + 1);
  const arrived = change?.before === undefined && change?.after !== undefined ? 1 : 0;
  const left = change?.before !== undefined && change.after === undefined ? 1 : 0;
  const next: Roll = {
    incarnation: roll.incarnation,
    revision: roll.revision + 1,
    members: roll.members + arrived - left,
    holders: [...holders].filter(([, number]) => number > 0),
  };
  transaction.set(keys.roll(tenant), next);
}
