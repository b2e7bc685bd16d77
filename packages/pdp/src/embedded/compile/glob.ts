/** Tells whether a name fits a pattern. */
export type NameMatcher = (name: string) => boolean;

/** Whether a name has a wildcard in it. */
export function isPattern(name: string): boolean {
  return name.includes('*');
}

/**
 * A matcher for a pattern in which `*` stands for anything but a colon, and `**` for anything. `*` alone is anything.
 *
 * The work is bounded by the lengths of pattern and name multiplied: names come from requests.
 *
 * @see https://docs.cerbos.dev/cerbos/latest/policies/resource_policies
 */
export function globMatcher(pattern: string): NameMatcher {
  if (pattern === '*' || pattern === '**') return () => true;
  const parts = pattern.match(/\*+|[^*]/gsu) ?? [];
  return (name) => {
    const characters = Array.from(name);
    // reached[i]: the parts so far can stand for the first i characters.
    let reached = characters.map(() => false);
    reached.unshift(true);
    for (const part of parts) reached = advance(part, characters, reached);
    return reached[characters.length] === true;
  };
}

function advance(part: string, characters: readonly string[], before: readonly boolean[]): boolean[] {
  const after = before.map(() => false);
  const wild = part.startsWith('*');
  for (let end = 0; end < after.length; end++) {
    const last = characters[end - 1];
    if (!wild) after[end] = end > 0 && before[end - 1] === true && last === part;
    else after[end] = before[end] === true || (end > 0 && after[end - 1] === true && (part !== '*' || last !== ':'));
  }
  return after;
}
