/** How deep a value may be nested: as deep as the embedded engine reads. */
const maxDepth = 64;

/**
 * Why a value, or something in it, would become another on its way to an engine: JSON has no text for a number that is
 * not finite, and UTF-8 none for half a surrogate pair. Every such half becomes the same character, and two ids one.
 *
 * @returns `undefined` where it arrives as it is
 */
export function whyUnsayable(value: unknown, depth = 0): string | undefined {
  if (typeof value === 'string') return value.isWellFormed() ? undefined : 'half a surrogate pair';
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : 'a number that is not finite';
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth > maxDepth) return `nested deeper than ${String(maxDepth)} levels`;
  if (Array.isArray(value)) return firstReason(value, (item) => whyUnsayable(item, depth + 1));
  return firstReason(Object.entries(value), ([name, member]) => whyUnsayable(name) ?? whyUnsayable(member, depth + 1));
}

function firstReason<T>(items: readonly T[], why: (item: T) => string | undefined): string | undefined {
  for (const item of items) {
    const reason = why(item);
    if (reason !== undefined) return reason;
  }
  return undefined;
}
