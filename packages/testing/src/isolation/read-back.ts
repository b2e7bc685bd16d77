import { quoted, type Stage } from './stage.js';

/** What a tenant should have. */
export interface Expected {
  readonly data: ReadonlyMap<string, string>;
  /** Keys of which nothing is said but that they hold the tenant's own data, if any. */
  readonly unsure?: ReadonlySet<string> | undefined;
}

/** What differs from the expected; `foreign` when it shows another tenant's data or keys. */
export interface Difference {
  readonly kind: 'foreign_value' | 'foreign_key' | 'wrong';
  readonly seen: string;
  readonly expected: string;
}

/**
 * Reads all that a tenant can see and compares it with what it should have.
 *
 * @param all - what every tenant should have: keys of the others are asked for too
 */
export async function difference(
  stage: Stage,
  name: string,
  all: ReadonlyMap<string, Expected>,
): Promise<Difference | undefined> {
  const own = all.get(name) ?? { data: new Map<string, string>() };
  const keys = [...new Set([...all.values()].flatMap(({ data, unsure = [] }) => [...data.keys(), ...unsure]))];
  const listed = await listedKeys(stage, name);
  const found = [
    valueDifference(stage, name, own, await valuesOf(stage, name, keys)),
    listed === undefined ? undefined : listingDifference(listed, name, own, all),
  ].filter((one) => one !== undefined);
  // Another tenant's data says more than data that is missing.
  return found.find(({ kind }) => kind !== 'wrong') ?? found[0];
}

async function listedKeys(stage: Stage, name: string): Promise<readonly string[] | undefined> {
  if (!stage.world.has.has('list')) return undefined;
  const outcome = await stage.unit(name, async (store) => store.list?.(''));
  return outcome.done ? outcome.value : undefined;
}

function listingDifference(
  listed: readonly string[],
  name: string,
  own: Expected,
  all: ReadonlyMap<string, Expected>,
): Difference | undefined {
  const sure = (key: string): boolean => own.unsure?.has(key) !== true;
  const [seen, expected] = [listed.filter(sure).sort(), [...own.data.keys()].filter(sure).sort()];
  if (seen.join('\n') === expected.join('\n')) return undefined;
  const others = [...all].filter(([other]) => other !== name).flatMap(([, { data }]) => [...data.keys()]);
  const surplus = seen.filter((key) => !own.data.has(key));
  return {
    kind: surplus.some((key) => others.some((other) => key.endsWith(other))) ? 'foreign_key' : 'wrong',
    seen: `\`${name}\` lists ${shown(seen)}`,
    expected: shown(expected),
  };
}

/** Values by key; a key that is refused has none. */
async function valuesOf(
  stage: Stage,
  name: string,
  keys: readonly string[],
): Promise<ReadonlyMap<string, string | undefined>> {
  if (keys.length === 0) return new Map();
  const together = await stage.unit(name, async (store) => {
    const values: [string, string | undefined][] = [];
    for (const key of keys) values.push([key, await store.get(key)]);
    return values;
  });
  if (together.done) return new Map(together.value);
  const values = new Map<string, string | undefined>();
  for (const key of keys) {
    const outcome = await stage.unit(name, (store) => store.get(key));
    values.set(key, outcome.done ? outcome.value : undefined);
  }
  return values;
}

function valueDifference(
  stage: Stage,
  name: string,
  own: Expected,
  values: ReadonlyMap<string, string | undefined>,
): Difference | undefined {
  for (const [key, seen] of values) {
    const expected = own.data.get(key);
    const foreign = [...stage.values.ownersIn(seen)].some((owner) => owner !== name);
    if (!foreign && (seen === expected || own.unsure?.has(key) === true)) continue;
    return {
      kind: foreign ? 'foreign_value' : 'wrong',
      seen: `\`${name}\` reads ${quoted(key)} as ${seen ?? 'nothing'}`,
      expected: expected ?? 'nothing',
    };
  }
  return undefined;
}

export function shown(keys: readonly string[]): string {
  return keys.length === 0 ? 'nothing' : keys.map(quoted).join(', ');
}
