import { systemClock, type Clock } from '@portcullis/core';
import { dayMs, dayOf, endOfMonth, monthOf } from './calendar.js';
import type {
  Caller,
  CallLimits,
  CallRefusal,
  LimitStore,
  PlaceAnswer,
  RequestLimits,
  RequestRefusal,
  StoredPlace,
} from './limit-store.js';
import { MinuteWindow } from './minute-window.js';
import { PeriodCount } from './period-count.js';
import { longestWait } from './longest-wait.js';

/** How counters in memory are kept. */
export interface MemoryLimitsOptions {
  /**
   * How many users of one tenant have counters of their own at one time; those beyond share one user's allowance.
   *
   * @defaultValue 10,000
   */
  readonly maxUsersPerTenant?: number | undefined;
  /** Tells days and months. @defaultValue this machine's */
  readonly clock?: Clock | undefined;
  /** Milliseconds that only grow, for the minute. @defaultValue `performance.now()` */
  readonly monotonic?: Clock | undefined;
}

interface UserCounters {
  readonly minute: MinuteWindow;
  readonly day: PeriodCount;
  readonly sessions: Set<string>;
  calls: number;
}

interface TenantCounters {
  readonly minute: MinuteWindow;
  readonly day: PeriodCount;
  readonly month: PeriodCount;
  readonly users: Map<string, UserCounters>;
  /** For the users beyond the most. */
  readonly others: UserCounters;
  calls: number;
}

/**
 * Counters in this process: for one process, for tests, and for the time in which Redis is down. They begin at zero
 * with the process.
 *
 * What it holds is bounded: a few numbers for each tenant, and for each of at most `maxUsersPerTenant` users the same.
 * Users that are idle are forgotten as others come; to forget one that is not would give it its allowance anew, so
 * that users beyond the most share one allowance instead.
 *
 * @example
 * ```ts
 * import { limiter, memoryLimits } from '@portcullis/limits';
 *
 * const limits = limiter({ store: memoryLimits() });
 * await limits.close();
 * ```
 */
export function memoryLimits(options: MemoryLimitsOptions = {}): LimitStore {
  return new MemoryLimits(options);
}

class MemoryLimits implements LimitStore {
  readonly #tenants = new Map<string, TenantCounters>();
  readonly #maxUsers: number;
  readonly #clock: Clock;
  readonly #monotonic: Clock;

  constructor({
    maxUsersPerTenant = 10_000,
    clock = systemClock,
    monotonic = () => performance.now(),
  }: MemoryLimitsOptions) {
    this.#maxUsers = maxUsersPerTenant;
    this.#clock = clock;
    this.#monotonic = monotonic;
  }

  request(caller: Caller, limits: RequestLimits): Promise<RequestRefusal | undefined> {
    const [tenant, user] = this.#countersOf(caller);
    const now = this.#monotonic();
    const wall = this.#clock();
    const minute = (counters: UserCounters | TenantCounters, limit: number | undefined): number | undefined =>
      limit === undefined ? 0 : counters.minute.waitMs(now, limit);
    const day = (counters: UserCounters | TenantCounters, limit: number | undefined): number | undefined => {
      if (limit === undefined || counters.day.count(dayOf(wall)) < limit) return 0;
      return limit === 0 ? undefined : (dayOf(wall) + 1) * dayMs - wall;
    };
    const refusal = longestWait([
      ['requestsPerMinute', minute(tenant, limits.requestsPerMinute)],
      ['requestsPerDay', day(tenant, limits.requestsPerDay)],
      ['userRequestsPerMinute', minute(user, limits.userRequestsPerMinute)],
      ['userRequestsPerDay', day(user, limits.userRequestsPerDay)],
    ]);
    if (refusal === undefined) {
      if (limits.requestsPerMinute !== undefined) tenant.minute.add(now);
      if (limits.requestsPerDay !== undefined) tenant.day.add(dayOf(wall));
      if (limits.userRequestsPerMinute !== undefined) user.minute.add(now);
      if (limits.userRequestsPerDay !== undefined) user.day.add(dayOf(wall));
    }
    return Promise.resolve(refusal);
  }

