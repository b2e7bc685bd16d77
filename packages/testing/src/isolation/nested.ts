import fc from 'fast-check';
import { belongings } from './interleaving.js';
import { difference, type Expected } from './read-back.js';
import { scenario, type Scenario } from './scenario.js';

/** A unit of work of one tenant inside another's: it may be refused, and must leave the outer one what it is. */
export const nested: Scenario = scenario({
  name: 'nested units',
  traps: ['nested_unit'],
  unavailable: ({ poolSize }) => (poolSize < 2 ? 'a pool of one cannot serve two units of work' : undefined),
  input: () => fc.record({ fails: fc.boolean(), writes: fc.boolean() }),
  play: async (stage, { fails, writes }) => {
    const before = await belongings(stage);
    const [outer = '', inner = ''] = stage.tenants;
    const value = stage.values.next(outer);
    const outcome = await stage.unit(outer, async (store) => {
      const nestedOutcome = await stage.unit(inner, async (other) => {
        stage.inspect('nested_unit', inner, await other.get('k'), 'the inner unit of work');
        if (writes) await other.put('inner', stage.values.next(inner));
        if (fails) throw new Error('the inner unit of work fails');
      });
      stage.say(
        `${inner}: a unit of work inside one of ${outer}${writes ? ', with a put' : ''}: ${nestedOutcome.done ? 'done' : nestedOutcome.message}`,
      );
      stage.inspect('nested_unit', outer, await store.get('k'), 'the outer unit of work, after the inner one,');
      await store.put('outer', value);
      stage.say(`${outer}: put "outer" = ${value} after it`);
      const seen = await store.get('outer');
      if (seen !== value)
        stage.fail('nested_unit', `the outer unit of work reads "outer" as ${seen ?? 'nothing'}`, value);
    });
    stage.world.tally.operations += 4;
    const mine: Expected = before.get(outer) ?? { data: new Map() };
    const theirs: Expected = before.get(inner) ?? { data: new Map() };
    const expected = new Map(before)
      .set(
        outer,
        outcome.done ? { data: new Map([...mine.data, ['outer', value]]) } : { ...mine, unsure: new Set(['outer']) },
      )
      .set(inner, { ...theirs, unsure: new Set(['inner']) });
    for (const name of stage.tenants) {
      const found = await difference(stage, name, expected);
      if (found !== undefined) stage.fail('nested_unit', found.seen, found.expected);
    }
  },
});
