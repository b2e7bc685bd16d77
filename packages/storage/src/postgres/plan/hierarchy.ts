import { quoteLiteral } from '../quote.js';
import { sql, trusted, type Fragment } from './fragment.js';
import { asText, describe, type Term } from './term.js';
import { untranslatable } from './untranslatable.js';

/** A string of parts with a delimiter between them, `a.b.c`: here with one at its end as well. */
export function hierarchy(text: Term, delimiter: Term | undefined): Term {
  const between = delimiter === undefined ? '.' : delimiter.kind === 'constant' ? delimiter.value : undefined;
  if (typeof between !== 'string' || !/^[!-~]$/.test(between))
    throw untranslatable('a hierarchy’s delimiter is one printable ASCII character');
  return { kind: 'hierarchy', sql: sql`(${asText(text)} || ${literal(between)})`, delimiter: between };
}

/** How one hierarchy is to another. */
export type Relation =
  'ancestorOf' | 'descendentOf' | 'immediateParentOf' | 'immediateChildOf' | 'overlaps' | 'siblingOf';

/** With a delimiter at the end of each, one is above another exactly when the other begins with it. */
export function related(one: Term, relation: Relation, other: Term): Fragment {
  if (one.kind !== 'hierarchy' || other.kind !== 'hierarchy')
    throw untranslatable(`\`${relation}\` of a ${describe(one)} and a ${describe(other)}`);
  if (one.delimiter !== other.delimiter) throw untranslatable('two hierarchies of different delimiters');
  const depth = (of: Fragment): Fragment =>
    sql`(char_length(${of}) - char_length(replace(${of} COLLATE "C", ${literal(one.delimiter)}, '')))`;
  const above = (upper: Fragment, lower: Fragment): Fragment =>
    sql`(starts_with(${lower} COLLATE "C", ${upper}) AND char_length(${lower}) > char_length(${upper}))`;
  switch (relation) {
    case 'ancestorOf':
      return above(one.sql, other.sql);
    case 'descendentOf':
      return above(other.sql, one.sql);
    case 'immediateParentOf':
      return sql`(${above(one.sql, other.sql)} AND ${depth(other.sql)} = ${depth(one.sql)} + 1)`;
    case 'immediateChildOf':
      return related(other, 'immediateParentOf', one);
    case 'overlaps':
      return sql`(starts_with(${one.sql} COLLATE "C", ${other.sql}) OR starts_with(${other.sql} COLLATE "C", ${one.sql}))`;
    case 'siblingOf':
      throw untranslatable('`siblingOf` is not translated');
  }
}

function literal(character: string): Fragment {
  return trusted(quoteLiteral(character));
}
