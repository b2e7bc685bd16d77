import { addressFunctions } from './functions/addresses.js';
import { conversions } from './functions/conversions.js';
import { encoders } from './functions/encoders.js';
import { formatFunctions } from './functions/format.js';
import { hierarchyFunctions } from './functions/hierarchies.js';
import { listFunctions, setFunctions } from './functions/lists.js';
import { mathFunctions } from './functions/math.js';
import { sizes } from './functions/sizes.js';
import { spiffeFunctions } from './functions/spiffe-ids.js';
import { stringFunctions } from './functions/strings.js';
import { timeFunctions } from './functions/times.js';
import type { Overload } from './overload.js';

/** The forms of each function, by its name and number of arguments: `size/1`, `.size/1`, `math.abs/1`. */
export const functions: ReadonlyMap<string, readonly Overload[]> = byKey([
  ...sizes,
  ...conversions,
  ...stringFunctions,
  ...formatFunctions,
  ...timeFunctions,
  ...listFunctions,
  ...setFunctions,
  ...mathFunctions,
  ...hierarchyFunctions,
  ...spiffeFunctions,
  ...addressFunctions,
  ...encoders,
]);

function byKey(overloads: readonly Overload[]): ReadonlyMap<string, readonly Overload[]> {
  const found = new Map<string, Overload[]>();
  for (const one of overloads) found.set(one.key, [...(found.get(one.key) ?? []), one]);
  return found;
}
