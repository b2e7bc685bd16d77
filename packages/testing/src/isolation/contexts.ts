import fc from 'fast-check';
import type { TenantContext } from '@portcullis/core';
import { operatorFor } from '../contexts.js';
import { scenario, type Scenario } from './scenario.js';
import type { Stage } from './stage.js';
import type { IsolationTrap } from './traps.js';

type Forgery = readonly [what: string, make: (context: TenantContext) => unknown];

const forged: readonly Forgery[] = [
  ['a copy of a context', (context) => ({ ...context })],
  ['a context that was written and read as JSON', (context) => JSON.parse(JSON.stringify(context)) as unknown],
  ['an object that inherits from a context', (context) => Object.create(context) as unknown],
  ['a context with another request id', (context) => ({ ...context, requestId: 'another' })],
  ['a proxy of a context', (context) => new Proxy(context, {})],
  ['no more than the tenant', ({ tenant }) => ({ tenant })],
  ['the tenant’s id', ({ tenant }) => tenant.id],
  ['nothing', () => undefined],
  ['null', () => null],
];

const operators: readonly Forgery[] = [
  ['an operator’s context', () => operatorFor()],
  ['an operator’s context for this tenant', ({ tenant }) => operatorFor({ tenants: [tenant.id] })],
  ['an operator’s context with the tenant in it', ({ tenant }) => ({ ...operatorFor(), tenant })],
];

/** Only a context that a tenant resolver made opens storage. */
export const forgedContexts: Scenario = attempts('forged contexts', 'forged_context', forged);

/** An operator has a way of its own, which is recorded. */
export const operatorContexts: Scenario = attempts('operator contexts', 'operator_context', operators);

function attempts(name: string, trap: IsolationTrap, forgeries: readonly Forgery[]): Scenario {
  return scenario({
    name,
    traps: [trap],
    // All of them in each run; the order decides which is shown.
    input: () => fc.constant(forgeries),
    play: async (stage, all) => {
      const [owner = ''] = stage.tenants;
      const value = stage.values.next(owner);
      await stage.unit(owner, (store) => store.put('k', value));
      stage.say(`${owner}: put "k" = ${value}`);
      for (const [what, make] of all) await attempt(stage, trap, what, make(stage.world.contextOf(owner)));
    },
  });
}

async function attempt(stage: Stage, trap: IsolationTrap, what: string, context: unknown): Promise<void> {
  const read: (string | undefined)[] = [];
  const run = async (): Promise<void> =>
    stage.world.subject.run(
      context as TenantContext,
      async (store) => {
        // Entered: what comes of reading does not matter.
        read.push(undefined);
        read.push(await store.get('k'));
      },
      new AbortController().signal,
    );
  stage.world.tally.operations++;
  await stage.settled(run(), `a unit of work with ${what}`);
  if (read.length === 0) return;
  stage.say(`a unit of work is opened with ${what}`);
  stage.fail(trap, `the work is run, and reads "k" as ${read.at(-1) ?? 'nothing'}`, 'a refusal');
}
