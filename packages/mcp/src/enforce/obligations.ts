import { PortcullisError, type Decision, type Obligation, type TenantContext } from '@portcullis/core';
import type { RpcRequest } from '../message.js';
import type { CarriedObligation } from './exchange.js';

/** What an obligation handler is told. */
export interface ObligationCall {
  readonly obligation: Obligation;
  readonly context: TenantContext;
  readonly request: RpcRequest;
  readonly decision: Decision;
}

/**
 * Carries out one type of obligation. To throw is to fail, and a failed obligation denies the call. What it returns
 * is applied to the result before the caller sees it, and has to return the new result.
 */
export type ObligationHandler = (call: ObligationCall) => Promise<((result: unknown) => unknown) | undefined>;

/** Handlers by obligation type. */
export type ObligationHandlers = Readonly<Record<string, ObligationHandler>>;

/** The type of obligation that the gate carries out itself: a person has to say yes. */
export const humanApproval = 'human_approval';

/**
 * Carries out all obligations of a decision.
 *
 * Those that are known are carried out even where another is not, as the profile demands; then one that is unknown or
 * failed denies.
 *
 * @throws PortcullisError `obligation_failed`
 * @see AuthZEN obligations profile (draft)
 */
export async function carryOut(
  decisions: readonly Decision[],
  handlers: ObligationHandlers,
  request: RpcRequest,
  context: TenantContext,
): Promise<readonly CarriedObligation[]> {
  const carried: CarriedObligation[] = [];
  const failures: string[] = [];
  let cause: unknown;
  for (const decision of decisions) {
    for (const obligation of decision.obligations) {
      if (obligation.type === humanApproval) continue;
      const handler = Object.hasOwn(handlers, obligation.type) ? handlers[obligation.type] : undefined;
      if (handler === undefined) {
        failures.push(`${obligation.type}: no handler`);
        continue;
      }
      try {
        const onResult = await handler({ obligation, context, request, decision });
        carried.push({ obligation, onResult });
      } catch (error) {
        cause = error;
        failures.push(`${obligation.type}: failed`);
      }
    }
  }
  if (failures.length > 0)
    throw new PortcullisError('obligation_failed', undefined, { detail: failures.join(', '), cause });
  return carried;
}
