import {
  PortcullisError,
  systemClock,
  type Clock,
  type OperatorRecorder,
  type PolicyDecisionPoint,
  type Tenant,
  type TenantId,
} from '@portcullis/core';
import type { GrantKind } from '../grant/grant.js';
import type { GrantStore } from '../grant/store.js';
import { guardedStore } from './guarded-store.js';
import { requireProviders, type OperatorProviders } from '../principal/operator-principal.js';

/** What operators' rights rest on. */
export interface OperatorsOptions {
  readonly pdp: PolicyDecisionPoint;
  /** The identity providers that vouch for operators, and what their roles mean. Best: one, with no customers in it. */
  readonly providers: OperatorProviders;
  /** Where grants are kept: `memoryGrants()` for one process, `keyvGrants` for several. */
  readonly store: GrantStore;
  /** Records everything before it takes effect: `recordsOperators(audit)` of `@portcullis/audit`. */
  readonly record: OperatorRecorder;
  /** The tenant of an id, as `registry.tenant`. */
  readonly tenant: (id: TenantId) => Promise<Tenant | undefined>;
  /** How long a grant holds if the request does not say, in milliseconds. @defaultValue 15 minutes */
  readonly defaultTtlMs?: number | undefined;
  /** The longest that each kind of grant may hold, in milliseconds. @defaultValue support 8 hours, break_glass 1 hour */
  readonly maxTtlMs?: Readonly<Partial<Record<GrantKind, number>>> | undefined;
  /** How long an operator context may hold, in milliseconds. @defaultValue 1 hour */
  readonly maxContextMs?: number | undefined;
  /** How long a second person has to approve, in milliseconds. @defaultValue 15 minutes */
  readonly approveWithinMs?: number | undefined;
  /** The shortest reason, in characters. @defaultValue 10 */
  readonly minReasonLength?: number | undefined;
  /** How long a grant that is over can still be listed, in milliseconds; the audit trail is kept apart. @defaultValue 7 days */
  readonly keepMs?: number | undefined;
  readonly clock?: Clock | undefined;
  /** Hears of a denial that could not be recorded. It is a denial all the same. @defaultValue standard error */
  readonly onError?: ((error: Error) => void) | undefined;
}

/** The options, with nothing left open. */
export interface Parts extends Required<Omit<OperatorsOptions, 'maxTtlMs'>> {
  readonly clock: Clock;
  readonly onError: (error: Error) => void;
  readonly defaultTtlMs: number;
  readonly maxTtlMs: Readonly<Record<GrantKind, number>>;
  readonly maxContextMs: number;
  readonly approveWithinMs: number;
  readonly minReasonLength: number;
  readonly keepMs: number;
}

const minute = 60_000;
const hour = 60 * minute;

/**
 * Reads the options.
 *
 * @throws PortcullisError `config_invalid`
 */
export function partsOf(options: OperatorsOptions): Parts {
  requireProviders(options.providers);
  const parts: Parts = {
    ...options,
    store: guardedStore(options.store),
    clock: options.clock ?? systemClock,
    onError:
      options.onError ??
      ((error) => {
        console.error(`portcullis: a denial could not be recorded: ${error.message}`);
      }),
    defaultTtlMs: options.defaultTtlMs ?? 15 * minute,
    maxTtlMs: {
      support: options.maxTtlMs?.support ?? 8 * hour,
      break_glass: options.maxTtlMs?.break_glass ?? hour,
    },
    maxContextMs: options.maxContextMs ?? hour,
    approveWithinMs: options.approveWithinMs ?? 15 * minute,
    minReasonLength: options.minReasonLength ?? 10,
    keepMs: options.keepMs ?? 7 * 24 * hour,
  };
  const { defaultTtlMs, maxTtlMs, maxContextMs, approveWithinMs, minReasonLength, keepMs } = parts;
  const numbers = {
    defaultTtlMs,
    'maxTtlMs.support': maxTtlMs.support,
    'maxTtlMs.break_glass': maxTtlMs.break_glass,
    maxContextMs,
    approveWithinMs,
    minReasonLength,
    keepMs,
  };
  for (const [name, value] of Object.entries(numbers)) {
    if (!Number.isSafeInteger(value) || value < 1)
      throw new PortcullisError('config_invalid', `${name}: has to be a positive integer`);
  }
  return parts;
}
