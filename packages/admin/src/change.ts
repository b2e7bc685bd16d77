import { PortcullisError, type AttributeValue, type ConfigurationRecorder, type TenantId } from '@portcullis/core';
import { administrator, type OperatorCaller } from './caller.js';
import type { Scene } from './endpoint.js';

/** A change, as it is recorded. */
export interface Change {
  /** As `tenant.update`. */
  readonly action: string;
  readonly target: string;
  readonly tenant: TenantId | undefined;
  readonly before: object | null;
  readonly after: object | null;
}

/**
 * Makes a change after it is on record: what cannot be recorded is not done. One that fails after that is recorded once
 * more, as `….failed`, so that the trail does not tell of a change that never was.
 */
export async function change<T>(
  record: ConfigurationRecorder,
  { caller, requestId }: Scene,
  { action, target, tenant, before, after }: Change,
  make: () => Promise<T>,
): Promise<T> {
  const told = { ...administrator(caller), tenant, target, before: plain(before), requestId };
  try {
    await record({ ...told, action, after: plain(after) });
  } catch (cause) {
    throw cause instanceof PortcullisError ? cause : new PortcullisError('audit_unavailable', undefined, { cause });
  }
  try {
    return await make();
  } catch (error) {
    await record({ ...told, action: `${action}.failed`, after: told.before }).catch(() => undefined);
    throw error;
  }
}

/** The operator who calls: for endpoints that only operators get to. */
export function operatorOf({ caller }: Pick<Scene, 'caller'>): OperatorCaller {
  if (caller.kind === 'operator') return caller;
  throw new PortcullisError('denied', undefined, { detail: 'this is for operators, whatever policy says' });
}

/** As it would be sent. */
function plain(view: object | null): AttributeValue {
  return JSON.parse(JSON.stringify(view)) as AttributeValue;
}