  call(caller: Caller, limits: CallLimits): Promise<PlaceAnswer<CallRefusal>> {
    const [tenant, user] = this.#countersOf(caller);
    const wall = this.#clock();
    const month = monthOf(wall);
    const used = tenant.month.count(month);
    if (used >= (limits.callsPerMonth ?? Infinity)) {
      const retryAfterMs = endOfMonth(month) - wall;
      return Promise.resolve({ refusal: { limit: 'callsPerMonth', used, retryAfterMs } });
    }
    if (tenant.calls >= (limits.concurrentCalls ?? Infinity))
      return Promise.resolve({ refusal: { limit: 'concurrentCalls' } });
    if (user.calls >= (limits.userConcurrentCalls ?? Infinity))
      return Promise.resolve({ refusal: { limit: 'userConcurrentCalls' } });
    tenant.month.add(month);
    tenant.calls++;
    user.calls++;
    return Promise.resolve({
      place: placeOf(() => {
        tenant.calls--;
        user.calls--;
      }),
    });
  }

  session(
    caller: Caller,
    sessionId: string,
    most: number | undefined,
  ): Promise<PlaceAnswer<{ readonly open: number }>> {
    const [, { sessions }] = this.#countersOf(caller);
    if (!sessions.has(sessionId) && sessions.size >= (most ?? Infinity))
      return Promise.resolve({ refusal: { open: sessions.size } });
    sessions.add(sessionId);
    return Promise.resolve({ place: placeOf(() => sessions.delete(sessionId)) });
  }

  read(caller: Caller): Promise<{ callsThisMonth: number; monthEndsAt: number; openSessions: number }> {
    const month = monthOf(this.#clock());
    const tenant = this.#tenants.get(caller.tenant);
    return Promise.resolve({
      callsThisMonth: tenant?.month.count(month) ?? 0,
      monthEndsAt: endOfMonth(month),
      openSessions: tenant?.users.get(caller.user)?.sessions.size ?? 0,
    });
  }

  close(): Promise<void> {
    this.#tenants.clear();
    return Promise.resolve();
  }

  #countersOf(caller: Caller): readonly [TenantCounters, UserCounters] {
    let tenant = this.#tenants.get(caller.tenant);
    if (tenant === undefined) {
      tenant = {
        minute: new MinuteWindow(),
        day: new PeriodCount(),
        month: new PeriodCount(),
        users: new Map(),
        others: newUser(),
        calls: 0,
      };
      this.#tenants.set(caller.tenant, tenant);
    }
    return [tenant, this.#userOf(tenant, caller.user)];
  }

  #userOf(tenant: TenantCounters, name: string): UserCounters {
    const known = tenant.users.get(name);
    if (known !== undefined) return known;
    // Two are looked at for one that comes, so that the idle ones go faster than new ones come, without ever a long walk.
    this.#forgetIdle(tenant);
    this.#forgetIdle(tenant);
    // Also while those who share are busy: a user who went from the shared counters to new ones would have two allowances.
    if (tenant.users.size >= this.#maxUsers || !this.#isIdle(tenant.others)) return tenant.others;
    const user = newUser();
    tenant.users.set(name, user);
    return user;
  }

  /** Looks at the user that was looked at longest ago. */
  #forgetIdle({ users }: TenantCounters): void {
    for (const [name, user] of users) {
      users.delete(name);
      if (!this.#isIdle(user)) users.set(name, user);
      return;
    }
  }

  #isIdle({ calls, sessions, day, minute }: UserCounters): boolean {
    const isOpen = calls > 0 || sessions.size > 0;
    return !isOpen && day.count(dayOf(this.#clock())) === 0 && minute.isIdle(this.#monotonic());
  }
}

function newUser(): UserCounters {
  return { minute: new MinuteWindow(), day: new PeriodCount(), sessions: new Set(), calls: 0 };
}

function placeOf(giveBack: () => unknown): StoredPlace {
  let isHeld = true;
  return {
    release: () => {
      if (isHeld) giveBack();
      isHeld = false;
      return Promise.resolve();
    },
  };
}
