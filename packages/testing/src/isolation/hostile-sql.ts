import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import {
  connectionStatements,
  readingStatements,
  switchingStatements,
  writingStatements,
  type Attack,
  type HostileStatements,
  type Statement,
} from './hostile-statements.js';
import { belongings } from './interleaving.js';
import { difference } from './read-back.js';
import { reachableData } from './reachable-data.js';
import { scenario, type Scenario } from './scenario.js';
import { oracles } from './sql-oracles.js';
import { sqlNames, type SqlNames } from './sql-text.js';
import type { Stage } from './stage.js';
import type { SqlSurface, TenantUnderTest } from './subject.js';
import type { World } from './world.js';

/** A scenario for each group of hostile statements that fits the surface, so that a finding names one. */
export function hostileSql(surface: SqlSurface): readonly Scenario[] {
  const names = sqlNames(surface);
  const { untrusted, queries = [] } = surface;
  const declared = queries.map((text): HostileStatements => ({
    name: text,
    trap: 'further_query',
    statements: () => [{ text }],
  }));
  return [
    ...[...readingStatements, ...writingStatements].map((group) => attackScenario(surface, names, group)),
    ...oracles(surface, names),
    reachableData(surface),
    ...[...declared, ...connectionStatements].map((group) => attackScenario(surface, names, group)),
    ...(untrusted === undefined
      ? [untriedSwitches]
      : switchingStatements(untrusted).map((group) => attackScenario(surface, names, group))),
  ];
}

const untriedSwitches: Scenario = {
  name: 'sql: statements that a tenant wrote',
  traps: ['tenant_switch'],
  runs: 0,
  unavailable: () => 'the subject has no `sql.untrusted`: it does not promise to withstand SQL that its tenants wrote',
  check: () => Promise.resolve(),
};

function attackScenario(surface: SqlSurface, names: SqlNames, group: HostileStatements): Scenario {
  return scenario({
    name: `sql: ${group.name}`,
    traps: [group.trap],
    unavailable: (world) => unfit(world, names, group),
    runs: 2,
    // The statement is the input; what varies are the tenants.
    input: () => fc.constant(group),
    play: (stage) => attack(stage, surface, names, group),
  });
}

function unfit({ has }: World, names: SqlNames, { on }: HostileStatements): string | undefined {
  if (!has.has('sql')) return 'the subject’s units of work have no `sql`';
  if (on === 'shared' && names.tenant === undefined) return 'the subject has no `sql.tenantColumn`';
  if (on === 'schemas' && names.qualified === undefined) return 'the subject has no `sql.schemaOf`';
  return undefined;
}

/** The first tenant runs the statements; whatever comes of it, the others' data is what it was, and was not shown. */
async function attack(stage: Stage, surface: SqlSurface, names: SqlNames, group: HostileStatements): Promise<void> {
  const expected = await belongings(stage);
  await surface.background?.();
  const [own = '', other = ''] = stage.tenants;
  const by = (tenant: string, target: string): Attack => ({
    names,
    own: tenant,
    other: target,
    value: () => stage.values.next(tenant),
  });
  await stage.unit(own, (store) => runAll(stage, own, store, group.statements(by(own, other)), group));
  if (group.next !== undefined) await onEveryConnection(stage, other, group.next(by(other, own)), group);
  // What the attacker did to its own rows is its own affair.
  const everything = new Set([...(expected.get(own)?.data.keys() ?? []), 'planted', 'moved']);
  const after = new Map(expected).set(own, { data: new Map(), unsure: everything });
  for (const name of stage.tenants) {
    const found = await difference(stage, name, after);
    if (found !== undefined) stage.fail(group.trap, found.seen, found.expected);
  }
}

async function runAll(
  stage: Stage,
  name: string,
  store: TenantUnderTest,
  statements: readonly Statement[],
  { trap }: HostileStatements,
): Promise<void> {
  for (const { text, values } of statements) {
    stage.world.tally.operations++;
    stage.say(`${name}: ${text}${values === undefined ? '' : `, with ${values.map(String).join(', ')}`}`);
    // PostgreSQL ignores what follows an error: a savepoint lets the next statement have its try.
    await attempt(store, 'SAVEPOINT portcullis_kit', undefined);
    const result = await attempt(store, text, values);
    if (result instanceof Error) await attempt(store, 'ROLLBACK TO SAVEPOINT portcullis_kit', undefined);
    stage.inspect(trap, name, result, 'the statement');
  }
}

async function attempt(store: TenantUnderTest, text: string, values: readonly unknown[] | undefined): Promise<unknown> {
  try {
    return await store.sql?.(text, values);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** As many units of work at once as there are connections, so that the one that was attacked is among them. */
async function onEveryConnection(
  stage: Stage,
  name: string,
  statements: readonly Statement[],
  group: HostileStatements,
): Promise<void> {
  // In one unit of work an error would hide the statements after it: each has units of its own.
  for (const statement of statements) {
    const everybody = meeting(stage.world.poolSize);
    stage.say(`${name}, on every connection: ${statement.text}`);
    await Promise.all(
      Array.from({ length: stage.world.poolSize }, () =>
        stage.unit(name, async (store) => {
          await everybody.arrive();
          const found = await attempt(store, statement.text, statement.values);
          stage.inspect(group.trap, name, found, 'the statement');
        }),
      ),
    );
  }
}

/** How long a unit of work waits for the others, which may not get a connection. */
const patienceMs = 100;

function meeting(count: number): { readonly arrive: () => Promise<unknown> } {
  let missing = count;
  let go: () => void = () => undefined;
  const all = new Promise<void>((resolve) => (go = resolve));
  return {
    arrive: () => {
      if (--missing === 0) go();
      return Promise.race([all, sleep(patienceMs)]);
    },
  };
}
