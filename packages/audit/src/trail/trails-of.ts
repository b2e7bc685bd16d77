/** As much of an entry as says where it belongs. */
export interface Placed {
  readonly type: string;
  readonly tenant?: string | undefined;
  readonly effect?: string | undefined;
  readonly byOperator?: boolean | undefined;
  readonly actor?: { readonly impersonation?: unknown } | undefined;
}

/** The trail of what belongs to no tenant and is no operator's doing. */
export const systemTrail = 'system';

/** The trail of what operators do, wherever they do it. */
export const operatorsTrail = 'operators';

/** The trail of a tenant. No tenant's is another's or one of the two others: those have no colon. */
export function trailOfTenant(tenant: string): string {
  return `tenant:${tenant}`;
}

/**
 * The trails that an entry belongs to, one or two: the tenant's, and the operators' where an operator acts; the
 * system's where there is neither.
 *
 * An attempt on another tenant's data is in the trail of the tenant that the actor acted in. What was denied to
 * somebody who claimed to be an operator is in the operators' trail alone: the named tenant would read in its own who
 * works for another tenant.
 */
export function trailsOf(entry: Placed): readonly string[] {
  if (entry.type === 'operator' && entry.effect === 'deny') return [operatorsTrail];
  const trails = entry.tenant === undefined ? [] : [trailOfTenant(entry.tenant)];
  if (isOperators(entry)) trails.push(operatorsTrail);
  return trails.length === 0 ? [systemTrail] : trails;
}

function isOperators({ type, byOperator, actor }: Placed): boolean {
  return (
    type === 'operator' ||
    type === 'operator_access' ||
    type === 'lifecycle' ||
    byOperator === true ||
    actor?.impersonation !== undefined
  );
}
