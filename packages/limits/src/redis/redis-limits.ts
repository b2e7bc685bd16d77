import { createHash, randomUUID } from 'node:crypto';
import { endOfMonth } from '../limiter/calendar.js';
import type {
  Caller,
  CallLimits,
  CallRefusal,
  CountedUse,
  LimitStore,
  PlaceAnswer,
  RequestLimits,
  RequestRefusal,
  StoredPlace,
} from '../limiter/limit-store.js';
import { longestWait } from '../limiter/longest-wait.js';
import { HeldPlaces } from './held-places.js';
import { limitScripts, type LimitScripts } from './limit-scripts.js';
import { integers } from './integers.js';
import { RecentRefusals } from './recent-refusals.js';
import type { RedisClient } from './redis-client.js';
import { runScript, type RedisScript, type ScriptInput } from './run-script.js';
import { tenantKeyOf, type TenantKey } from './tenant-key-of.js';

/** How counters in Redis are kept. */
export interface RedisLimitsOptions {
  /** What every key begins with. No `{`, which Redis reads as the beginning of a hash tag. @defaultValue `portcullis:limits` */
  readonly prefix?: string | undefined;
  /** How long one operation may take, in milliseconds. @defaultValue 250 */
  readonly timeoutMs?: number | undefined;
  /**
   * How long a place among the open calls or sessions outlives the replica that held it, in milliseconds. Places are
   * renewed three times as often. The same on all replicas.
   *
   * @defaultValue 30,000
   */
  readonly leaseMs?: number | undefined;
  /**
   * How long a caller that was refused is refused again without a question to Redis, in milliseconds: never longer
   * than the limit is closed, and never after a figure of its limits has changed. 0 asks every time.
   *
   * @defaultValue 250
   */
  readonly refusalCacheMs?: number | undefined;
}

/**
 * Counters in Redis, shared by all replicas: exact, since each question is one script, and by Redis' own clock.
 *
 * The client is yours, and is not closed here. Give it `disableOfflineQueue: true`: one that queues while it is
 * offline makes every request wait for the deadline. For quotas of a month Redis has to keep its data (`appendonly yes`):
 * one that begins anew begins at zero.
 *
 * A session id is kept as its SHA-256.
 *
 * @param client - node-redis' `createClient(…)`, connected, or `createCluster(…)`; Redis 5 or newer
 * @throws TypeError for a prefix with a brace
 * @example
 * ```text
 * const client = createClient({ url: 'redis://127.0.0.1:6379', disableOfflineQueue: true });
 * client.on('error', log);
 * await client.connect();
 * const limits = limiter({ store: redisLimits(client), plans });
 * ```
 */
export function redisLimits(client: RedisClient, options: RedisLimitsOptions = {}): LimitStore {
  return new RedisLimits(client, options, limitScripts());
}

/** The store, with scripts of the caller's choice. */
export class RedisLimits implements LimitStore {
  readonly #client: RedisClient;
  readonly #scripts: LimitScripts;
  readonly #key: TenantKey;
  readonly #timeoutMs: number;
  readonly #leaseMs: number;
  readonly #held: HeldPlaces;
  readonly #refusals: RecentRefusals;

