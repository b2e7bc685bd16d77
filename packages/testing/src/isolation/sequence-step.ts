import { shown } from './read-back.js';
import { quoted, type Stage } from './stage.js';
import type { TenantUnderTest } from './subject.js';

/** What a step does. */
export const operations = ['put', 'get', 'delete', 'list', 'insert', 'copy', 'updateAll', 'clear', 'getMany'] as const;

export type Operation = (typeof operations)[number];

export interface Step {
  readonly operation: Operation;
  /** Or the prefix of a listing, or the source of a copy. */
  readonly key: string;
  /** The target of a copy, the second of several keys. */
  readonly other: string;
}

/** What was seen where the model says otherwise. */
export interface Mismatch {
  readonly kind: 'foreign_value' | 'foreign_key' | 'wrong';
  readonly seen: string;
  readonly expected: string;
}

/**
 * Does a step and applies it to the model.
 *
 * @param model - what the tenant has; changed when the step succeeds
 */
export async function applyStep(
  stage: Stage,
  { tenant, steps }: { readonly tenant: string; readonly steps: readonly unknown[] },
  step: Step,
  store: TenantUnderTest,
  model: Map<string, string>,
): Promise<Mismatch | undefined> {
  const value = stage.values.next(tenant);
  const who = steps.length > 1 ? `${tenant}, in one unit of work` : tenant;
  stage.say(`${who}: ${describe(step, value)}`);
  const { seen, expected, listing = false } = await perform(step, value, store, model);
  if (seen === expected) return undefined;
  const foreign = [...stage.values.ownersIn(seen)].some((owner) => owner !== tenant);
  return {
    kind: foreign ? 'foreign_value' : listing ? 'foreign_key' : 'wrong',
    seen: `\`${tenant}\` gets ${seen}`,
    expected,
  };
}

function describe({ operation, key, other }: Step, value: string): string {
  switch (operation) {
    case 'put':
    case 'insert':
      return `${operation} ${quoted(key)} = ${value}`;
    case 'get':
    case 'delete':
      return `${operation} ${quoted(key)}`;
    case 'list':
      return `list what begins with ${quoted(key)}`;
    case 'copy':
      return `copy ${quoted(key)} to ${quoted(other)}`;
    case 'getMany':
      return `get ${quoted(key)} and ${quoted(other)}`;
    case 'updateAll':
      return `update all = ${value}`;
    case 'clear':
      return 'clear';
  }
}

/** What was seen and what the model expects, as text. */
interface Result {
  readonly seen: string;
  readonly expected: string;
  /** The difference is of keys, and there are more than there should be. */
  readonly listing?: boolean;
}

const asExpected: Result = { seen: '', expected: '' };

async function perform(
  { operation, key, other }: Step,
  value: string,
  store: TenantUnderTest,
  model: Map<string, string>,
): Promise<Result> {
  switch (operation) {
    case 'put':
      await store.put(key, value);
      model.set(key, value);
      return asExpected;
    case 'get':
      return { seen: (await store.get(key)) ?? 'nothing', expected: model.get(key) ?? 'nothing' };
    case 'delete':
      await store.delete(key);
      model.delete(key);
      return asExpected;
    case 'list':
      return listing(await store.list?.(key), key, model);
    case 'insert':
      return inserted(await store.insert?.(key, value), key, value, model);
    case 'copy':
      await store.copy?.(key, other);
      model.set(other, model.get(key) ?? model.get(other) ?? '');
      if (model.get(other) === '') model.delete(other);
      return asExpected;
    case 'getMany': {
      const keys = [key, other];
      const seen = (await store.getMany?.(keys))?.map((found) => found ?? 'nothing');
      return { seen: String(seen), expected: String(keys.map((wanted) => model.get(wanted) ?? 'nothing')) };
    }
    case 'updateAll':
      await store.updateAll?.(value);
      for (const present of model.keys()) model.set(present, value);
      return asExpected;
    case 'clear':
      await store.clear?.();
      model.clear();
      return asExpected;
  }
}

function listing(listed: readonly string[] | undefined, prefix: string, model: ReadonlyMap<string, string>): Result {
  const expected = [...model.keys()].filter((key) => key.startsWith(prefix)).sort();
  const seen = [...(listed ?? [])].sort();
  return { seen: shown(seen), expected: shown(expected), listing: seen.some((key) => !model.has(key)) };
}

function inserted(done: boolean | undefined, key: string, value: string, model: Map<string, string>): Result {
  const expected = !model.has(key);
  if (expected) model.set(key, value);
  const say = (stored: boolean | undefined): string => (stored === true ? '`true`: stored' : '`false`: there is one');
  return { seen: say(done), expected: say(expected) };
}
