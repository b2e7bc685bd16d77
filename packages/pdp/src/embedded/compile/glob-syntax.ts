/** A part of a pattern: text, `*` (`any`), `**` (`all`), or one of several texts. */
export type GlobPart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'any' | 'all' }
  | { readonly kind: 'alternatives'; readonly of: readonly string[] };

/**
 * Parses a pattern; nothing, if it is malformed, or if Cerbos 0.51 was seen to make something odd of it:
 *
 * - `?` and classes (`[a-z]`): they miss characters beyond ASCII, or take two for one;
 * - characters beyond ASCII in the pattern itself;
 * - alternatives that are not just text: `c{*,aac:}` does not fit `cb`;
 * - text that goes on behind `**` as it ended before it: `a**a` fits `a`.
 */
export function parseGlob(pattern: string): readonly GlobPart[] | undefined {
  // eslint-disable-next-line no-control-regex -- ASCII begins with them
  if (/[^\x00-\x7f]/.test(pattern)) return undefined;
  const reader = new Reader(pattern);
  const parts: GlobPart[] = [];
  while (reader.next !== undefined) {
    const part = partOf(reader);
    if (part === undefined) return undefined;
    parts.push(part);
  }
  return hasOverlap(parts) ? undefined : parts;
}

/** Characters, one after the other. */
class Reader {
  readonly #text: string;
  #position = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get next(): string | undefined {
    return this.#text[this.#position];
  }

  read(): string | undefined {
    return this.#text[this.#position++];
  }

  /** Reads on if the next character is this one. */
  skip(character: string): boolean {
    if (this.next !== character) return false;
    this.#position++;
    return true;
  }
}

function partOf(reader: Reader): GlobPart | undefined {
  if (reader.skip('*')) {
    const kind = reader.skip('*') ? 'all' : 'any';
    return reader.next === '*' ? undefined : { kind };
  }
  if (reader.skip('{')) return alternativesOf(reader);
  const text = textOf(reader, '*?[{');
  return text === undefined ? undefined : { kind: 'text', text };
}

/** Text up to one of some characters; nothing, if there is none, or if it ends in an escape. */
function textOf(reader: Reader, ends: string): string | undefined {
  let text = '';
  for (let { next } = reader; next !== undefined && !ends.includes(next); { next } = reader) {
    reader.read();
    const character = next === '\\' ? reader.read() : next;
    if (character === undefined) return undefined;
    text += character;
  }
  return text === '' ? undefined : text;
}

function alternativesOf(reader: Reader): GlobPart | undefined {
  const of: string[] = [];
  do {
    const text = textOf(reader, '*?[]{},');
    if (text === undefined) return undefined;
    of.push(text);
  } while (reader.skip(','));
  return reader.skip('}') ? { kind: 'alternatives', of } : undefined;
}

/** Whether texts around a `**` could share characters. */
function hasOverlap(parts: readonly GlobPart[]): boolean {
  return parts.some(
    ({ kind }, index) =>
      kind === 'all' &&
      textsOf(parts[index - 1]).some((left) => textsOf(parts[index + 1]).some((right) => overlap(left, right))),
  );
}

function textsOf(part: GlobPart | undefined): readonly string[] {
  if (part?.kind === 'text') return [part.text];
  return part?.kind === 'alternatives' ? part.of : [];
}

function overlap(left: string, right: string): boolean {
  for (let length = 1; length <= Math.min(left.length, right.length); length++)
    if (left.endsWith(right.slice(0, length))) return true;
  return false;
}
