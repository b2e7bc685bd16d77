import { columnTerm } from './column-term.js';
import type { Columns } from './columns.js';
import { sql, type Fragment } from './fragment.js';
import { isIn, member } from './lists.js';
import type { Scope } from './scope.js';
import { describe, type Term } from './term.js';
import { untranslatable } from './untranslatable.js';

/** What a plan calls by name: a lambda’s variable, the resource’s id, an attribute, a member of one. */
export function variable(name: string, { columns, variables }: Scope): Term {
  const bound = variables.get(name);
  if (bound !== undefined) return bound;
  const [first = '', ...path] = name.split('.');
  const element = variables.get(first);
  if (element !== undefined) return follow(element, path);
  const resource = /^(?:request\.resource|R)(?:\.(.*))?$/s.exec(name);
  const [part, ...rest] = (resource?.[1] ?? '').split('.');
  if (part === 'id' && rest.length === 0 && columns.id !== undefined)
    return columnTerm({ ...columns.id, nullable: false });
  if (part === 'attr') {
    const [attribute, ...members] = rest;
    return attribute === undefined ? { kind: 'attributes' } : follow(attributeTerm(attribute, columns), members);
  }
  throw untranslatable(`\`${name}\` is in no column`);
}

function attributeTerm(name: string, { attributes }: Columns): Term {
  const column = attributes.get(name);
  if (column === undefined) throw untranslatable(`the attribute \`${name}\` is in no column`);
  return columnTerm(column);
}

function follow(term: Term, path: readonly string[]): Term {
  return path.reduce<Term>((of, name) => memberOf(of, { kind: 'constant', value: name }), term);
}

/** A member of a map or a list, or an attribute of the resource by its name. */
export function memberOf(of: Term, key: Term, columns?: Columns): Term {
  if (of.kind === 'attributes') {
    if (columns === undefined || key.kind !== 'constant' || typeof key.value !== 'string')
      throw untranslatable('an attribute whose name only the row knows');
    return attributeTerm(key.value, columns);
  }
  if (of.kind === 'json' || of.kind === 'constant' || of.kind === 'error' || of.kind === 'array')
    return member(of, key);
  throw untranslatable(`a ${describe(of)} has no members`);
}

/** Whether a term is in a list or a map, or names an attribute of the resource. */
export function membership(one: Term, all: Term, { columns, newName }: Scope): Fragment {
  if (all.kind !== 'attributes') return isIn(one, all, newName);
  if (one.kind !== 'constant' || typeof one.value !== 'string')
    throw untranslatable('an attribute whose name only the row knows');
  attributeTerm(one.value, columns);
  // Rows that lack an attribute are left out by the whole condition.
  return sql`TRUE`;
}
