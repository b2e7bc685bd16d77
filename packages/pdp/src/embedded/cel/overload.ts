import { isOfKind, type Kind, type Kinds } from './kind.js';
import type { CelResult, CelValue } from './cel-value.js';
import type { Work } from './work.js';

type Arguments<P extends readonly Kind[]> = { readonly [I in keyof P]: Kinds[P[I]] };

/** One form of a function: the kinds of what it takes, and what it does. For a method, the receiver comes first. */
export interface Overload {
  /** Its name and number of arguments, such as `math.abs/1`; a method's begins with a dot. */
  readonly key: string;
  readonly kinds: readonly Kind[];
  readonly result: Kind;
  /** Called with arguments of its kinds, and with what the request may still cost. */
  readonly run: (...args: readonly [...CelValue[], Work]) => CelResult;
}

/** A function. What it is called with is of its kinds, or it is not called and the expression fails. */
export function overload<const P extends readonly Kind[]>(
  name: string,
  kinds: P,
  result: Kind,
  run: (...args: readonly [...Arguments<P>, Work]) => CelResult,
): Overload {
  // What is called is chosen by the kinds: this is the one place where the types of the arguments are forgotten.
  return { key: `${name}/${String(kinds.length)}`, kinds, result, run: run as unknown as Overload['run'] };
}

/** A method, the receiver of which is its first argument. */
export function method<const P extends readonly Kind[]>(
  name: string,
  kinds: P,
  result: Kind,
  run: (...args: readonly [...Arguments<P>, Work]) => CelResult,
): Overload {
  return overload(`.${name}`, kinds, result, run);
}

/** Whether these are arguments of a form. */
export function takes({ kinds }: Overload, args: readonly CelValue[]): boolean {
  return kinds.every((kind, index) => isOfKind[kind](args[index] ?? null));
}
