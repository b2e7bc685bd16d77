import { z } from 'zod';
import {
  isSealedOperatorContext,
  isSealedTenantContext,
  isTenantId,
  PortcullisError,
  systemClock,
  type Clock,
  type OperatorContext,
  type OperatorRecorder,
  type TenantContext,
  type TenantId,
} from '@portcullis/core';
import type { ChainedRecord } from './record.js';
import type { StoreQuery, TrailFilter, TrailPosition, TrailStore } from './store.js';
import { trailOfTenant } from './trails-of.js';

/** A question to a trail. */
export interface TrailQuestion extends TrailFilter {
  /** @defaultValue newest */
  readonly order?: 'newest' | 'oldest' | undefined;
  /** 1 to 1000. @defaultValue 100 */
  readonly limit?: number | undefined;
  /** `next` of the page before. */
  readonly cursor?: string | undefined;
}

/** A record, as it is read. */
export interface ReadRecord {
  readonly trail: string;
  readonly seq: number;
  /** ISO 8601. */
  readonly time: string;
  readonly hash: string;
  /** As it was recorded: see `AuditEntry`. What an earlier version wrote may have other members. */
  readonly entry: Readonly<Record<string, unknown>>;
}

/** A part of the answer. */
export interface TrailPage {
  readonly records: readonly ReadRecord[];
  /** The cursor of the next page; absent on the last. */
  readonly next?: string | undefined;
}

/** Reads the trails that it was made for, and no others. */
export interface TrailReader {
  /**
   * @throws PortcullisError `request_invalid` for a limit, a time or a cursor that is none; `denied` when the right
   * to read has ended; `audit_unavailable`
   */
  query(question?: TrailQuestion): Promise<TrailPage>;
}

/**
 * A tenant's own trail, for its own people. There is no argument by which another tenant's could be named. What of
 * its own trail they may see, policy says: ask it first.
 *
 * @throws PortcullisError `denied` for anything but a context that a tenant resolver made
 * @example
 * ```ts
 * import { memoryTrails, tenantTrail } from '@portcullis/audit';
 * import { contextFor } from '@portcullis/testing/contexts';
 *
 * const { records } = await tenantTrail(await memoryTrails(), contextFor({ tenant: 'acme' })).query({ effect: 'deny' });
 * console.log(records.length); // prints: 0
 * ```
 */
export function tenantTrail(
  store: Pick<TrailStore, 'find'>,
  context: TenantContext,
  { clock = systemClock }: { readonly clock?: Clock | undefined } = {},
): TrailReader {
  if (!isSealedTenantContext(context)) throw denied('not a context that a tenant resolver made');
  const trails = [trailOfTenant(context.tenant.id)];
  const endsAt = context.impersonation?.expiresAt ?? Infinity;
  return reader(store, trails, () => clock() < endsAt);
}

/** How an operator reads. */
export interface OperatorTrailsOptions {
  /** Those whose trails are read; the operators' and the system's are among `all` alone. */
  readonly tenants: readonly TenantId[] | 'all';
  /** Records that they are read, before they are: an operator's look is an operator's act. */
  readonly record: OperatorRecorder;
  readonly clock?: Clock | undefined;
}

/**
 * Trails for an operator: of the tenants that it names, or all there are. That they are read is on record in the
 * operators' trail, and in that of each tenant named.
 *
 * @throws PortcullisError `denied` for anything but an operator context that was vouched for, has not ended and is for
 * these tenants; whatever the recorder rejects with
 */
export async function operatorTrails(
  store: Pick<TrailStore, 'find'>,
  operator: OperatorContext,
  { tenants, record, clock = systemClock }: OperatorTrailsOptions,
): Promise<TrailReader> {
  if (!isSealedOperatorContext(operator)) throw denied('not an operator context that was vouched for');
  if (clock() >= operator.expiresAt) throw denied('the operator context has ended');
  const named = tenants === 'all' ? 'all' : [...new Set(tenants)];
  if (named !== 'all' && !named.every(isTenantId)) throw denied('not a well-formed tenant id');
  if (operator.tenants !== 'all' && (named === 'all' || !named.every((tenant) => operator.tenants.includes(tenant))))
    throw denied('the operator context is not for all of these tenants');
  const { identity, reason, expiresAt, requestId } = operator;
  const event = { operator: identity, action: 'audit.read', effect: 'allow', reason, expiresAt, requestId } as const;
  if (named === 'all') await record(event);
  else for (const tenant of named) await record({ ...event, tenant });
  return reader(store, named === 'all' ? 'all' : named.map(trailOfTenant), () => clock() < expiresAt);
}

const question = z.object({
  limit: z.int().min(1).max(1000).default(100),
  order: z.enum(['newest', 'oldest']).default('newest'),
  // What a date can be.
  from: z.number().min(-8.64e15).max(8.64e15).optional(),
  to: z.number().min(-8.64e15).max(8.64e15).optional(),
});

function reader(store: Pick<TrailStore, 'find'>, trails: StoreQuery['trails'], mayRead: () => boolean): TrailReader {
  return {
    async query(asked = {}) {
      if (!mayRead()) throw denied('the right to read the trail has ended');
      const parsed = question.safeParse(asked);
      if (!parsed.success) throw invalid(parsed.error.issues[0]?.path.join('.') ?? 'question');
      const { actor, effect, type, method, name, requestId } = asked;
      const { limit, order, from, to } = parsed.data;
      const after = asked.cursor === undefined ? undefined : positionOf(asked.cursor);
      const filter = { actor, effect, type, method, name, requestId, from, to };
      // One more than is shown says whether there is a next page. `trails` comes last: nothing in a question replaces it.
      const found = await store.find({ ...filter, order, limit: limit + 1, after, trails });
      const shown = found.slice(0, limit);
      const last = shown.at(-1);
      const more = found.length > limit && last !== undefined;
      return { records: shown.map(readRecord), ...(more ? { next: cursorOf(last) } : {}) };
    },
  };
}

const entryObject = z.record(z.string(), z.unknown());

function readRecord({ trail, seq, time, hash, entry }: ChainedRecord): ReadRecord {
  return { trail, seq, time, hash, entry: entryObject.parse(JSON.parse(entry)) };
}

const position = z.tuple([z.string().max(40), z.string().max(100), z.int().nonnegative()]);

function cursorOf({ time, trail, seq }: TrailPosition): string {
  return Buffer.from(JSON.stringify([time, trail, seq])).toString('base64url');
}

/** A cursor is a place in the order and no more: one that was made up shows nothing that a question would not. */
function positionOf(cursor: string): TrailPosition {
  try {
    const [time, trail, seq] = position.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString()));
    if (time.includes('\0') || trail.includes('\0')) throw new TypeError('a text that no store has');
    return { time, trail, seq };
  } catch (cause) {
    throw new PortcullisError('request_invalid', 'the cursor is none of ours', { cause });
  }
}

function invalid(field: string): PortcullisError {
  return new PortcullisError('request_invalid', `\`${field}\` is out of range`);
}

function denied(detail: string): PortcullisError {
  return new PortcullisError('denied', undefined, { detail });
}
