import type { Impersonation, TenantId } from '@portcullis/core';
import type { Person } from '../principal/person.js';

/** `support`: granted by policy alone. `break_glass`: a second person has to approve it. */
export type GrantKind = Impersonation['kind'];

/** A grant, as it is kept. Times are in milliseconds since the Unix epoch. */
export interface GrantRecord {
  readonly id: string;
  readonly kind: GrantKind;
  readonly tenant: TenantId;
  /** Who asked for it, and alone may use it. */
  readonly operator: Person;
  /** The client that it is used with; absent where the identity had none. */
  readonly client?: string | undefined;
  readonly reason: string;
  /** How long it holds from its start, in milliseconds. */
  readonly ttlMs: number;
  readonly requestedAt: number;
  /** For `break_glass`: when it lapses if nobody has approved it. */
  readonly approveBy?: number | undefined;
  /** `Identity.key` of the second person. */
  readonly approvedBy?: string | undefined;
  /** Absent until it holds. */
  readonly startsAt?: number | undefined;
  readonly expiresAt?: number | undefined;
  readonly revokedBy?: string | undefined;
  readonly revokedAt?: number | undefined;
  /** 1 when it is asked for, one more with every change. */
  readonly version: number;
}

/** Where a grant stands: `lapsed` was not approved in time, `ended` is over by its own time. */
export type GrantState = 'pending' | 'active' | 'lapsed' | 'revoked' | 'ended';

/** A grant, as operators and the tenant's administrators may see it. */
export interface Grant extends Omit<GrantRecord, 'operator' | 'version'> {
  /** `Identity.key` of the operator. */
  readonly operator: string;
  readonly state: GrantState;
  /** How many requests it was used for. */
  readonly uses: number;
}

/**
 * How far a clock may be behind the one that started a grant, in milliseconds: of another replica, or of this one
 * before it was set back. Beyond that, a grant that has not begun yet does not hold.
 */
const clockToleranceMs = 60_000;

/** Where a grant stands at a time. At the very instant at which it ends, it has ended. */
export function stateOf(record: GrantRecord, now: number): GrantState {
  if (record.revokedAt !== undefined) return 'revoked';
  if (record.startsAt === undefined || record.expiresAt === undefined)
    return record.approveBy !== undefined && now < record.approveBy ? 'pending' : 'lapsed';
  return now < record.expiresAt ? 'active' : 'ended';
}

/** Why a grant does not hold now, for those who read the trail; `undefined` when it does. */
export function whyNotLive(record: GrantRecord, now: number): string | undefined {
  const state = stateOf(record, now);
  if (state !== 'active') return `the grant is ${state}`;
  if (record.startsAt !== undefined && now < record.startsAt - clockToleranceMs)
    return 'the clock is behind the start of the grant';
  if (record.kind === 'break_glass' && (record.approvedBy === undefined || record.approvedBy === record.operator.key))
    return 'no second person has approved the grant';
  return undefined;
}

/** A grant for people to see. */
export function grantOf(record: GrantRecord, uses: number, now: number): Grant {
  const { operator, version: _version, ...rest } = record;
  return { ...rest, operator: operator.key, state: stateOf(record, now), uses };
}
