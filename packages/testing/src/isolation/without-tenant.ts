import fc from 'fast-check';
import { belongings } from './interleaving.js';
import { difference } from './read-back.js';
import { scenario, type Scenario } from './scenario.js';
import type { Stage } from './stage.js';
import type { TenantUnderTest } from './subject.js';

/** A connection for which no tenant was set: before anybody used it, and after a tenant has. */
export const withoutTenant: Scenario = scenario({
  name: 'without a tenant',
  traps: ['unset_tenant', 'setting_outlives_unit'],
  unavailable: ({ subject }) => (subject.bare === undefined ? 'the subject has no `bare`' : undefined),
  input: () => fc.record({ last: fc.nat({ max: 1 }), fails: fc.boolean() }),
  play: async (stage, { last, fails }) => {
    const expected = await belongings(stage);
    const name = stage.tenants[last] ?? '';
    await stage.unit(name, async (store) => {
      await store.get('k');
      if (fails) throw new Error('a unit of work that fails');
    });
    stage.say(`${name}: a unit of work${fails ? ', which fails' : ''}`);
    const owners = new Set<string>();
    await bare(stage, 'get "k"', async (store) => {
      for (const owner of stage.values.ownersIn(await store.get('k'))) owners.add(owner);
    });
    await bare(stage, 'all rows', async (store) => {
      const { sql } = stage.world.subject;
      if (sql === undefined || store.sql === undefined) return;
      for (const owner of stage.values.ownersIn(await store.sql(`SELECT * FROM ${sql.table}`))) owners.add(owner);
    });
    await bare(stage, 'list', async (store) => {
      const listed = (await store.list?.('')) ?? [];
      if (listed.length > 0)
        stage.fail(
          owners.size > 1 ? 'unset_tenant' : 'setting_outlives_unit',
          `it lists ${listed.join(', ')}`,
          'nothing',
        );
    });
    if (owners.size > 0)
      // One tenant's rows alone: the connection remembers it. Several: it was never bound to any.
      stage.fail(
        owners.size === 1 && owners.has(name) ? 'setting_outlives_unit' : 'unset_tenant',
        `a connection without a tenant reads data of ${[...owners].map((owner) => `\`${owner}\``).join(', ')}`,
        'nothing',
      );
    await writesNothing(stage);
    for (const tenant of stage.tenants) {
      const found = await difference(stage, tenant, expected);
      if (found !== undefined) stage.fail('unset_tenant', found.seen, found.expected);
    }
  },
});

async function writesNothing(stage: Stage): Promise<void> {
  const value = stage.values.next('nobody');
  const wrote = await bare(stage, `put "bare" = ${value}`, (store) => store.put('bare', value));
  if (!wrote) return;
  let seen: unknown;
  await bare(stage, 'get "bare"', async (store) => (seen = await store.get('bare')));
  if (stage.values.ownersIn(seen).size > 0)
    stage.fail(
      'unset_tenant',
      'a connection without a tenant has stored a value, and reads it',
      'a refusal, or nothing',
    );
}

/** Whether it was done. */
async function bare(stage: Stage, what: string, work: (store: TenantUnderTest) => Promise<unknown>): Promise<boolean> {
  stage.world.tally.operations++;
  stage.say(`no tenant: ${what}`);
  const run = async (): Promise<void> =>
    stage.world.subject.bare?.(async (store) => {
      await work(store);
    });
  const outcome = await stage.settled(run(), 'work without a tenant');
  if (!outcome.done) stage.inspect('unset_tenant', undefined, outcome.error, 'the error');
  return outcome.done;
}
