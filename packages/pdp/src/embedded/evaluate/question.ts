import type { Activation, Expression, PrincipalValue, ResourceValue, Runtime } from '../cel/expression.js';
import { failed, type CelMap, type CelResult, type CelValue } from '../cel/cel-value.js';
import { emptyMap } from '../cel/value.js';
import type { Work } from '../cel/work.js';
import type { ConditionIn, Parameters } from '../compile/table.js';
import { Occasion } from './occasion.js';

/** What is asked, and of whom. */
export interface Asked {
  readonly principal: PrincipalValue;
  readonly resource: ResourceValue;
  readonly scope: string;
  readonly policyVersion: string;
  readonly globals: CelMap;
  /** What it shares with the other questions of its request. @defaultValue an occasion of its own */
  readonly occasion?: Occasion | undefined;
}

/**
 * One question being answered. It is what expressions are evaluated against, too, where their policy has neither
 * variables nor constants. Variables are evaluated once, when the first rule of their policy is looked at.
 */
export class Question implements Activation, Runtime {
  readonly principal: PrincipalValue;
  readonly resource: ResourceValue;
  readonly scope: string;
  readonly policyVersion: string;
  readonly globals: CelMap;
  /** Finds the effective derived roles; set where an expression may ask for them. */
  findEffectiveRoles: (() => readonly string[]) | undefined = undefined;
  private effective: readonly string[] | undefined = undefined;
  private readonly occasion: Occasion;
  private items: CelValue[] | undefined = undefined;
  private activations: Map<Parameters, Activation> | undefined = undefined;

  constructor({ principal, resource, scope, policyVersion, globals, occasion = new Occasion() }: Asked) {
    this.principal = principal;
    this.resource = resource;
    this.scope = scope;
    this.policyVersion = policyVersion;
    this.globals = globals;
    this.occasion = occasion;
  }

  get variables(): CelMap {
    return none;
  }

  get constants(): CelMap {
    return none;
  }

  get runtime(): Runtime {
    return this;
  }

  /** What the request may still cost. */
  get work(): Work {
    return this.occasion.work;
  }

  get locals(): CelValue[] {
    return (this.items ??= []);
  }

  get effectiveDerivedRoles(): readonly string[] {
    return (this.effective ??= this.foundEffectiveRoles());
  }

  get nowMs(): number {
    return this.occasion.nowMs;
  }

  /** Whether a condition is met; one that is not there is. */
  meets({ condition, parameters }: ConditionIn): boolean {
    return condition === undefined || condition.isMet(this.activationOf(parameters));
  }

  evaluate({ evaluate }: Expression, parameters: Parameters): CelResult {
    return evaluate(this.activationOf(parameters));
  }

  /** They are asked for in the middle of an expression, whose variables the conditions of roles must not overwrite. */
  private foundEffectiveRoles(): readonly string[] {
    const around = [...this.locals];
    try {
      return this.findEffectiveRoles?.() ?? [];
    } finally {
      // In place: the expression goes on with this very list.
      this.locals.splice(0, this.locals.length, ...around);
    }
  }

  private activationOf(parameters: Parameters): Activation {
    if (parameters.isEmpty) return this;
    return this.activations?.get(parameters) ?? this.activate(parameters);
  }

  private activate(parameters: Parameters): Activation {
    const { principal, resource, scope, policyVersion, globals } = this;
    const variables = emptyMap();
    const activation: Activation = {
      principal,
      resource,
      scope,
      policyVersion,
      variables,
      constants: parameters.constants,
      globals,
      runtime: this,
      locals: this.locals,
      work: this.work,
    };
    // Later ones read earlier ones; one that erred is null.
    for (const { name, expression } of parameters.variables) {
      const value = expression.evaluate(activation);
      variables[name] = value === failed ? null : value;
    }
    (this.activations ??= new Map()).set(parameters, activation);
    return activation;
  }
}

const none = Object.freeze(emptyMap());
