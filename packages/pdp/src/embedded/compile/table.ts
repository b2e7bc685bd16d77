import type { Activation, Expression } from '../cel/expression.js';
import type { CelMap } from '../cel/cel-value.js';
import type { Work } from '../cel/work.js';
import type { ByName } from './by-name.js';
import type { NameMatcher } from './glob.js';
import type { NameMap } from './name-map.js';

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
  /** Whether there are none of either. */
  readonly isEmpty: boolean;
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

/** Rows by role; `*` is everybody's. */
export type ByRole = NameMap<readonly Row[]>;

/** A rule of a role policy: what a role may do with a kind at all. */
export interface AllowRule extends ConditionIn {
  readonly actions: readonly NameMatcher[];
}

/** What a resource policy says of its kind, in one scope and version. */
export interface KindRules {
  /** The policy's name, as decisions give it. */
  readonly policy: string;
  /** The schemas that count: those of the base policy. */
  schemas: PolicySchemas | undefined;
  readonly actions: ByName<ByRole>;
  /** The derived roles that an expression may ask for as effective ones; empty where none does. */
  derivedRoles: readonly EffectiveRole[];
}

/** A derived role, as `runtime.effectiveDerivedRoles` has it. */
export interface EffectiveRole {
  readonly parentRoles: readonly string[];
  readonly when: DerivedRoleIn;
}

/** What a scope is, whoever its policies are for. */
interface ScopeOf<Scope> {
  readonly name: string;
  /** The next one above that has policies. */
  above: Scope | undefined;
  /** Whether its allows need the consent of a scope above. */
  needsConsent: boolean;
}

/** The resource and role policies of a scope. */
export interface ResourceScope extends ScopeOf<ResourceScope> {
  /** By version and kind. */
  readonly versions: Map<string, Map<string, KindRules>>;
  /** Role policies, by role and kind. */
  readonly roles: Map<string, ByName<AllowRule[]>>;
  /** The kinds that any role policy of the scope speaks of. */
  readonly roleKinds: ByName<true>;
  /** All roles that a role stands for in questions of this very scope. */
  readonly parentRoles: Map<string, readonly string[]>;
}

/** The principal policies of a scope. */
export interface PrincipalScope extends ScopeOf<PrincipalScope> {
  readonly versions: Map<string, PrincipalVersion>;
}

/** The principal policies of a scope and version. */
export interface PrincipalVersion {
  /** By principal, kind and action. */
  readonly principals: Map<string, PrincipalRules>;
  /** The kinds that any of them speaks of. */
  readonly kinds: ByName<true>;
}

/** A principal policy in one scope and version. */
interface PrincipalRules {
  /** By kind and action. */
  readonly kinds: ByName<ByName<Row[]>>;
}

/** The policies, as they are looked up: by scope, and from there upwards. */
export interface Table {
  /** Whether any expression reads `runtime`. */
  readsRuntime: boolean;
  readonly resourceScopes: Map<string, ResourceScope>;
  readonly principalScopes: Map<string, PrincipalScope>;
}

/** The schemas of one policy. */
export interface PolicySchemas {
  readonly principal: AttributeSchema | undefined;
  readonly resource: AttributeSchema | undefined;
}

/** A schema, and the actions that it is not for. */
export interface AttributeSchema {
  readonly accepts: (attributes: CelMap, work: Work) => boolean;
  /** The schema itself, as its file has it. */
  readonly document: unknown;
  readonly ignoredActions: readonly NameMatcher[];
}
