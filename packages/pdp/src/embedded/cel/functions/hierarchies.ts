import { Hierarchy } from '../hierarchy.js';
import { method, overload, type Overload } from '../overload.js';
import { failed, type CelResult, type CelValue } from '../cel-value.js';
import { Unanswerable } from '../unanswerable.js';
import type { Work } from '../work.js';

type Pair = readonly [Hierarchy, Hierarchy];

/** Cerbos's functions on hierarchies. */
export const hierarchyFunctions: readonly Overload[] = [
  overload('hierarchy', ['string'], 'hierarchy', (text, work) => split(text, '.', work)),
  overload('hierarchy', ['string', 'string'], 'hierarchy', split),
  overload('hierarchy', ['list'], 'hierarchy', ofList),
  ...relation('ancestorOf', (one, other) => isAncestor(one, other)),
  ...relation('descendentOf', (one, other) => isAncestor(other, one)),
  ...relation('immediateParentOf', (one, other) => isParent(one, other)),
  ...relation('immediateChildOf', (one, other) => isParent(other, one)),
  ...relation('overlaps', (one, other) => {
    const [shorter, longer] = byLength(one, other);
    return longer.startsWith(shorter.parts);
  }),
  // A hierarchy is its own sibling.
  ...relation('siblingOf', (one, other) => {
    const isLevel = one.parts.length === other.parts.length;
    return isLevel && other.startsWith(one.parts.slice(0, -1));
  }),
  method('commonAncestors', ['hierarchy', 'hierarchy'], 'hierarchy', (one, other, work) => {
    work.spend(one.parts.length + other.parts.length);
    return commonAncestors(byLength(one, other));
  }),
];

function split(text: string, delimiter: string, work: Work): Hierarchy {
  work.spendText(text.length);
  const parts = delimiter === '' ? Array.from(text) : text.split(delimiter);
  work.spend(parts.length);
  return new Hierarchy(parts);
}

function ofList(items: readonly CelValue[], work: Work): CelResult {
  work.spend(items.length);
  const parts: string[] = [];
  for (const item of items) {
    if (typeof item !== 'string') return failed;
    parts.push(item);
  }
  return new Hierarchy(parts);
}

function relation(name: string, holds: (...pair: Pair) => boolean): readonly Overload[] {
  return [
    method(name, ['hierarchy', 'hierarchy'], 'bool', (one, other, work) => {
      work.spend(one.parts.length + other.parts.length);
      return holds(one, other);
    }),
  ];
}

function isAncestor(one: Hierarchy, other: Hierarchy): boolean {
  return other.parts.length > one.parts.length && other.startsWith(one.parts);
}

function isParent(one: Hierarchy, other: Hierarchy): boolean {
  return other.parts.length === one.parts.length + 1 && other.startsWith(one.parts);
}

function byLength(one: Hierarchy, other: Hierarchy): Pair {
  return one.parts.length <= other.parts.length ? [one, other] : [other, one];
}

/** Of two that are level, what is above them; otherwise the shorter one may itself be an ancestor. */
function commonAncestors([shorter, longer]: Pair): Hierarchy {
  const isLevel = shorter.parts.length === longer.parts.length;
  if (isLevel && shorter.parts.length === 0) throw new Unanswerable('two empty hierarchies have no ancestors');
  const parts = isLevel ? shorter.parts.slice(0, -1) : shorter.parts;
  const end = parts.findIndex((part, index) => longer.parts[index] !== part);
  return new Hierarchy(end < 0 ? parts : parts.slice(0, end));
}