  constructor(client: RedisClient, options: RedisLimitsOptions, scripts: LimitScripts) {
    const { prefix = 'portcullis:limits', timeoutMs = 250, leaseMs = 30_000, refusalCacheMs = 250 } = options;
    this.#client = client;
    this.#scripts = scripts;
    this.#key = tenantKeyOf(prefix);
    this.#timeoutMs = timeoutMs;
    this.#leaseMs = leaseMs;
    this.#held = new HeldPlaces(leaseMs / 3, (keys, ids) =>
      this.#run(scripts.renew, { keys, values: [leaseMs, ...ids] }),
    );
    this.#refusals = new RecentRefusals(refusalCacheMs);
  }

  async request({ tenant, user }: Caller, limits: RequestLimits): Promise<RequestRefusal | undefined> {
    const keys = [this.#key(tenant, 'rate'), this.#key(tenant, 'rate', user)] as const;
    const figures = [
      limits.requestsPerMinute,
      limits.requestsPerDay,
      limits.userRequestsPerMinute,
      limits.userRequestsPerDay,
    ].map((figure) => figure ?? -1);
    // Where users have no limits of their own, what holds for one holds for all.
    const caller = Math.max(figures[2] ?? -1, figures[3] ?? -1) < 0 ? keys[0] : keys[1];
    const known = this.#refusals.find(caller, figures);
    if (known !== undefined) return known;

    const askedAt = performance.now();
    const waits = integers(await this.#run(this.#scripts.request, { keys, values: figures }), 4).map((wait) =>
      wait < 0 ? undefined : wait,
    );
    const refusal = longestWait([
      ['requestsPerMinute', waits[0]],
      ['requestsPerDay', waits[1]],
      ['userRequestsPerMinute', waits[2]],
      ['userRequestsPerDay', waits[3]],
    ]);
    if (refusal !== undefined) this.#refusals.add(caller, figures, refusal, askedAt);
    return refusal;
  }

  async call({ tenant, user }: Caller, limits: CallLimits): Promise<PlaceAnswer<CallRefusal>> {
    const { callsPerMonth = -1, concurrentCalls = -1, userConcurrentCalls = -1 } = limits;
    const calls = this.#key(tenant, 'calls');
    const places = [this.#key(tenant, 'places'), this.#key(tenant, 'places', user)] as const;
    const id = randomUUID();
    const input = {
      keys: [calls, ...places],
      values: [callsPerMonth, concurrentCalls, userConcurrentCalls, this.#leaseMs, id],
    };
    const answer = await this.#run(this.#scripts.call, input, (late) => {
      // Nobody waits for this call any more: it did not run, and counts nowhere.
      const [met, , , month = 0] = integers(late, 4);
      if (met === 0) void this.#quietly(this.#scripts.cancel, { keys: [calls, ...places], values: [id, month] });
    });
    const [met = -1, used = 0, now = 0, month = 0] = integers(answer, 4);
    switch (met) {
      case 0: {
        const held = [...(concurrentCalls < 0 ? [] : [places[0]]), ...(userConcurrentCalls < 0 ? [] : [places[1]])];
        return { place: this.#placeOf(held, id) };
      }
      case 1:
        return { refusal: { limit: 'callsPerMonth', used, retryAfterMs: endOfMonth(month) - now } };
      case 2:
        return { refusal: { limit: 'concurrentCalls' } };
      case 3:
        return { refusal: { limit: 'userConcurrentCalls' } };
      default:
        throw new Error('redis gave an answer that is none');
    }
  }

  async session(
    { tenant, user }: Caller,
    sessionId: string,
    most: number | undefined,
  ): Promise<PlaceAnswer<{ readonly open: number }>> {
    const keys = [this.#key(tenant, 'sessions', user)];
    const id = createHash('sha256').update(sessionId).digest('base64url');
    const input = { keys, values: [most ?? -1, this.#leaseMs, id] };
    const [held, open = 0] = integers(await this.#run(this.#scripts.session, input), 2);
    return held === 1 ? { place: this.#placeOf(keys, id) } : { refusal: { open } };
  }

  async read({ tenant, user }: Caller): Promise<CountedUse> {
    const keys = [this.#key(tenant, 'calls'), this.#key(tenant, 'sessions', user)];
    const answer = await this.#run(this.#scripts.read, { keys, values: [] });
    const [callsThisMonth = 0, , month = 0, openSessions = 0] = integers(answer, 4);
    return { callsThisMonth, monthEndsAt: endOfMonth(month), openSessions };
  }

  /** Gives back what is still held, as far as Redis can be reached. */
  async close(): Promise<void> {
    const places = this.#held.close();
    await Promise.allSettled(places.map(({ keys, id }) => this.#run(this.#scripts.release, { keys, values: [id] })));
  }

  #placeOf(keys: readonly string[], id: string): StoredPlace {
    if (keys.length === 0) return { release: () => Promise.resolve() };
    const place = { keys, id };
    this.#held.add(place);
    return {
      release: async () => {
        if (this.#held.delete(place)) await this.#run(this.#scripts.release, { keys, values: [id] });
      },
    };
  }

  #run(script: RedisScript, input: ScriptInput, late?: (answer: unknown) => void): Promise<unknown> {
    return runScript(this.#client, script, input, { timeoutMs: this.#timeoutMs, late });
  }

  async #quietly(script: RedisScript, input: ScriptInput): Promise<void> {
    try {
      await this.#run(script, input);
    } catch {
      // What could not be taken back stays counted, and its place ends with the lease.
    }
  }
}
