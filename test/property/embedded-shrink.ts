/** Where a part of a value is: names of members and positions of elements. */
export type Path = readonly (string | number)[];

interface Shrinking<T> {
  readonly differs: (smaller: T) => Promise<boolean>;
  /** Whether a part may be another, or (`remove`) be missing. */
  readonly mayChange: (path: Path, how: 'remove' | 'replace') => boolean;
  /** When to stop, whether it is minimal or not: milliseconds of the clock. */
  readonly until: number;
}

interface Shrunk<T> {
  readonly value: T;
  /** Whether time was up before nothing more could be left out. */
  readonly isCutShort: boolean;
}

/**
 * Leaves out of a value what it still differs without, part by part, until each part is needed.
 *
 * Other than fast-check's own shrinking, it does not go by how the value was made up: what any policy, rule or
 * expression stands for is left out, and not only what the generator could have left out.
 */
export async function shrunk<T>(value: T, options: Shrinking<T>): Promise<Shrunk<T>> {
  const tried = new Set<string>();
  for (let current = value; ;) {
    const next = await onceThrough(current, options, tried);
    if (next === current || Date.now() > options.until) return { value: next, isCutShort: Date.now() > options.until };
    current = next;
  }
}

/** A value with each of its parts looked at once; the very same where none could be left out. */
async function onceThrough<T>(value: T, options: Shrinking<T>, tried: Set<string>): Promise<T> {
  let current = value;
  for (let position = 0, paths = [...pathsOf(current)]; position < paths.length;) {
    const next = await smallerAt(current, paths[position] ?? [], options, tried);
    if (next === current) position++;
    else paths = [...pathsOf(next)];
    current = next;
  }
  return current;
}

async function smallerAt<T>(current: T, path: Path, options: Shrinking<T>, tried: Set<string>): Promise<T> {
  for (const edited of editsAt(current, path, options.mayChange)) {
    if (Date.now() > options.until) break;
    const text = jsonOf(edited);
    if (tried.has(text)) continue;
    tried.add(text);
    // Made of the parts of a `T`, without what `mayChange` lets be missing.
    const smaller = edited as T;
    if (await options.differs(smaller)) return smaller;
  }
  return current;
}

/** JSON in which a zero keeps its sign. */
export function jsonOf(value: unknown): string {
  const mark = '\u0000-0';
  const marked = JSON.stringify(value, (_key, member: unknown) => (Object.is(member, -0) ? mark : member));
  return marked.replaceAll(JSON.stringify(mark), '-0');
}

/** All parts, each before what it consists of. */
function* pathsOf(value: unknown, path: Path = []): Generator<Path> {
  if (typeof value !== 'object' || value === null) return;
  const entries: Iterable<[string | number, unknown]> = Array.isArray(value) ? value.entries() : Object.entries(value);
  for (const [key, member] of entries) {
    yield [...path, key];
    yield* pathsOf(member, [...path, key]);
  }
}

/** Values with less in one place: without it, with a part of it, or with something shorter. */
function* editsAt(
  value: unknown,
  path: Path,
  mayChange: (path: Path, how: 'remove' | 'replace') => boolean,
): Generator {
  if (mayChange(path, 'remove')) yield edited(value, path, undefined);
  if (!mayChange(path, 'replace')) return;
  for (const smaller of smallerThan(partOf(value, path))) yield edited(value, path, smaller);
}

function* smallerThan(part: unknown): Generator {
  if (typeof part === 'string') yield* shorterThan(part);
  if (typeof part === 'number') yield* [0, 1].filter((simple) => simple < Math.abs(part));
  if (typeof part !== 'object' || part === null || Object.keys(part).length !== 1) return;
  // What holds one thing may be as well without it: `none: of: - expr`.
  for (const path of pathsOf(part)) {
    const inner = partOf(part, path);
    if (typeof inner === 'object' && inner !== null) yield inner;
  }
}

const tokens =
  /(?:"(?:[^"\\]|\\.)*"|\.?[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*|\d+(?:\.\d+)?(?:e[+-]?\d+)?|&&|\|\||[=!<>]=|.)\s*/gsu;

/** Shorter texts, the shortest first: of an expression one part, or all but one part. */
function* shorterThan(text: string): Generator<string> {
  const all = text.match(tokens) ?? [];
  const seen = new Set([text, '']);
  const made = (parts: readonly string[]): string => parts.join('').trim();
  for (let length = 1; length < all.length; length++) {
    const candidates = [
      ...all.map((_token, start) => made(all.slice(start, start + length))),
      ...Array.from({ length: length + 1 }, (_none, start) =>
        made([...all.slice(0, start), ...all.slice(start + all.length - length)]),
      ),
    ];
    if (length === all.length - 2) candidates.push(...withoutPairs(all).map(made));
    for (const candidate of candidates) {
      if (seen.has(candidate) || !isBalanced(candidate)) continue;
      seen.add(candidate);
      yield candidate;
    }
  }
}

/** Without the parentheses around a part, and without what is called on it. */
function withoutPairs(all: readonly string[]): readonly (readonly string[])[] {
  return all.flatMap((opening, start) => {
    if (!opening.startsWith('(')) return [];
    const end = all.findIndex((_token, index) => index > start && isBalanced(all.slice(start, index + 1).join('')));
    if (end === -1) return [];
    const inner = [...all.slice(start + 1, end), ...all.slice(end + 1)];
    return [
      [...all.slice(0, start), ...inner],
      [...all.slice(0, Math.max(start - 1, 0)), ...inner],
    ];
  });
}

function isBalanced(text: string): boolean {
  const open: string[] = [];
  for (const token of text.match(tokens) ?? []) {
    const [first = ''] = token;
    if ('([{'.includes(first)) open.push(first);
    else if (')]}'.includes(first) && open.pop() !== '([{'[')]}'.indexOf(first)]) return false;
  }
  return open.length === 0;
}

function partOf(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((whole, key) => entriesOf(whole).find(([name]) => name === String(key))?.[1], value);
}

/** A value with another part in one place, or with none (`undefined`). */
function edited(value: unknown, [key, ...rest]: Path, part: unknown): unknown {
  if (key === undefined) return part;
  const entries = entriesOf(value).flatMap(([name, member]): (readonly [string, unknown])[] => {
    if (name !== String(key)) return [[name, member]];
    return rest.length === 0 && part === undefined ? [] : [[name, edited(member, rest, part)]];
  });
  return Array.isArray(value) ? entries.map(([, member]) => member) : Object.fromEntries(entries);
}

function entriesOf(value: unknown): readonly (readonly [string, unknown])[] {
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}
