import { sql, type Fragment } from './fragment.js';
import { asBoolean, asNumber, asText, type Term } from './term.js';
import { toJson } from './equality.js';

/** One of two terms, as a condition says; an error where that is one. Only the chosen one’s errors count. */
export function conditional(condition: Term, yes: Term, no: Term): Term {
  const asked = asBoolean(condition);
  const choice = (one: Fragment, other: Fragment): Fragment =>
    sql`(CASE WHEN ${asked} THEN ${one} WHEN NOT ${asked} THEN ${other} END)`;
  if (isPlain(yes, 'boolean') && isPlain(no, 'boolean'))
    return { kind: 'boolean', sql: choice(asBoolean(yes), asBoolean(no)), nullable: false };
  if (isPlain(yes, 'text') && isPlain(no, 'text'))
    return { kind: 'text', sql: choice(asText(yes), asText(no)), nullable: false };
  if (isPlain(yes, 'number') && isPlain(no, 'number') && typeOf(yes) === typeOf(no) && typeOf(yes) !== undefined)
    return {
      kind: 'number',
      sql: choice(asNumber(yes), asNumber(no)),
      nullable: false,
      type: typeOf(yes) === 'int' ? 'int' : 'double',
    };
  const left = toJson(yes);
  const right = toJson(no);
  const kinds = new Set([left.numbers, right.numbers]);
  const [numbers = 'none', ...more] = [...kinds].filter((kind) => kind !== 'none');
  return { kind: 'json', sql: choice(left.sql, right.sql), numbers: more.length === 0 ? numbers : 'mixed' };
}

function typeOf(term: Term): 'double' | 'int' | undefined {
  return term.kind === 'number' ? term.type : undefined;
}

/** Whether NULL can only be an error. */
function isPlain(term: Term, kind: 'boolean' | 'text' | 'number'): boolean {
  if (term.kind === 'constant') return typeof term.value === (kind === 'text' ? 'string' : kind);
  return term.kind === kind && !term.nullable;
}
