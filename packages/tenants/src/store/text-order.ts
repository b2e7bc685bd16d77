/** Orders texts by code point: the order of their UTF-8 bytes, of Redis and of PostgreSQL's collation `C`. */
export function textOrder(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** Where in an ordered list a text is, or would be. */
export function positionOf(list: readonly string[], text: string): { readonly index: number; readonly found: boolean } {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (textOrder(list[middle] ?? '', text) < 0) low = middle + 1;
    else high = middle;
  }
  return { index: low, found: list[low] === text };
}
