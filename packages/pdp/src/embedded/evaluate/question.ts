import { mapOf } from '../cel/compile.js';
import type { Activation, PrincipalValue, ResourceValue } from '../cel/expression.js';
import { failed, type CelMap, type CelResult } from '../cel/value.js';
import type { ConditionIn, Parameters } from '../compile/table.js';

/** One question being answered: variables are evaluated once, when the first rule of their policy is looked at. */
export class Question {
  readonly principal: PrincipalValue;
  readonly resource: ResourceValue;
  readonly scope: string;
  readonly policyVersion: string;
  readonly #activations = new Map<Parameters, Activation>();

  constructor(principal: PrincipalValue, resource: ResourceValue, scope: string, policyVersion: string) {
    this.principal = principal;
    this.resource = resource;
    this.scope = scope;
    this.policyVersion = policyVersion;
  }

  /** Whether a condition is met; one that is not there is. */
  meets({ condition, parameters }: ConditionIn): boolean {
    return condition === undefined || condition(this.#activationOf(parameters));
  }

  evaluate(expression: (activation: Activation) => CelResult, parameters: Parameters): CelResult {
    return expression(this.#activationOf(parameters));
  }

  #activationOf(parameters: Parameters): Activation {
    const known = this.#activations.get(parameters);
    if (known !== undefined) return known;
    const variables = mapOf([]);
    const activation = this.#with(variables, parameters.constants);
    for (const { name, expression } of parameters.variables) {
      const value = expression(activation);
      Object.defineProperty(variables, name, { value: value === failed ? null : value, enumerable: true });
    }
    this.#activations.set(parameters, activation);
    return activation;
  }

  #with(variables: CelMap, constants: CelMap): Activation {
    const { principal, resource, scope, policyVersion } = this;
    return { principal, resource, scope, policyVersion, variables, constants, locals: [] };
  }
}
