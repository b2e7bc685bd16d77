import fc from 'fast-check';
import { ordinaryKeys } from './keys.js';
import { scenario, type Scenario } from './scenario.js';

/** A store that refuses everything leaks nothing, and shows nothing: ordinary work has to succeed first. */
export const usable: Scenario = scenario({
  name: 'usable',
  traps: ['not_usable'],
  input: () => fc.constantFrom(...ordinaryKeys.slice(0, 3)),
  play: async (stage, key) => {
    for (const name of stage.tenants) {
      const value = stage.values.next(name);
      stage.say(`${name}: put \`${key}\` = ${value}, get it, and delete it`);
      const outcome = await stage.unit(name, async (store) => {
        await store.put(key, value);
        const seen = await store.get(key);
        await store.delete(key);
        return seen;
      });
      stage.world.tally.operations += 3;
      if (!outcome.done) stage.fail('not_usable', `refused: ${outcome.message}`, value);
      else if (outcome.value === undefined) stage.fail('not_usable', 'nothing', value);
    }
  },
});
