/** A value that goes to the server beside the text. It is never part of it. */
export interface Parameter {
  readonly value: string | number | boolean | readonly (string | number | boolean)[];
  /** How the text takes it: `::text`, or `::text::jsonb` where drivers differ in what they make of a type. */
  readonly cast: string;
}

/** A piece of SQL: text of ours, quoted identifiers, and parameters. */
export type Fragment = readonly (string | Parameter)[];

/**
 * Puts SQL together. What is written in the template is text; what is put in is a fragment, and a value can become one
 * only as a parameter.
 */
export function sql(strings: TemplateStringsArray, ...inserted: readonly Fragment[]): Fragment {
  return strings.flatMap((text, index): Fragment => {
    const next = inserted[index];
    if (next === undefined) return text === '' ? [] : [text];
    return text === '' ? next : [text, ...next];
  });
}

/** A value, as a parameter of a type of ours. */
export function parameter(value: Parameter['value'], cast: string): Fragment {
  return [{ value, cast }];
}

/** Text that is SQL already: a quoted identifier, a name that was made here. Never anything from a plan. */
export function trusted(text: string): Fragment {
  return [text];
}

/** Fragments with a word between them, in parentheses. */
export function joined(parts: readonly Fragment[], word: ' AND ' | ' OR ' | ', '): Fragment {
  const [first, ...rest] = parts;
  if (first === undefined) return [];
  return rest.length === 0 ? first : ['(', ...first, ...rest.flatMap((part) => [word, ...part]), ')'];
}

/** SQL as drivers take it. */
export interface SqlText {
  readonly text: string;
  readonly values: readonly Parameter['value'][];
}

/** Numbers the parameters, from `first` on. One that occurs twice is sent once. */
export function render(fragment: Fragment, first = 1): SqlText {
  const numbers = new Map<Parameter, number>();
  const text = fragment.map((piece) => {
    if (typeof piece === 'string') return piece;
    const number = numbers.get(piece) ?? first + numbers.size;
    numbers.set(piece, number);
    return `$${String(number)}${piece.cast}`;
  });
  return { text: text.join(''), values: [...numbers.keys()].map(({ value }) => value) };
}
