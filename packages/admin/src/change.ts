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

/** Makes a change after it is on record: what cannot be recorded is not done. */
export async function change<T>(
  record: ConfigurationRecorder,
  { caller, requestId }: Scene,
  { action, target, tenant, before, after }: Change,
  make: () => Promise<T>,
): Promise<T> {
  try {
    const who = administrator(caller);
    await record({ ...who, tenant, action, target, before: plain(before), after: plain(after), requestId });
  } catch (cause) {
    throw cause instanceof PortcullisError ? cause : new PortcullisError('audit_unavailable', undefined, { cause });
  }
  return make();
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
