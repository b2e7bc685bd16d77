import { sql, trusted, type Fragment } from './fragment.js';
import { asText, describe, type Term } from './term.js';
import { untranslatable } from './untranslatable.js';

/** How a string is looked for in another one: by bytes, and never as a pattern. */
export type Search = 'contains' | 'startsWith' | 'endsWith';

/** Whether a string has another one in it. */
export function found(one: Term, search: Search, other: Term): Fragment {
  const text = asText(one);
  const part = asText(other);
  switch (search) {
    case 'contains':
      return sql`(strpos(${text} COLLATE "C", ${part}) > 0)`;
    case 'startsWith':
      return sql`starts_with(${text} COLLATE "C", ${part})`;
    case 'endsWith':
      return sql`(right(${text}, char_length(${part})) COLLATE "C" = ${part})`;
  }
}

/** Where a string begins in another one, in code points from 0; -1 where it does not occur. */
export function position(one: Term, other: Term): Term {
  return {
    kind: 'number',
    sql: sql`(strpos(${asText(one)} COLLATE "C", ${asText(other)}) - 1)::double precision`,
    nullable: false,
    type: 'int',
  };
}

/** A string with its ASCII letters in one case; the collation `C` knows of no others. */
export function inCase(one: Term, by: 'lower' | 'upper'): Term {
  return { kind: 'text', sql: sql`${trusted(by)}(${asText(one)} COLLATE "C")`, nullable: false };
}

/**
 * A regular expression that is a plain string between anchors. Any other is refused: RE2, the engine’s, and
 * PostgreSQL’s own differ, and PostgreSQL’s can take very long.
 */
export function matched(one: Term, pattern: Term): Fragment {
  if (pattern.kind !== 'constant' || typeof pattern.value !== 'string')
    throw untranslatable(`\`matches\` with a ${describe(pattern)}`);
  const parts = /^(\^?)([\w \-/:@,;=~%#&'"<>!]*)(\$?)$/.exec(pattern.value);
  if (parts === null) throw untranslatable('`matches` with anything but a plain string between `^` and `$`');
  const [, start, plain = '', end] = parts;
  const wanted: Term = { kind: 'constant', value: plain };
  if (start === '') return found(one, end === '' ? 'contains' : 'endsWith', wanted);
  if (end === '') return found(one, 'startsWith', wanted);
  return sql`(${asText(one)} COLLATE "C" = ${asText(wanted)})`;
}
