import type { ASTNode } from '@marcbachmann/cel-js';
import { callOf } from './call.js';
import { overload } from './overload.js';
import { boundedRegularExpression, regularExpression } from './regular-expression.js';
import type { Typed } from './typed.js';
import { Unsupported } from './unsupported.js';
import { failed } from './cel-value.js';

/** `matches` with a pattern that comes with the question. */
const matchesAny = overload('matches', ['string', 'string'], 'bool', (text, pattern, work) => {
  const expression = boundedRegularExpression(pattern, work);
  return expression === undefined ? failed : expression.matches(text, work);
});

/**
 * `matches`. A pattern that is a literal is compiled when the policies are loaded.
 *
 * @throws Unsupported where it is no pattern: in Cerbos, the expression would fail each time
 */
export function matching(args: readonly Typed[], pattern: ASTNode | undefined): Typed {
  if (pattern?.op !== 'value' || typeof pattern.args !== 'string') return callOf('matches', [matchesAny], args);
  const expression = regularExpression(pattern.args);
  if (expression === undefined) throw new Unsupported('the pattern of `matches` is none');
  const matches = overload('matches', ['string'], 'bool', (text, work) => expression.matches(text, work));
  return callOf('matches', [matches], args.slice(0, 1));
}
