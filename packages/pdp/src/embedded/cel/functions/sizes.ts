import { KeyedMap } from '../keyed-map.js';
import { method, overload, type Overload } from '../overload.js';

/** `size`, as a function and as a method. Of text, it counts code points. */
export const sizes: readonly Overload[] = [overload, method].flatMap((make) => [
  make('size', ['string'], 'int', (text, work) => {
    work.spendText(text.length);
    let count = 0n;
    for (const _character of text) count++;
    return count;
  }),
  make('size', ['bytes'], 'int', ({ bytes }) => BigInt(bytes.length)),
  make('size', ['list'], 'int', (items) => BigInt(items.length)),
  make('size', ['map'], 'int', (map, work) => {
    const count = map instanceof KeyedMap ? map.size : Object.keys(map).length;
    // The names of a large map are put together first.
    work.spend(count << 2);
    return BigInt(count);
  }),
  make('size', ['hierarchy'], 'int', ({ parts }) => BigInt(parts.length)),
]);
