import type { TenantId, TenantLimits, TenantQuotas } from '@portcullis/core';

/** Whose counters are meant. */
export interface Caller {
  readonly tenant: TenantId;
  /** `Identity.key`. */
  readonly user: string;
}

/** The limits on requests, as they hold now. A member that is absent limits nothing; 0 lets nothing through. */
export type RequestLimits = Pick<
  TenantLimits,
  'requestsPerMinute' | 'requestsPerDay' | 'userRequestsPerMinute' | 'userRequestsPerDay'
>;

/** The limits on tool calls, as they hold now. */
export type CallLimits = Pick<TenantLimits, 'concurrentCalls' | 'userConcurrentCalls'> &
  Pick<TenantQuotas, 'callsPerMonth'>;

/** The limit that a request met, and how long it stays closed: `undefined` where waiting does not help. */
export interface RequestRefusal {
  readonly limit: keyof RequestLimits;
  readonly retryAfterMs: number | undefined;
}

/** The limit or the quota that a call met. */
export type CallRefusal =
  | { readonly limit: 'concurrentCalls' | 'userConcurrentCalls' }
  | { readonly limit: 'callsPerMonth'; readonly used: number; readonly retryAfterMs: number };

/** A place among the open calls or sessions, in a store. */
export interface StoredPlace {
  /** Gives it back. Rejects where the store cannot be reached: the place then ends with its lease. */
  release(): Promise<void>;
}

/** What a store says to a call or a session: its place, or what it met. */
export type PlaceAnswer<Refusal> = { readonly place: StoredPlace } | { readonly refusal: Refusal };

/** What has been counted. */
export interface CountedUse {
  /** Tool calls that were let through in this calendar month (UTC). */
  readonly callsThisMonth: number;
  /** When the next month begins, in milliseconds since the Unix epoch, by the store's clock. */
  readonly monthEndsAt: number;
  /** Sessions of the user that are open. */
  readonly openSessions: number;
}

/**
 * Where the counters of a limiter are kept. Each method is atomic: it counts in all places or in none, and two that
 * run at one time behave as if one had run after the other.
 *
 * Every method rejects where the store cannot tell, and does so within a deadline of the store's own.
 */
export interface LimitStore {
  /** Counts one request, unless a limit is met. @returns `undefined` when it was counted */
  request(caller: Caller, limits: RequestLimits): Promise<RequestRefusal | undefined>;
  /** Counts one call and holds its place, unless a limit is met. */
  call(caller: Caller, limits: CallLimits): Promise<PlaceAnswer<CallRefusal>>;
  /** Holds the place of a session; one that has a place already keeps it. @param most - `undefined`: no limit */
  session(caller: Caller, sessionId: string, most: number | undefined): Promise<PlaceAnswer<{ readonly open: number }>>;
  /** Counts nothing. */
  read(caller: Caller): Promise<CountedUse>;
  close(): Promise<void>;
}
