import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { belongings } from './interleaving.js';
import { difference, type Expected } from './read-back.js';
import { scenario, type Scenario, type ScenarioDefinition } from './scenario.js';
import type { Stage } from './stage.js';
import type { TenantUnderTest } from './subject.js';
import type { IsolationTrap } from './traps.js';

/** How a unit of work comes to its end. */
type End = 'done' | 'error' | 'sql_error' | 'cancelled_before' | 'cancelled' | 'disconnected';

interface Interruption {
  readonly end: End;
  readonly putsBefore: number;
  /** What is done with what the unit was given, after its end, while others work. */
  readonly after: readonly ('get' | 'put' | 'list')[];
}

/** How long a cancelled unit of work may take to say so before its work is let go on. */
const noticeMs = 50;

function interruption(
  name: string,
  trap: IsolationTrap,
  ends: readonly [End, ...End[]],
  unavailable?: ScenarioDefinition<Interruption>['unavailable'],
): Scenario {
  return scenario<Interruption>({
    name,
    traps: [trap],
    unavailable,
    input: ({ has }) =>
      fc.record({
        end: fc.constantFrom(...ends.filter((end) => end !== 'sql_error' || has.has('sql'))),
        putsBefore: fc.nat({ max: 2 }),
        after: fc.subarray(['get', 'put', 'list'] as const),
      }),
    play: (stage, input) => interrupted(stage, input, trap),
  });
}

export const errorInTheMiddle: Scenario = interruption('errors in the middle', 'error_in_the_middle', [
  'error',
  'sql_error',
]);

export const cancelledCalls: Scenario = interruption('cancelled calls', 'cancelled_call', [
  'cancelled',
  'cancelled_before',
]);

export const lateHandles: Scenario = interruption('handles after their unit of work', 'handle_outlives_unit', ['done']);

export const lostConnections: Scenario = interruption(
  'lost connections',
  'connection_lost',
  ['disconnected'],
  ({ subject }) => (subject.disconnect === undefined ? 'the subject has no `disconnect`' : undefined),
);

/** The first tenant's unit of work ends in some way; units of another hold every connection while its handle is used. */
async function interrupted(stage: Stage, input: Interruption, trap: IsolationTrap): Promise<void> {
  const before = await belongings(stage);
  const [victim = '', other = ''] = stage.tenants;
  const cancel = new AbortController();
  if (input.end === 'cancelled_before') cancel.abort(new Error('cancelled'));
  const release = signal();
  let others = Promise.resolve<readonly unknown[]>([]);
  let handle: TenantUnderTest | undefined;
  const written = new Map<string, string>();
  const put = async (store: TenantUnderTest, key: string): Promise<void> => {
    const value = stage.values.next(victim);
    stage.say(`${victim}: put "${key}" = ${value}`);
    written.set(key, value);
    await store.put(key, value);
  };
  const run = stage.unit(
    victim,
    async (store) => {
      handle = store;
      written.clear();
      for (let n = 0; n <= input.putsBefore; n++) await put(store, `x${String(n)}`);
      if (input.end === 'error') throw new Error('an error in the middle');
      if (input.end === 'sql_error') await store.sql?.('SELECT 1/0');
      if (input.end === 'cancelled') {
        stage.say(`${victim}: the call is cancelled`);
        cancel.abort(new Error('cancelled'));
        // The work has not noticed: it goes on later, when others have the connections.
        await release.promise;
      }
      if (input.end !== 'disconnected') return;
      await stage.world.subject.disconnect?.();
      stage.say('the connections are ended');
      others = occupy(stage, other, release.promise, trap);
      await sleep(10);
      await put(store, 'y');
      stage.inspect(trap, victim, await store.get('k'), 'the unit of work, after its connection was lost,');
    },
    cancel.signal,
  );
  run.catch(() => undefined);
  let done: boolean;
  try {
    await Promise.race([run, sleep(input.end === 'cancelled' ? noticeMs : stage.world.stallMs)]);
    if (input.end !== 'disconnected') others = occupy(stage, other, release.promise, trap);
    await sleep(5);
    if (handle !== undefined) await useLate(stage, victim, handle, input.after, trap);
    release.resolve();
    const outcome = await run;
    await others;
    stage.say(`${victim}: its unit of work is ${outcome.done ? 'done' : `refused: ${outcome.message}`}`);
    done = outcome.done;
  } finally {
    // Whatever was found: nobody is left waiting with a connection.
    release.resolve();
    await Promise.allSettled([run, others]);
  }
  if (done && (input.end === 'error' || input.end === 'sql_error'))
    stage.fail(trap, 'the unit of work says that it succeeded', 'the error that it failed with');
  await settle(stage, before, victim, other, done, written, trap);
}

/** What was written by the unit that ended, and late, is there or not, and nowhere else. */
async function settle(
  stage: Stage,
  before: ReadonlyMap<string, Expected>,
  victim: string,
  other: string,
  done: boolean,
  written: ReadonlyMap<string, string>,
  trap: IsolationTrap,
): Promise<void> {
  const own = new Map(before.get(victim)?.data);
  const whole = stage.world.subject.atomic === true;
  const expected = new Map(before)
    .set(victim, {
      data: done ? new Map([...own, ...written]) : own,
      unsure: new Set([...(done || whole ? [] : written.keys()), 'late']),
    })
    .set(other, { data: before.get(other)?.data ?? new Map(), unsure: new Set(['held']) });
  // Keys that must not be there are asked for too.
  const asked = new Map(expected).set('', { data: written });
  for (const name of stage.tenants) {
    const found = await difference(stage, name, asked);
    if (found !== undefined) stage.fail(trap, found.seen, found.expected);
  }
}

/** Units of work of one tenant, as many as there are connections, which wait in the middle. */
function occupy(stage: Stage, name: string, until: Promise<void>, trap: IsolationTrap): Promise<readonly unknown[]> {
  stage.say(`${name}: ${String(stage.world.poolSize)} units of work, which read, wait, put "held" and read again`);
  const units = Promise.all(
    Array.from({ length: stage.world.poolSize }, () =>
      stage.unit(name, async (store) => {
        stage.inspect(trap, name, await store.get('k'), `a unit of work of \`${name}\``);
        await until;
        await store.put('held', stage.values.next(name));
        stage.inspect(trap, name, [await store.get('k'), await store.get('x0')], `a unit of work of \`${name}\``);
      }),
    ),
  );
  units.catch(() => undefined);
  return units;
}

async function useLate(
  stage: Stage,
  name: string,
  handle: TenantUnderTest,
  acts: Interruption['after'],
  trap: IsolationTrap,
): Promise<void> {
  for (const act of acts) {
    stage.world.tally.operations++;
    const value = stage.values.next(name);
    const late = async (): Promise<unknown> => {
      if (act === 'get') return handle.get('k');
      if (act === 'list') return handle.list?.('');
      return handle.put('late', value);
    };
    const outcome = await Promise.race([stage.settled(late(), 'a late call'), sleep(100)]);
    stage.say(
      `${name}, late: ${act}${act === 'put' ? ` "late" = ${value}` : ''}: ${outcome === undefined ? 'waits' : outcome.done ? 'done' : outcome.message}`,
    );
    if (outcome === undefined) continue;
    stage.inspect(trap, name, outcome.done ? outcome.value : outcome.error, 'a late call');
    if (act === 'list' && outcome.done && Array.isArray(outcome.value) && outcome.value.includes('held'))
      stage.fail(trap, 'a late call lists "held"', `keys of \`${name}\` alone`);
  }
}

function signal(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve: () => resolve() };
}
