import type { Activation, Expression } from '../cel/expression.js';
import type { CelMap } from '../cel/value.js';
import type { NameMatcher } from './glob.js';

/** A condition as its policy says it. */
export type ConditionTree =
  | { readonly op: 'expr'; readonly expression: Expression }
  | { readonly op: 'all' | 'any' | 'none'; readonly of: readonly ConditionTree[] };

/** A condition: an expression that errs, or is no boolean, is not met. */
export interface Condition {
  readonly isMet: (activation: Activation) => boolean;
  readonly tree: ConditionTree;
}

/** The variables and constants that the expressions of one policy see. */
export interface Parameters {
  /** In an order in which each comes after those that it reads. */
  readonly variables: readonly { readonly name: string; readonly expression: Expression }[];
  readonly constants: CelMap;
}

/** A condition with what it sees. */
export interface ConditionIn {
  readonly condition: Condition | undefined;
  readonly parameters: Parameters;
}

/** The condition of a derived role. */
export interface DerivedRoleIn extends ConditionIn {
  readonly name: string;
}

/** One row of the table: a rule for one action and one role. */
export interface Row extends ConditionIn {
  readonly effect: 'allow' | 'deny';
  /** The rule's name with its policy's, as outputs give it. */
  readonly source: string;
  /** The derived role that the rule is for. */
  readonly derivedRole: DerivedRoleIn | undefined;
  readonly whenActivated: Expression | undefined;
  readonly whenConditionNotMet: Expression | undefined;
}

/** Something by name: literal names are looked up, patterns are tried one by one. */
export interface ByName<T> {
  readonly literal: Map<string, T>;
  readonly patterns: { readonly pattern: string; readonly matches: NameMatcher; readonly value: T }[];
}

/** Rows by role; `*` is everybody's. */
export type ByRole = Map<string, Row[]>;

/** A rule of a role policy: what a role may do with a kind at all. */
export interface AllowRule extends ConditionIn {
  readonly actions: readonly NameMatcher[];
}

/** The policies, as they are looked up. */
export interface Table {
  /** By version, scope, kind, action and role. */
  readonly resources: Map<string, Map<string, ByName<ByName<ByRole>>>>;
  /** By version, scope, principal, kind and action. */
  readonly principals: Map<string, Map<string, Map<string, ByName<ByName<Row[]>>>>>;
  /** The kinds that any principal policy speaks of, by version and scope. */
  readonly principalKinds: Map<string, Map<string, ByName<true>>>;
  /** Role policies, by scope, role and kind. */
  readonly roles: Map<string, Map<string, ByName<AllowRule[]>>>;
  /** All roles that a role stands for, by scope and role. */
  readonly parentRoles: Map<string, Map<string, readonly string[]>>;
  /** The scopes with policies of a kind, of whatever version and name. */
  readonly resourceScopes: Set<string>;
  readonly principalScopes: Set<string>;
  /** The scopes whose allows need the consent of a scope above. */
  readonly consentScopes: Set<string>;
  /** The schemas of resource policies, by the policy's name; those of a scoped policy are the base policy's. */
  readonly schemas: Map<string, PolicySchemas | undefined>;
}

/** The schemas of one policy. */
export interface PolicySchemas {
  readonly principal: AttributeSchema | undefined;
  readonly resource: AttributeSchema | undefined;
}

/** A schema, and the actions that it is not for. */
export interface AttributeSchema {
  readonly accepts: (attributes: CelMap) => boolean;
  readonly ignoredActions: readonly NameMatcher[];
}
