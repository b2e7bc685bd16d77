import { parseGlob, type GlobPart } from './glob-syntax.js';

/** Tells whether a name fits a pattern. */
export type NameMatcher = (name: string) => boolean;

/** Whether a name is a pattern: to Cerbos, it is one with `*` in it. */
export function isPattern(name: string): boolean {
  return name.includes('*');
}

/** Whether a name is none, or a pattern that this engine takes as Cerbos does. */
export function isSupportedPattern(name: string): boolean {
  return isPattern(name) ? parseGlob(name) !== undefined : !/[?[\]{}!\\]/.test(name);
}

/**
 * A matcher for a pattern: `*` stands for anything but a colon, `**` for anything, `{a,b}` for one of several texts, and
 * `\` takes the meaning from the character after it. `*` alone is anything.
 *
 * The work is bounded by the lengths of pattern and name multiplied: names come from requests. A pattern that does not
 * parse fits nothing; such ones are refused when policies are loaded.
 *
 * @see https://docs.cerbos.dev/cerbos/latest/policies/resource_policies
 */
export function globMatcher(pattern: string): NameMatcher {
  if (pattern === '*' || pattern === '**') return () => true;
  const parts = parseGlob(pattern);
  if (parts === undefined) return () => false;
  const machine: State[] = [];
  const first = compile(parts, machine, add(machine, { kind: 'end' }));
  return (name) => runs(machine, first, name);
}

/** A state of the machine that goes through a name: it takes a character, or leads on without. */
type State =
  | { readonly kind: 'end' }
  | { readonly kind: 'take'; readonly takes: (character: string) => boolean; readonly next: number }
  | { readonly kind: 'repeat'; readonly takes: (character: string) => boolean; readonly next: number }
  | { readonly kind: 'fork'; readonly next: readonly number[] };

function add(machine: State[], state: State): number {
  return machine.push(state) - 1;
}

/** Puts parts in front of a state, the last first. */
function compile(parts: readonly GlobPart[], machine: State[], end: number): number {
  return parts.reduceRight((next, part) => compilePart(part, machine, next), end);
}

function compilePart(part: GlobPart, machine: State[], next: number): number {
  switch (part.kind) {
    case 'text':
      return compileText(part.text, machine, next);
    case 'any':
      return add(machine, { kind: 'repeat', takes: isNoColon, next });
    case 'all':
      return add(machine, { kind: 'repeat', takes: () => true, next });
    case 'alternatives':
      return add(machine, { kind: 'fork', next: part.of.map((text) => compileText(text, machine, next)) });
  }
}

function compileText(text: string, machine: State[], next: number): number {
  return Array.from(text).reduceRight(
    (after, own) => add(machine, { kind: 'take', takes: (character) => character === own, next: after }),
    next,
  );
}

function isNoColon(character: string): boolean {
  return character !== ':';
}

function runs(machine: readonly State[], first: number, name: string): boolean {
  let current = reached(machine, [first]);
  for (const character of name) {
    const next: number[] = [];
    for (const position of current) {
      const state = machine[position];
      if (state?.kind === 'take' && state.takes(character)) next.push(state.next);
      else if (state?.kind === 'repeat' && state.takes(character)) next.push(position);
    }
    if (next.length === 0) return false;
    current = reached(machine, next);
  }
  for (const position of current) if (machine[position]?.kind === 'end') return true;
  return false;
}

/** States, and those that they lead to without a character. A set keeps the order, and goes on over what is added. */
function reached(machine: readonly State[], positions: readonly number[]): ReadonlySet<number> {
  const all = new Set(positions);
  for (const position of all) {
    const state = machine[position];
    if (state?.kind === 'repeat') all.add(state.next);
    else if (state?.kind === 'fork') for (const next of state.next) all.add(next);
  }
  return all;
}
