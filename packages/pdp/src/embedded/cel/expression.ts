import type { ASTNode } from '@marcbachmann/cel-js';
import type { CelMap, CelResult } from './cel-value.js';
import type { Work } from './work.js';

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
  /** One of `attr`: to read all of them may cost more. */
  attribute(name: string): CelResult;
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
  /** What whoever runs the engine set for all policies. */
  readonly globals: CelMap;
  readonly runtime: Runtime;
  /** The variables of macros and of `cel.bind`, by depth. */
  readonly locals: CelResult[];
  /** What the request may still cost. */
  readonly work: Work;
}

/** What an expression reads of the question's circumstances; each is found out when it is first asked for. */
export interface Runtime {
  /** The derived roles of the policies in sight whose conditions the principal meets. */
  readonly effectiveDerivedRoles: readonly string[];
  /** The time of the question, in milliseconds since 1970: one and the same for all its expressions. */
  readonly nowMs: number;
}

/** Evaluates an expression. */
export type Evaluate = (activation: Activation) => CelResult;

/** A compiled expression. */
export interface Expression {
  /** As it stands in the policy. */
  readonly text: string;
  readonly ast: ASTNode;
  readonly evaluate: Evaluate;
}
