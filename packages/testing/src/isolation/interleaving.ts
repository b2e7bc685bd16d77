import fc from 'fast-check';
import { createGate, type Gate } from './gate.js';
import { difference, type Expected } from './read-back.js';
import { scenario, type Scenario } from './scenario.js';
import type { Stage } from './stage.js';
import type { TenantUnderTest } from './subject.js';
import type { IsolationTrap } from './traps.js';

type Act = 'put' | 'get' | 'list';

interface DrawnUnit {
  readonly tenant: number;
  readonly acts: readonly Act[];
}

interface Interleaving {
  readonly units: readonly DrawnUnit[];
  /** Which units take a step together, one group after the other. What is left after that goes on at once. */
  readonly schedule: readonly (readonly number[])[];
}

const act = fc.constantFrom<Act>('get', 'put', 'list');

/**
 * Units of work of several tenants run at once and pause between their steps. After each pause, what they read has to
 * be their own still.
 */
export const interleaving: Scenario = scenario({
  name: 'interleaving',
  traps: ['interleaving', 'error_text'],
  share: 0.2,
  input: () =>
    fc.record({
      units: fc.array(fc.record({ tenant: fc.nat({ max: 2 }), acts: fc.array(act, { minLength: 1, maxLength: 3 }) }), {
        minLength: 1,
        maxLength: 5,
        size: 'max',
      }),
      schedule: fc.array(fc.array(fc.nat({ max: 4 }), { minLength: 1, maxLength: 3 }), { maxLength: 8, size: 'max' }),
    }),
  play: (stage, input) => together(stage, input, 'interleaving'),
});

/** More units of work than connections: each is done as its own tenant, or refused. */
export const starvation: Scenario = scenario({
  name: 'pool starvation',
  traps: ['pool_starvation'],
  input: ({ poolSize }) =>
    fc.array(act, { minLength: 1, maxLength: 3 }).map((acts): Interleaving => ({
      units: Array.from({ length: 3 * poolSize }, (_none, tenant) => ({ tenant, acts })),
      // All at once and step by step: those that have a connection wait with it.
      schedule: acts.map(() => Array.from({ length: 3 * poolSize }, (_none, at) => at)),
    })),
  play: (stage, input) => together(stage, input, 'pool_starvation'),
});

async function together(stage: Stage, { units, schedule }: Interleaving, trap: IsolationTrap): Promise<void> {
  const expected = await belongings(stage);
  const gate = createGate(units.length);
  const running = units.map((unit, at) => runUnit(stage, unit, at, gate, expected, trap).finally(() => gate.leave(at)));
  const all = Promise.allSettled(running);
  for (const group of schedule) await gate.release([...new Set(group)].filter((at) => at < units.length));
  gate.open();
  await all;
  // The first finding ends the run, once nobody is left with a connection.
  await Promise.all(running);
  for (const name of stage.tenants) {
    const found = await difference(stage, name, expected);
    if (found !== undefined) stage.fail(trap, found.seen, found.expected);
  }
}

/** Each tenant stores one value. @returns what each has */
export async function belongings(stage: Stage): Promise<Map<string, Expected>> {
  const expected = new Map<string, Expected>();
  for (const name of stage.tenants) {
    const value = stage.values.next(name);
    const outcome = await stage.unit(name, (store) => store.put('k', value));
    if (outcome.done) stage.say(`${name}: put "k" = ${value}`);
    expected.set(name, { data: new Map(outcome.done ? [['k', value]] : []) });
  }
  return expected;
}

async function runUnit(
  stage: Stage,
  { tenant, acts }: DrawnUnit,
  at: number,
  gate: Gate,
  expected: Map<string, Expected>,
  trap: IsolationTrap,
): Promise<void> {
  const name = stage.tenants[tenant % stage.tenants.length] ?? '';
  const key = `u${String(at)}`;
  let put: string | undefined;
  const outcome = await stage.unit(name, async (store) => {
    put = undefined;
    for (const one of acts) {
      await gate.pass(at);
      stage.world.tally.operations++;
      if (one === 'put') await store.put(key, (put = stage.values.next(name)));
      stage.say(`${name}, unit of work ${String(at + 1)}: ${one === 'put' ? `put "${key}" = ${String(put)}` : one}`);
      if (one === 'get') stage.inspect(trap, name, await store.get('k'), '"k"');
      if (one === 'list') await listOwn(stage, name, store, expected, trap);
      const seen: string | undefined = put === undefined ? undefined : await store.get(key);
      if (seen !== put) stage.fail(trap, `in its own unit of work, "${key}" is ${seen ?? 'nothing'}`, String(put));
    }
    await gate.pass(at);
  });
  const own = expected.get(name);
  if (own === undefined || put === undefined) return;
  if (outcome.done) expected.set(name, { ...own, data: new Map([...own.data, [key, put]]) });
  else expected.set(name, { ...own, unsure: new Set([...(own.unsure ?? []), key]) });
}

/** Keys of units of other tenants must not be in the listing. */
async function listOwn(
  stage: Stage,
  name: string,
  store: TenantUnderTest,
  expected: ReadonlyMap<string, Expected>,
  trap: IsolationTrap,
): Promise<void> {
  const listed = await store.list?.('');
  if (listed === undefined) return;
  const own = new Set(expected.get(name)?.data.keys());
  const foreign = [...expected]
    .filter(([other]) => other !== name)
    .flatMap(([, { data }]) => [...data.keys()].filter((key) => !own.has(key)));
  const leaked = listed.filter((key) => foreign.includes(key));
  if (leaked.length > 0) stage.fail(trap, `\`${name}\` lists ${leaked.join(', ')}`, 'its own keys alone');
}
