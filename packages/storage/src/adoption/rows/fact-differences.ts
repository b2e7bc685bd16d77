import { isDeepStrictEqual } from 'node:util';
import type { TableFacts } from './table-facts.js';

/** What of a table is not what it was, in words: `indexes: notes_title`. */
export function factDifferences(before: TableFacts, after: TableFacts): readonly string[] {
  const members = Object.keys(before) as (keyof TableFacts)[];
  return members.flatMap((member) => {
    const [one, two] = [before[member], after[member]];
    if (isDeepStrictEqual(one, two)) return [];
    const which = [...new Set([...differing(one, two), ...differing(two, one)])];
    return [which.length === 0 ? member : `${member}: ${which.join(', ')}`];
  });
}

function differing(one: unknown, two: unknown): readonly string[] {
  if (!Array.isArray(one) || !Array.isArray(two)) return [];
  return (one as unknown[])
    .filter((each) => !two.some((other) => isDeepStrictEqual(each, other)))
    .map((each) =>
      typeof each === 'object' && each !== null && 'name' in each ? String(each.name) : JSON.stringify(each),
    );
}
