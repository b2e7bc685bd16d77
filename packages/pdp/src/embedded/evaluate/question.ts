import type { Activation, Expression, PrincipalValue, ResourceValue, Runtime } from '../cel/expression.js';
import { emptyMap, failed, type CelMap, type CelResult, type CelValue } from '../cel/value.js';
import type { ConditionIn, Parameters } from '../compile/table.js';

/** What is asked, and of whom. */
export interface Asked {
  readonly principal: PrincipalValue;
  readonly resource: ResourceValue;
  readonly scope: string;
  readonly policyVersion: string;
  readonly globals: CelMap;
}

/** One question being answered: variables are evaluated once, when the first rule of their policy is looked at. */
export class Question implements Asked, Runtime {
  readonly principal: PrincipalValue;
  readonly resource: ResourceValue;
  readonly scope: string;
  readonly policyVersion: string;
  readonly globals: CelMap;
  effectiveDerivedRoles: readonly string[] = [];
  /** The policy whose rules were looked at last: most questions are for one. */
  private last: Parameters | undefined = undefined;
  private lastActivation: Activation | undefined = undefined;
  private others: Map<Parameters, Activation> | undefined = undefined;
  private now: number | undefined = undefined;

  constructor({ principal, resource, scope, policyVersion, globals }: Asked) {
    this.principal = principal;
    this.resource = resource;
    this.scope = scope;
    this.policyVersion = policyVersion;
    this.globals = globals;
  }

  /** The time of the question is taken when it is first asked for. */
  get nowMs(): number {
    return (this.now ??= Date.now());
  }

  /** Whether a condition is met; one that is not there is. */
  meets({ condition, parameters }: ConditionIn): boolean {
    return condition === undefined || condition.isMet(this.activationOf(parameters));
  }

  evaluate({ evaluate }: Expression, parameters: Parameters): CelResult {
    return evaluate(this.activationOf(parameters));
  }

  private activationOf(parameters: Parameters): Activation {
    if (parameters === this.last && this.lastActivation !== undefined) return this.lastActivation;
    const activation = this.others?.get(parameters) ?? this.activate(parameters);
    this.last = parameters;
    this.lastActivation = activation;
    return activation;
  }

  private activate(parameters: Parameters): Activation {
    const { principal, resource, scope, policyVersion, globals } = this;
    const { constants } = parameters;
    const variables: Record<string, CelValue> = parameters.variables.length === 0 ? none : emptyMap();
    const activation: Activation = {
      principal,
      resource,
      scope,
      policyVersion,
      variables,
      constants,
      globals,
      runtime: this,
      locals: [],
    };
    // Later ones read earlier ones; one that erred is null.
    for (const { name, expression } of parameters.variables) {
      const value = expression.evaluate(activation);
      variables[name] = value === failed ? null : value;
    }
    (this.others ??= new Map()).set(parameters, activation);
    return activation;
  }
}

const none = Object.freeze(emptyMap());
