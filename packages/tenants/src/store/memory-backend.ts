import type { Backend, Range } from './backend.js';
import { positionOf } from './text-order.js';

/** A backend in this process's memory. */
export function memoryBackend(): Backend {
  const texts = new Map<string, string>();
  const sets = new Map<string, string[]>();
  return {
    read: (keys) => Promise.resolve(keys.map((key) => texts.get(key))),
    range: (set, range) => Promise.resolve(part(sets.get(set) ?? [], range)),
    // Nothing is awaited in here: that is what makes it one instant.
    commit({ checks, writes, sets: changes }) {
      if (checks.some(({ key, text }) => texts.get(key) !== text)) return Promise.resolve(false);
      for (const { key, text } of writes) {
        if (text === undefined) texts.delete(key);
        else texts.set(key, text);
      }
      for (const { set, member, present } of changes) {
        const members = sets.get(set) ?? [];
        const { index, found } = positionOf(members, member);
        if (found !== present) members.splice(index, found ? 1 : 0, ...(found ? [] : [member]));
        if (members.length === 0) sets.delete(set);
        else sets.set(set, members);
      }
      return Promise.resolve(true);
    },
    close: () => Promise.resolve(),
  };
}

/** A part of an ordered list. */
export function part(list: readonly string[], { after, reverse, limit }: Range): readonly string[] {
  if (reverse === true) {
    const end = after === undefined ? list.length : positionOf(list, after).index;
    return list.slice(Math.max(0, end - limit), end).reverse();
  }
  const { index, found } = after === undefined ? { index: 0, found: false } : positionOf(list, after);
  const start = found ? index + 1 : index;
  return list.slice(start, start + limit);
}
