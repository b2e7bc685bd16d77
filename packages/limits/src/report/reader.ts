import {
  isSealedOperatorContext,
  isSealedTenantContext,
  isTenantId,
  PortcullisError,
  systemClock,
  type Clock,
  type OperatorAccessRecorder,
  type OperatorContext,
  type TenantContext,
  type TenantId,
} from '@portcullis/core';

/** An operator who reads about a tenant, on record. */
export interface OperatorReader {
  readonly operator: OperatorContext;
  /** Records it. Nothing is read before this resolves, and nothing at all when it rejects. */
  readonly operatorAccess: OperatorAccessRecorder;
  /** Tells whether the operator's context has ended. @defaultValue this machine's */
  readonly clock?: Clock | undefined;
}

/** The tenant of a context. @throws PortcullisError `denied` for anything but one that a tenant resolver made */
export function ownTenant(context: TenantContext): TenantContext {
  if (isSealedTenantContext(context)) return context;
  throw denied(
    isSealedOperatorContext(context)
      ? 'an operator reads by the function that ends in `AsOperator` alone'
      : 'not a context that a tenant resolver made',
  );
}

/**
 * Lets an operator read about a tenant, on record.
 *
 * @param what - as it is recorded
 * @throws PortcullisError `denied` for anything but an operator context that was vouched for, has not ended and is
 * for this tenant; whatever the recorder rejects with
 */
export async function requireOperator(reader: OperatorReader, tenant: TenantId, what: string): Promise<void> {
  const { operator, operatorAccess, clock = systemClock } = reader;
  if (!isSealedOperatorContext(operator)) throw denied('not an operator context that was vouched for');
  if (!isTenantId(tenant)) throw denied('not a well-formed tenant id');
  if (clock() >= operator.expiresAt) throw denied('the operator context has ended');
  if (operator.tenants !== 'all' && !operator.tenants.includes(tenant))
    throw denied('the operator context is not for this tenant');
  await operatorAccess({ operator, tenant, storage: what });
}

function denied(detail: string): PortcullisError {
  return new PortcullisError('denied', undefined, { detail });
}
