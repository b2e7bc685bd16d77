import type { Evaluate } from './expression.js';
import { isOfKind, mayBe, type Kind } from './kind.js';
import { takes, type Overload } from './overload.js';
import { freeWithin, joinedItem, type Typed } from './typed.js';
import { Unsupported } from './unsupported.js';
import { failed, type CelValue } from './cel-value.js';

/**
 * The call of a function: of its forms, the one that takes what the arguments come to. Where they come to something
 * that none takes, the expression fails.
 *
 * @throws Unsupported where it is known already that none will
 */
export function callOf(name: string, overloads: readonly Overload[], args: readonly Typed[]): Typed {
  const possible = overloads.filter(({ kinds }) =>
    kinds.every((kind, index) => mayBe(args[index]?.kind ?? 'dyn', kind)),
  );
  const [first, ...others] = settled(name, possible, args);
  if (first === undefined) {
    const kinds = args.map(({ kind }) => kind).join(', ');
    throw new Unsupported(`the function \`${name}\` does not take (${kinds})`);
  }
  const kind = others.every(({ result }) => result === first.result) ? first.result : 'dyn';
  const values = args.map(({ evaluate }) => evaluate);
  // Whatever has a size has it, whichever form the types let one believe in.
  const forms = name === 'size' ? overloads : [first, ...others];
  const evaluate = forms.length === 1 ? only(first, values) : anyOf(forms, values);
  const free = name !== 'dyn' && (kind === 'dyn' || kind === 'list') ? freeWithin(args) : undefined;
  return { evaluate, kind, item: itemOf(name, args), free, isUnknown: name === 'dyn' };
}

const conversions: ReadonlySet<string> = new Set([
  'bool',
  'bytes',
  'double',
  'duration',
  'int',
  'string',
  'timestamp',
  'uint',
]);

/** One form here, which takes numbers of all kinds, and one for each two kinds in Cerbos. */
const ofManyForms = /^math\.(greatest|least)\//;

/**
 * The forms that an argument of unsettled type leaves: of a conversion the first, which converts nothing.
 *
 * @throws Unsupported where it is not known which one Cerbos takes
 */
function settled(name: string, possible: readonly Overload[], args: readonly Typed[]): readonly Overload[] {
  const [first] = possible;
  if (first === undefined || name === 'size') return possible;
  const isOpen = args.some(
    ({ free }, index) =>
      free !== undefined &&
      (ofManyForms.test(first.key) || possible.some(({ kinds }) => kinds[index] !== first.kinds[index])),
  );
  if (!isOpen) return possible;
  if (conversions.has(name) && args[0]?.free === 'member') return [first];
  throw new Unsupported(
    `of \`${name}\`, Cerbos takes one form alone for a member that is had by a key in brackets: write it with a dot, or \`dyn(...)\` around it`,
  );
}

/** What is known of the items of the list that a function gives. */
function itemOf(name: string, [first, second]: readonly Typed[]): Kind | undefined {
  switch (name) {
    case 'split':
      return 'string';
    case 'lists.range':
      return 'int';
    case 'slice':
    case 'reverse':
    case 'distinct':
    case 'sort':
      return first?.item;
    case 'intersect':
    case 'except':
      return first !== undefined && second !== undefined ? joinedItem(first, second) : undefined;
    default:
      return undefined;
  }
}

/** A function of one form. One and two arguments need no list of them. */
function only(overload: Overload, values: readonly Evaluate[]): Evaluate {
  const [first, second, ...others] = values;
  const [firstKind, secondKind] = overload.kinds;
  if (first === undefined || firstKind === undefined || others.length > 0) return anyOf([overload], values);
  const isFirst = isOfKind[firstKind];
  const { run } = overload;
  if (second === undefined || secondKind === undefined)
    return (activation) => {
      const one = first(activation);
      return one !== failed && isFirst(one) ? run(one, activation.work) : failed;
    };
  const isSecond = isOfKind[secondKind];
  return (activation) => {
    const one = first(activation);
    if (one === failed || !isFirst(one)) return failed;
    const two = second(activation);
    return two !== failed && isSecond(two) ? run(one, two, activation.work) : failed;
  };
}

function anyOf(overloads: readonly Overload[], values: readonly Evaluate[]): Evaluate {
  return (activation) => {
    const given: CelValue[] = [];
    for (const value of values) {
      const result = value(activation);
      if (result === failed) return failed;
      given.push(result);
    }
    const taken = overloads.find((overload) => takes(overload, given));
    return taken === undefined ? failed : taken.run(...given, activation.work);
  };
}
