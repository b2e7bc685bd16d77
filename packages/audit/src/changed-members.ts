import type { AttributeValue } from '@portcullis/core';
import { canonicalJson } from './canonical.js';

/** What of a value was changed. */
interface Changed {
  readonly before: AttributeValue;
  readonly after: AttributeValue;
}

/**
 * The members of two values that differ, at any depth. Lists differ as wholes: an item has no name to be known by. A
 * member that is on one side alone is there alone in the result as well.
 */
export function changedMembers(before: AttributeValue, after: AttributeValue): Changed {
  if (!isMembers(before) || !isMembers(after)) return { before, after };
  const was: [string, AttributeValue][] = [];
  const willBe: [string, AttributeValue][] = [];
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const one = member(before, name);
    const other = member(after, name);
    if (one !== undefined && other !== undefined) {
      if (canonicalJson(one) === canonicalJson(other)) continue;
      const changed = changedMembers(one, other);
      was.push([name, changed.before]);
      willBe.push([name, changed.after]);
    } else if (one !== undefined) was.push([name, one]);
    else if (other !== undefined) willBe.push([name, other]);
  }
  return { before: Object.fromEntries(was), after: Object.fromEntries(willBe) };
}

type Members = Readonly<Record<string, AttributeValue>>;

function isMembers(value: AttributeValue): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What an object has of its own: `constructor` is nobody's. */
function member(of: Members, name: string): AttributeValue | undefined {
  return Object.hasOwn(of, name) ? of[name] : undefined;
}
