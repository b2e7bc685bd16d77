import type { Action, Attributes, Principal, Tenant } from '@portcullis/core';
import type { DeclaredMapping } from '../mapping/declared.js';

/** The resource that a call is about. */
export interface ResourceRef {
  readonly id: string;
  /** Attributes that policies may compare. `tenant` is added by the gate. */
  readonly attr?: Attributes | undefined;
}

/** What a resource function may use beside the arguments. */
export interface AuthorizeContext<Storage> {
  readonly tenant: Tenant;
  readonly principal: Principal;
  /** The tenant's own storage: a record can be loaded so that policy may judge its attributes. */
  readonly storage: Storage;
  readonly signal: AbortSignal | undefined;
}

/**
 * What a tool needs to be allowed to do: `action` on a resource of `kind`.
 *
 * @example
 * ```text
 * { kind: 'document', action: 'read', resource: ({ id }) => ({ id }) }
 *   asks: may auth0#auth0|alice (roles member) `read` document `doc-1` of tenant acme, in scope acme?
 * ```
 */
export interface TypedAuthorize<Args, Storage> {
  readonly kind: string;
  readonly action: Action;
  /**
   * Which resource, from the validated arguments. Absent: the kind as a whole, as for a list or a create, asked with
   * the id `*`. `undefined` means that there is no such resource, which the caller reads as a denial.
   */
  readonly resource?:
    | ((args: Args, context: AuthorizeContext<Storage>) => ResourceRef | undefined | Promise<ResourceRef | undefined>)
    | undefined;
  /**
   * OAuth scopes that the client must hold as well. They are compared after policy has allowed the call, so that a
   * client is asked to step up only where that can help.
   */
  readonly scopes?: readonly string[] | undefined;
}

/** A tool's authorization: typed, or declared in the words of COAZ-MCP. */
export type Authorize<Args, Storage> = TypedAuthorize<Args, Storage> | DeclaredMapping;

/** Whether it is a declared mapping. */
export function isDeclared<Args, Storage>(authorize: Authorize<Args, Storage>): authorize is DeclaredMapping {
  return 'evaluation' in authorize || 'evaluations' in authorize;
}
