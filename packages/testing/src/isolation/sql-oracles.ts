import fc from 'fast-check';
import { belongings } from './interleaving.js';
import { scenario, type Scenario } from './scenario.js';
import type { SqlNames } from './sql-text.js';
import type { Stage } from './stage.js';
import type { SqlSurface } from './subject.js';
import type { IsolationTrap } from './traps.js';
import type { World } from './world.js';

/** A statement whose outcome must be the same whether the key is one that another tenant has or one that nobody has. */
interface Probe {
  readonly name: string;
  readonly trap: IsolationTrap;
  readonly text: string;
  readonly values: (key: string, tenant: string, value: string) => readonly unknown[];
}

/** Questions that are answered by whether something works. */
export function oracles(surface: SqlSurface, names: SqlNames): readonly Scenario[] {
  return [
    ...probes(surface, names).map((probe) => probeScenario(probe)),
    countScenario(names),
    copyScenario(surface, names),
  ];
}

function probes({ insertReference }: SqlSurface, { table, tenant, key, value, idOf }: SqlNames): readonly Probe[] {
  const columns = tenant === undefined ? `${key}, ${value}` : `${key}, ${value}, ${tenant}`;
  const places = tenant === undefined ? '$1, $2' : '$1, $2, $3';
  const row: Probe['values'] = (wanted, owner, text) =>
    tenant === undefined ? [wanted, text] : [wanted, text, idOf(owner)];
  const insert = `INSERT INTO ${table} (${columns}) VALUES (${places})`;
  const reference: readonly Probe[] =
    insertReference === undefined
      ? []
      : [
          {
            name: 'a foreign key to a row of the other tenant',
            trap: 'foreign_key_probe',
            text: insertReference,
            values: (wanted) => [wanted],
          },
        ];
  return [
    { name: 'an INSERT of a key that the other tenant has', trap: 'conflict_oracle', text: insert, values: row },
    {
      name: 'ON CONFLICT DO NOTHING with a key that the other tenant has',
      trap: 'conflict_oracle',
      text: `${insert} ON CONFLICT DO NOTHING RETURNING 1 AS stored`,
      values: row,
    },
    ...reference,
  ];
}

function probeScenario({ name, trap, text, values }: Probe): Scenario {
  return scenario({
    name: `sql: ${name}`,
    traps: [trap],
    unavailable: needsSql,
    runs: 2,
    input: () => fc.constantFrom('theirs', 'doc/9'),
    play: async (stage, key) => {
      const [own = '', other = ''] = stage.tenants;
      const value = stage.values.next(other);
      const stored = await stage.unit(other, (store) => store.put(key, value));
      if (!stored.done) return;
      stage.say(`${other}: put "${key}" = ${value}`);
      const there = await outcomeOf(stage, own, text, values(key, own, stage.values.next(own)));
      stage.say(`${own}: ${text}, with "${key}": ${there}`);
      const nowhere = await outcomeOf(stage, own, text, values(`${key}-nowhere`, own, stage.values.next(own)));
      stage.say(`${own}: the same with a key that nobody has: ${nowhere}`);
      // An error names the key it is about, and there are two.
      const alike = (outcome: string): string => outcome.replaceAll(`${key}-nowhere`, key);
      if (alike(there) !== alike(nowhere)) stage.fail(trap, `the two differ: ${there}`, nowhere);
    },
  });
}

/** A number has no owner in it: it is compared. */
function countScenario({ table }: SqlNames): Scenario {
  return scenario({
    name: 'sql: a count of all rows',
    traps: ['read_without_filter'],
    unavailable: needsSql,
    runs: 2,
    input: () => fc.constant('count'),
    play: async (stage) => {
      const expected = await belongings(stage);
      const [own = ''] = stage.tenants;
      const text = `SELECT count(*)::integer AS count FROM ${table}`;
      const found = await outcomeOf(stage, own, text, []);
      stage.say(`${own}: ${text}`);
      const wanted = JSON.stringify([{ count: expected.get(own)?.data.size ?? 0 }]);
      if (found.startsWith('[') && found !== wanted) stage.fail('read_without_filter', found, wanted);
    },
  });
}

/** The SQLSTATE with which the server says that it had been ready to load rows, and was sent none. */
const copyWasAccepted = '57014';

function copyScenario(_surface: SqlSurface, { table, tenant }: SqlNames): Scenario {
  return scenario({
    name: 'sql: COPY FROM',
    traps: ['copy_from'],
    unavailable: (world) =>
      needsSql(world) ?? (tenant === undefined ? 'the subject has no `sql.tenantColumn`' : undefined),
    runs: 2,
    input: () => fc.constant('copy'),
    play: async (stage) => {
      const [own = ''] = stage.tenants;
      const text = `COPY ${table} FROM STDIN`;
      stage.world.tally.operations++;
      let code: unknown;
      await stage.unit(own, async (store) => {
        try {
          await store.sql?.(text);
        } catch (error) {
          code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
          throw error;
        }
      });
      stage.say(`${own}: ${text}`);
      if (code === copyWasAccepted)
        stage.fail(
          'copy_from',
          'the server is ready to load rows of any tenant',
          'a refusal: row-level security does not allow COPY FROM',
        );
    },
  });
}

function needsSql({ has }: World): string | undefined {
  return has.has('sql') ? undefined : 'the subject’s units of work have no `sql`';
}

/** What a statement comes to, in a unit of work that is then given up. */
async function outcomeOf(stage: Stage, name: string, text: string, values: readonly unknown[]): Promise<string> {
  stage.world.tally.operations++;
  let outcome = 'nothing came of it';
  const giveUp = new Error('given up');
  await stage.unit(name, async (store) => {
    try {
      outcome = JSON.stringify(await store.sql?.(text, values));
    } catch (error) {
      outcome = `refused: ${error instanceof Error ? error.message : String(error)}`;
    }
    throw giveUp;
  });
  return outcome;
}
