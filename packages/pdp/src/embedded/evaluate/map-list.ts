/**
 * What a function gives for each item. Most questions are for one action on one resource: a list of one is made at once,
 * where one that is filled bit by bit is first made for many.
 */
export function mapList<T, R>(list: readonly T[], run: (item: T, position: number) => R): readonly R[] {
  const [only] = list;
  return list.length === 1 && only !== undefined ? [run(only, 0)] : list.map(run);
}
