import { types } from 'node:util';
import { PortcullisError } from '@portcullis/core';
import type { MatcherFunction } from './enforcer.js';
import { attributeFunction, containsFunction, matchFunctions } from './functions.js';

const taken: ReadonlySet<string> = new Set([
  attributeFunction,
  containsFunction,
  ...matchFunctions.keys(),
  'eval',
  'in',
]);

/**
 * Functions for matchers, guarded: an answer that is neither `true` nor `false` is none, and neither is a promise,
 * which casbin would take for an allow.
 *
 * @throws PortcullisError `config_invalid`, for a name that a matcher cannot call or that means something else
 */
export function guardedFunctions(
  functions: Readonly<Record<string, MatcherFunction>>,
): ReadonlyMap<string, MatcherFunction> {
  const guarded = new Map<string, MatcherFunction>();
  for (const [name, run] of Object.entries(functions)) {
    if (!/^[A-Za-z]\w*$/.test(name) || taken.has(name) || name in {} || /^(g\d*|[rp]\d*_.*)$/.test(name))
      throw new PortcullisError(
        'config_invalid',
        `\`functions.${name}\`: a matcher cannot have a function of this name`,
      );
    if (typeof run !== 'function' || types.isAsyncFunction(run))
      throw new PortcullisError('config_invalid', `\`functions.${name}\` has to be a function that answers at once`);
    guarded.set(name, (...values) => {
      const answer: unknown = run(...values);
      if (typeof answer !== 'boolean') throw new TypeError(`the function \`${name}\` answers neither true nor false`);
      return answer;
    });
  }
  return guarded;
}
