/** Items by what `by` says of them, in the order in which they came. */
export function grouped<T>(items: readonly T[], by: (item: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const there = groups.get(by(item));
    if (there === undefined) groups.set(by(item), [item]);
    else there.push(item);
  }
  return groups;
}
