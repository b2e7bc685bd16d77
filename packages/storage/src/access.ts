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

/** What every adapter takes, so that operators can be let in and are never let in silently. */
export interface OperatorAccessOptions {
  /** Records each time an operator opens a tenant's storage. @defaultValue operators are refused */
  readonly operatorAccess?: OperatorAccessRecorder | undefined;
  /** @defaultValue this machine's */
  readonly clock?: Clock | undefined;
}

/**
 * The tenant whose storage a context opens.
 *
 * @throws PortcullisError `storage_refused` for anything but a context that a tenant resolver made; an operator's is
 * refused with the name of the way that it has to go
 */
export function tenantOf(context: TenantContext): TenantId {
  if (isSealedTenantContext(context)) return context.tenant.id;
  throw refused(
    isSealedOperatorContext(context)
      ? 'an operator context opens a tenant’s storage by the method that ends in `AsOperator` alone'
      : 'not a context that a tenant resolver made',
  );
}

/**
 * Lets an operator into one tenant's storage, on record.
 *
 * @param storage - the adapter, as it is recorded: `postgres/row-level-security`
 * @throws PortcullisError `storage_refused` for anything but an operator context that was vouched for, has not ended
 * and is for this tenant, and where the adapter has no recorder; whatever the recorder rejects with
 */
export async function tenantOfOperator(
  operator: OperatorContext,
  tenant: TenantId,
  storage: string,
  { operatorAccess, clock = systemClock }: OperatorAccessOptions,
): Promise<TenantId> {
  if (!isSealedOperatorContext(operator)) throw refused('not an operator context that was vouched for');
  if (!isTenantId(tenant)) throw refused('not a well-formed tenant id');
  if (clock() >= operator.expiresAt) throw refused('the operator context has ended');
  if (operator.tenants !== 'all' && !operator.tenants.includes(tenant))
    throw refused('the operator context is not for this tenant');
  if (operator.action !== undefined && !actionsFor(storage).includes(operator.action))
    throw refused(`the operator context was decided for \`${operator.action}\``);
  if (operatorAccess === undefined)
    throw refused('the adapter has no `operatorAccess` to record with, so that operators are not let in');
  await operatorAccess({ operator, tenant, storage });
  return tenant;
}

/** What an operator context that says what it was decided for may be used for: a lifecycle opens storage, too. */
function actionsFor(storage: string): readonly string[] {
  return storage === 'lifecycle' ? ['provision', 'deprovision'] : ['storage:open', 'provision', 'deprovision'];
}

/** What the storage will not do. @param detail - for the operator */
export function refused(detail: string, cause?: unknown): PortcullisError {
  return new PortcullisError('storage_refused', undefined, { detail, cause });
}

/** A backend that failed. @param detail - for the operator */
export function unavailable(cause: unknown, detail?: string): PortcullisError {
  const said = cause instanceof Error ? cause.message : 'the backend failed';
  return new PortcullisError('storage_unavailable', undefined, { detail: detail ?? said, cause });
}
