import { Enforcer, FunctionMap, Model, type RoleManager } from 'casbin';
import type { CheckedModel } from './model.js';

/** A function that a matcher can call. */
export type MatcherFunction = (...values: readonly unknown[]) => boolean;

/** What an enforcer is made of. */
export interface EnforcerParts {
  readonly model: CheckedModel;
  /** The lines `p`, each as its fields in order. */
  readonly lines: readonly (readonly string[])[];
  readonly functions: ReadonlyMap<string, MatcherFunction>;
  /** By role definition. */
  readonly roles: ReadonlyMap<string, RoleManager>;
  /** Where casbin keeps matchers that it has read: one for all enforcers of a set, whose matcher is the same. */
  readonly matchers: Map<unknown, unknown>;
}

/** An enforcer over a few lines. It reads no file, and it cannot be turned off. */
export class SmallEnforcer extends Enforcer {
  constructor({ model: checked, lines, functions, roles, matchers }: EnforcerParts) {
    super();
    const model = new Model();
    for (const [section, definitions] of checked.model.model) {
      for (const [key, { value }] of definitions) {
        model.addDef(section, key, value);
        const definition = model.model.get(section)?.get(key);
        if (definition === undefined) throw new TypeError(`casbin leaves out \`${key}\` of the model`);
        if (section === 'm') definition.value = checked.matcher.text;
        if (section === 'p') definition.policy = lines.map((line) => [...line]);
        const manager = roles.get(key);
        if (section === 'g' && manager !== undefined) definition.rm = manager;
      }
    }
    this.setModel(model);
    // A map of its own: casbin's keeps its functions, and leaves out one of the same name without a word.
    this.fm = new FunctionMap();
    // Private to casbin. Should it be called otherwise one day, each enforcer reads the matcher for itself, and no more.
    Reflect.set(this, 'matcherMap', matchers);
    for (const [name, run] of functions) this.fm.addFunction(name, run);
  }

  /** A disabled enforcer would allow everything. */
  override enableEnforce(): void {
    throw new TypeError('an enforcer is not turned off');
  }

  /** Texts of requests are texts, whatever they look like. */
  override enableAcceptJsonRequest(): void {
    throw new TypeError('a request is not JSON');
  }
}

/** What casbin said: whether it is allowed, and the position of the line that decided. */
export interface Answer {
  readonly allowed: boolean;
  readonly line: number | undefined;
}

/**
 * Asks an enforcer, and believes only an answer that is whole: an allow has to come with the line that allows it.
 *
 * @param request - the fields of the request, in the model’s order
 * @throws Error when casbin fails, or answers anything else
 */
export function ask(enforcer: Enforcer, request: readonly string[]): Answer {
  const answer: unknown = enforcer.enforceExSync(...request);
  if (!Array.isArray(answer) || answer.length !== 2)
    throw new Error('casbin does not answer with a line: is the enforcer disabled?');
  const [allowed, because] = answer as readonly unknown[];
  const lines: readonly unknown[] = enforcer.getModel().model.get('p')?.get('p')?.policy ?? [];
  const position = lines.indexOf(because);
  if (allowed === false) return { allowed, line: position === -1 ? undefined : position };
  if (allowed !== true || position === -1) throw new Error('casbin allows, and names no line that does');
  return { allowed, line: position };
}
