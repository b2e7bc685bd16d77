import fc from 'fast-check';
import { belongings } from './interleaving.js';
import { scenario, type Scenario } from './scenario.js';

/** While the backend fails, reading is an error: "there is nothing" would be an answer. */
export const outage: Scenario = scenario({
  name: 'outage',
  traps: ['failure_looks_like_a_miss'],
  unavailable: ({ subject }) => (subject.outage === undefined ? 'the subject has no `outage`' : undefined),
  input: () => fc.constant('k'),
  play: async (stage, key) => {
    await belongings(stage);
    const [name = ''] = stage.tenants;
    const run = async (): Promise<unknown> =>
      stage.world.subject.outage?.(() => stage.unit(name, async (store) => ({ value: await store.get(key) })));
    const outcome = await run();
    stage.say(`${name}: get "${key}" while the backend fails`);
    stage.world.tally.operations++;
    const read = outcome as
      { readonly done: boolean; readonly value?: { readonly value: string | undefined } } | undefined;
    if (read?.done === true && read.value?.value === undefined)
      stage.fail('failure_looks_like_a_miss', 'nothing, as if the key were not there', 'an error');
  },
});

/** A listing of more than one page, beside another tenant's of the same size. */
export const pages: Scenario = scenario({
  name: 'listing of several pages',
  traps: ['listing_incomplete'],
  unavailable: ({ subject, has }) =>
    subject.pageSize === undefined
      ? 'the subject has no `pageSize`'
      : has.has('list')
        ? undefined
        : 'the subject has no `list`',
  input: ({ subject }) => fc.constantFrom((subject.pageSize ?? 0) + 1, 2 * (subject.pageSize ?? 0) + 1),
  play: async (stage, count) => {
    const [one = '', two = ''] = stage.tenants;
    const keys = (name: string): readonly string[] =>
      Array.from({ length: count }, (_none, at) => `${name === one ? 'p' : 'q'}${String(at).padStart(6, '0')}`);
    for (const name of [one, two])
      await stage.unit(name, async (store) => {
        for (const key of keys(name)) await store.put(key, stage.values.next(name));
      });
    stage.world.tally.operations += 2 * count;
    stage.say(`${one} and ${two}: put ${String(count)} keys each`);
    for (const name of [one, two]) {
      const outcome = await stage.unit(name, async (store) => store.list?.(''));
      stage.say(`${name}: list`);
      if (!outcome.done) return;
      const listed = outcome.value ?? [];
      if ([...listed].sort().join('\n') === keys(name).join('\n')) continue;
      const own = new Set(keys(name));
      const wrong = listed.filter((key) => !own.has(key));
      stage.fail(
        'listing_incomplete',
        `${String(listed.length)} keys${wrong.length > 0 ? `, ${String(wrong.length)} of them not its own` : ''}`,
        `its own ${String(count)} keys, each once`,
      );
    }
  },
});

/** Something inside a tenant's storage that leads out of it: it is refused, or leads nowhere. */
export const plantedLinks: Scenario = scenario({
  name: 'planted links',
  traps: ['planted_link'],
  unavailable: ({ subject }) => (subject.plant === undefined ? 'the subject has no `plant`' : undefined),
  input: () => fc.constantFrom('get', 'put', 'delete', 'copy', 'list', 'clear'),
  play: async (stage, act) => {
    const expected = await belongings(stage);
    const [own = '', other = ''] = stage.tenants;
    const { plant } = stage.world.subject;
    const keys = (await plant?.(stage.world.contextOf(own), stage.world.contextOf(other))) ?? [];
    stage.say(`a link into the storage of ${other} is put into that of ${own}: ${keys.join(', ')}`);
    for (const key of act === 'list' || act === 'clear' ? keys.slice(0, 1) : keys) {
      stage.world.tally.operations++;
      const outcome = await stage.unit(own, async (store) => {
        if (act === 'get') return store.get(key);
        if (act === 'put') return store.put(key, stage.values.next(own));
        if (act === 'delete') return store.delete(key);
        if (act === 'list') return store.list?.('');
        if (act === 'clear') return store.clear?.();
        await store.copy?.(key, 'copied');
        return store.get('copied');
      });
      stage.say(`${own}: ${act} "${key}": ${outcome.done ? 'done' : outcome.message}`);
      stage.inspect('planted_link', own, outcome.done ? outcome.value : outcome.error, `${act} of a link`);
    }
    const value = expected.get(other)?.data.get('k');
    const after = await stage.unit(other, (store) => store.get('k'));
    if (after.done && after.value !== value)
      stage.fail('planted_link', `\`${other}\` reads "k" as ${after.value ?? 'nothing'}`, String(value));
  },
});
