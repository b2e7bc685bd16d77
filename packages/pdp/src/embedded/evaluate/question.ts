import { mapOf } from '../cel/compile.js';
import type { Activation, Expression, PrincipalValue, ResourceValue, Runtime } from '../cel/expression.js';
import { failed, type CelMap, type CelResult } from '../cel/value.js';
import type { ConditionIn, Parameters } from '../compile/table.js';

/** What is asked, and of whom. */
export interface Asked {
  readonly principal: PrincipalValue;
  readonly resource: ResourceValue;
  readonly scope: string;
  readonly policyVersion: string;
  readonly globals: CelMap;
}

/** The circumstances of a question: its time is taken when it is first asked for. */
class QuestionRuntime implements Runtime {
  effectiveDerivedRoles: readonly string[] = [];
  #nowMs: number | undefined;

  get nowMs(): number {
    return (this.#nowMs ??= Date.now());
  }
}

/** One question being answered: variables are evaluated once, when the first rule of their policy is looked at. */
export class Question {
  readonly principal: PrincipalValue;
  readonly resource: ResourceValue;
  readonly scope: string;
  readonly policyVersion: string;
  readonly #globals: CelMap;
  readonly #runtime: Runtime = new QuestionRuntime();
  readonly #activations = new Map<Parameters, Activation>();

  constructor({ principal, resource, scope, policyVersion, globals }: Asked) {
    this.principal = principal;
    this.resource = resource;
    this.scope = scope;
    this.policyVersion = policyVersion;
    this.#globals = globals;
  }

  /** Whether a condition is met; one that is not there is. */
  meets({ condition, parameters }: ConditionIn): boolean {
    return condition === undefined || condition.isMet(this.#activationOf(parameters));
  }

  evaluate({ evaluate }: Expression, parameters: Parameters): CelResult {
    return evaluate(this.#activationOf(parameters));
  }

  #activationOf(parameters: Parameters): Activation {
    const known = this.#activations.get(parameters);
    if (known !== undefined) return known;
    const variables = mapOf([]);
    const activation = this.#with(variables, parameters.constants);
    for (const { name, expression } of parameters.variables) {
      const value = expression.evaluate(activation);
      Object.defineProperty(variables, name, { value: value === failed ? null : value, enumerable: true });
    }
    this.#activations.set(parameters, activation);
    return activation;
  }

  #with(variables: CelMap, constants: CelMap): Activation {
    const { principal, resource, scope, policyVersion } = this;
    return {
      principal,
      resource,
      scope,
      policyVersion,
      variables,
      constants,
      globals: this.#globals,
      runtime: this.#runtime,
      locals: [],
    };
  }
}
