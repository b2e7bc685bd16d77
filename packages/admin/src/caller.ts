import type { Author, Identity, Impersonation, Tenant, TenantContext, TenantId } from '@portcullis/core';

/** Somebody with a verified identity, of whom nothing else is needed. */
interface Person {
  readonly kind: 'person';
  readonly identity: Identity;
}

/** A member of the tenant of the path; or an operator who acts in it by a grant. */
export interface MemberCaller {
  readonly kind: 'member';
  readonly identity: Identity;
  readonly context: TenantContext;
}

/** An operator, as one. */
export interface OperatorCaller {
  readonly kind: 'operator';
  readonly identity: Identity;
  /** Why, in the operator's own words. */
  readonly reason: string;
}

/** Who sends a request. */
export type Caller = Person | MemberCaller | OperatorCaller;

/** Who administers, and what is recorded of it. */
export interface Administrator {
  readonly author: Author;
  readonly impersonation?: Impersonation | undefined;
  readonly reason?: string | undefined;
}

/** A caller, as changes are recorded. */
export function administrator(caller: Caller): Administrator {
  switch (caller.kind) {
    case 'person':
      return { author: caller.identity };
    case 'operator':
      return { author: caller.identity, reason: caller.reason };
    case 'member':
      return {
        author: caller.identity,
        ...(caller.context.impersonation === undefined
          ? {}
          : { impersonation: caller.context.impersonation, reason: caller.context.impersonation.reason }),
      };
  }
}

/** The tenant of the path, as the caller may work with it. */
export interface Subject {
  readonly id: TenantId;
  /** `undefined` only where the endpoint takes a tenant that is not there, or not any more. */
  readonly tenant: Tenant | undefined;
}
