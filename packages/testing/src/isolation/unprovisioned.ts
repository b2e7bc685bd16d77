import fc from 'fast-check';
import type { TenantContext } from '@portcullis/core';
import { contextFor } from '../contexts.js';
import { scenario, type Scenario } from './scenario.js';
import type { Stage } from './stage.js';

/** Tenants that were never provisioned: refused, or at least each on its own. */
export const unprovisioned: Scenario = scenario({
  name: 'tenants that were never provisioned',
  traps: ['unprovisioned_tenant'],
  unavailable: ({ subject }) => (subject.provision === undefined ? 'the subject has no `provision`' : undefined),
  input: () => fc.constantFrom('k', 'n'),
  play: async (stage, key) => {
    const [one, two] = [contextFor({ tenant: 'never-one' }), contextFor({ tenant: 'never-two' })];
    const value = stage.values.next(stage.tenants[0] ?? '');
    const wrote = await attempt(stage, one, (store) => store.put(key, value));
    stage.say(`never-one, not provisioned: put "${key}" = a value: ${wrote.done ? 'done' : wrote.message}`);
    if (!wrote.done) return;
    const read = await attempt(stage, two, (store) => store.get(key));
    stage.say(`never-two, not provisioned: get "${key}"`);
    if (read.done && read.value !== undefined)
      stage.fail('unprovisioned_tenant', 'never-two reads the value of never-one', 'a refusal, or nothing');
    await attempt(stage, one, (store) => store.delete(key));
  },
});

function attempt<T>(
  stage: Stage,
  context: TenantContext,
  work: Parameters<typeof stage.world.subject.run<T>>[1],
): ReturnType<typeof stage.settled<T>> {
  stage.world.tally.operations++;
  const run = async (): Promise<T> => stage.world.subject.run(context, work, new AbortController().signal);
  return stage.settled(run(), 'a unit of work of a tenant that was never provisioned');
}
