/** Keys without anything odd: what a counterexample is shown with where it can be. */
export const ordinaryKeys: readonly string[] = ['k', 'n', 'k1', 'doc/1'];

/**
 * Keys that one tenant may use to reach others: spelled for the names of the tenants at hand.
 *
 * The order is the same for each tenant of a family, ordinary keys first, so that a smaller number is a simpler key.
 */
export function keysFor(own: string, others: readonly string[]): readonly string[] {
  const spelled = others.flatMap((other) => [
    `../${other}/k`,
    `/${other}/k`,
    `..%2F${other}%2Fk`,
    `%2e%2e/${other}/k`,
    `..\\${other}\\k`,
    `./../${other}/k`,
    `x/../../${other}/k`,
    `//${other}/k`,
    `${other}/k`,
    `${other}:k`,
    other,
    `\u0000/${other}/k`,
    ...collisions(own, other),
  ]);
  return [...new Set([...ordinaryKeys, ...spelled, `${own}/k`, `k/${own}/k`, ...oddKeys])];
}

/** Prefixes for a listing: the beginnings of everything, and what a pattern would read as more than it is. */
export function prefixesFor(own: string, others: readonly string[]): readonly string[] {
  const spelled = others.flatMap((other) => [
    other,
    `${other}/`,
    `../${other}/`,
    `../${other}`,
    `/${other}`,
    ...(other.startsWith(own) ? [other.slice(own.length)] : []),
  ]);
  return [
    ...new Set(['', 'k', 'doc/', ...spelled, '..', '../', '/', '%', '_', '*', '?', '[', '.*', "'", '\\', '\u0000']),
  ];
}

/** For each separator: the key by which `own` + separator + key is also a full key of the other. */
function collisions(own: string, other: string): readonly string[] {
  return ['', '/', ':', '-', '_', '.', '|'].flatMap((separator) => {
    const [ours, theirs] = [`${own}${separator}`, `${other}${separator}k`];
    return theirs.startsWith(ours) && theirs.length > ours.length ? [theirs.slice(ours.length)] : [];
  });
}

const oddKeys: readonly string[] = [
  '..',
  '.',
  '/',
  '//',
  'k/',
  '/k',
  'k//n',
  'k/n',
  'k/../n',
  'k/./n',
  '*',
  '%',
  '_',
  '?',
  'k%',
  '%2F',
  '%00',
  'k\u0000',
  'k\n',
  "k' OR '1'='1",
  "'; --",
  '"',
  'K',
  'k ',
  ' k',
  '__proto__',
  'constructor',
  // The same letters, composed and decomposed: two keys or a refusal, never one key.
  '\u00e9',
  'e\u0301',
  '\ud800',
  '\u202ek',
  `${'long/'.repeat(60)}k`,
  'x'.repeat(255),
  'x'.repeat(256),
  'x'.repeat(1025),
  '',
];
