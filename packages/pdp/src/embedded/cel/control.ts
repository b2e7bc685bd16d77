import { negated } from './arithmetic.js';
import type { Evaluate } from './expression.js';
import { freeWithin, type Typed } from './typed.js';
import { Unsupported } from './unsupported.js';
import { failed } from './cel-value.js';

/** `condition ? one : other`, of which only one is evaluated. */
export function ternary(condition: Evaluate, whenTrue: Typed, whenFalse: Typed): Typed {
  const [one, other] = [whenTrue.evaluate, whenFalse.evaluate];
  return {
    evaluate: (activation) => {
      const chosen = condition(activation);
      if (typeof chosen !== 'boolean') return failed;
      return chosen ? one(activation) : other(activation);
    },
    kind: whenTrue.kind === whenFalse.kind ? whenTrue.kind : 'dyn',
    item: whenTrue.item === whenFalse.item ? whenTrue.item : undefined,
    free: freeWithin([whenTrue, whenFalse]),
  };
}

/** `!value` */
export function not(value: Evaluate): Evaluate {
  return (activation) => {
    const result = value(activation);
    return typeof result === 'boolean' ? !result : failed;
  };
}

/**
 * `-value`
 *
 * @throws Unsupported for what has no opposite
 */
export function minus({ evaluate, kind, free }: Typed): Typed {
  if (!['int', 'double', 'dyn', 'null'].includes(kind))
    throw new Unsupported(`a value of type ${kind} has no opposite`);
  return { evaluate: (activation) => negated(evaluate(activation)), kind, free: freeWithin([{ free }]) };
}
