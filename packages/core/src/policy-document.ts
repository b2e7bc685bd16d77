/** One rule of a policy, as far as other tools have to know it. */
export interface PolicyRule {
  readonly actions: readonly string[];
  readonly effect: 'allow' | 'deny';
  readonly roles: readonly string[];
  readonly derivedRoles: readonly string[];
  /** The text of the condition's YAML as JSON; empty without one. */
  readonly condition: string;
  /** The kind of resource. */
  readonly resource: string;
}

/** One policy document. */
export interface PolicyDocument {
  /** The path below the policy folder, with forward slashes. */
  readonly file: string;
  readonly kind: 'resource' | 'principal' | 'role' | 'derived_roles' | 'variables' | 'constants';
  /** The resource kind, principal, role or name that it is for. */
  readonly name: string;
  readonly version: string;
  readonly scope: string;
  /** Whether it may only narrow what its parent scope allows. */
  readonly requiresParentalConsent: boolean;
  readonly rules: readonly PolicyRule[];
  /** All of it, as JSON: conditions, variables and outputs included. */
  readonly text: string;
}
