import type { CelMap, CelResult, CelValue } from './value.js';

/** What an expression reads of the principal. */
export interface PrincipalValue {
  readonly id: string;
  readonly roles: readonly string[];
  readonly attr: CelMap;
}

/** What an expression reads of the resource. */
export interface ResourceValue {
  readonly kind: string;
  readonly id: string;
  readonly attr: CelMap;
}

/** What an expression is evaluated against. */
export interface Activation {
  readonly principal: PrincipalValue;
  readonly resource: ResourceValue;
  readonly scope: string;
  readonly policyVersion: string;
  /** The variables of the policy that the expression is of; one that erred is null. */
  readonly variables: CelMap;
  readonly constants: CelMap;
  /** The iteration variables of macros, by depth. */
  readonly locals: CelValue[];
}

/** A compiled expression. */
export type Expression = (activation: Activation) => CelResult;
