import { parameter, sql, trusted, type Fragment } from './fragment.js';
import { asBoolean, asNumber, asText, describe, safeNumber, type NumberTerm, type Term } from './term.js';
import { untranslatable } from './untranslatable.js';

/** An operator that orders. */
export type Ordering = '<' | '<=' | '>' | '>=';

const mirrored: Readonly<Record<Ordering, Ordering>> = { '<': '>', '<=': '>=', '>': '<', '>=': '<=' };

/**
 * Whether one term comes before another: numbers by value, strings by their UTF-8 bytes, false before true, and an
 * error between types.
 */
export function ordered(one: Term, by: Ordering, other: Term): Fragment {
  if (one.kind === 'error' || other.kind === 'error') return sql`NULL::boolean`;
  if (one.kind === 'constant' && other.kind === 'constant')
    throw untranslatable('two constants are ordered by the engine alone');
  const types = [typeOf(one), typeOf(other)].filter((type) => type !== 'json');
  if (new Set(types).size > 1) throw untranslatable(`a ${describe(one)} is not ordered with a ${describe(other)}`);
  switch (types[0]) {
    case 'number':
      return orderedNumbers(one, by, other);
    case 'text':
      return sql`(${asText(one)} COLLATE "C" ${trusted(by)} ${asText(other)})`;
    case 'boolean':
      return sql`(${asBoolean(one)} ${trusted(by)} ${asBoolean(other)})`;
    default: {
      // Only the row knows the types: at most one of these is not NULL.
      const numbers = sql`${asNumber(one)} ${trusted(by)} ${asNumber(other)}`;
      const texts = sql`${asText(one)} COLLATE "C" ${trusted(by)} ${asText(other)}`;
      const booleans = sql`${asBoolean(one)} ${trusted(by)} ${asBoolean(other)}`;
      return sql`COALESCE(${numbers}, ${texts}, ${booleans})`;
    }
  }
}

function typeOf(term: Term): 'number' | 'text' | 'boolean' | 'json' {
  if (term.kind === 'number' || term.kind === 'text' || term.kind === 'boolean' || term.kind === 'json')
    return term.kind;
  const type = term.kind === 'constant' ? typeof term.value : undefined;
  if (type === 'number' || type === 'boolean') return type;
  if (type === 'string') return 'text';
  throw untranslatable(`a ${describe(term)} has no order`);
}

function orderedNumbers(one: Term, by: Ordering, other: Term): Fragment {
  return (
    orderedInteger(one, by, other) ??
    orderedInteger(other, mirrored[by], one) ??
    sql`(${asNumber(one)} ${trusted(by)} ${asNumber(other)})`
  );
}

/** A column of whole numbers against a whole number, as an index may serve it. */
function orderedInteger(one: Term, by: Ordering, other: Term): Fragment | undefined {
  const column = one.kind === 'number' ? (one satisfies NumberTerm).integer : undefined;
  if (column === undefined || other.kind !== 'constant' || typeof other.value !== 'number') return undefined;
  const wanted = safeNumber(other.value);
  if (!Number.isSafeInteger(wanted)) return undefined;
  return sql`(${column} ${trusted(by)} ${parameter(wanted, '::bigint')})`;
}
