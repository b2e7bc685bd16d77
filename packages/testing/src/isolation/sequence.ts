import fc from 'fast-check';
import {
  attempted,
  drawnAttempt,
  drawnOrdinary,
  drawnPut,
  drawnUnit,
  isAble,
  spelled,
  spelledFrom,
  type DrawnUnit,
  type Unit,
} from './drawn-unit.js';
import { ordinaryKeys } from './keys.js';
import { difference, type Expected } from './read-back.js';
import { scenario, type Scenario } from './scenario.js';
import { applyStep, type Mismatch } from './sequence-step.js';
import { openStage, type Stage } from './stage.js';
import { isOrdinary, type TenantFamily } from './tenant-names.js';
import type { IsolationTrap } from './traps.js';

type Models = Map<string, Map<string, string>>;

const acrossTenants: readonly IsolationTrap[] = [
  'foreign_read',
  'foreign_listing',
  'foreign_write',
  'tenant_names_meet',
  'key_escape',
  'existence_oracle',
  'error_text',
];

/**
 * Tenants take turns; each has a model, a map of its own, that says what it should see. Where what it sees differs,
 * its own steps are run again alone: what is right then was made wrong by another tenant. What is wrong even then is
 * no leak, and is left to `ownData`.
 */
export const sequence: Scenario = scenario({
  name: 'sequence',
  traps: acrossTenants,
  share: 0.4,
  input: (world) => fc.array(drawnUnit(world), { minLength: 1, maxLength: 14, size: 'max' }),
  play: (stage, drawn) => play(stage, drawn, false),
});

/** The same for a tenant's view of itself: keys that are refused are in order, keys that are mistaken for others are not. */
export const ownData: Scenario = scenario({
  name: 'own data',
  traps: ['own_data_wrong'],
  share: 0.25,
  input: (world) =>
    fc.record({
      // Many keys side by side: those that become one are found in the listing, or read each other's value.
      keys: fc.uniqueArray(fc.nat({ max: 100 }), { maxLength: 20, size: 'max' }),
      then: fc.array(drawnUnit(world), { maxLength: 4 }),
    }),
  play: (stage, { keys, then }) => play(stage, [...keys.map((key) => drawnPut(0, key)), ...then], true),
});

/** Every family of names with ordinary keys, so that no pair of names is left to chance. */
export function names(families: readonly TenantFamily[]): readonly Scenario[] {
  return families.map((family, at) =>
    scenario({
      name: `names: ${family.join(', ')}`,
      traps: acrossTenants,
      family: at,
      runs: 3,
      input: () => fc.array(drawnOrdinary(family.length), { minLength: 1, maxLength: 10, size: 'max' }),
      play: (stage, drawn) => play(stage, drawn, false),
    }),
  );
}

/** Keys that are spelled for getting out. Each is tried with each operation, on ordinary tenants. */
export const escapes: readonly Scenario[] = attempted.map((operation) =>
  scenario({
    name: `escape by ${operation}`,
    traps: acrossTenants,
    unavailable: ({ has }) => (isAble(operation, has) ? undefined : `the subject has no \`${operation}\``),
    family: 0,
    input: () =>
      fc.subarray(
        Array.from({ length: 14 }, (_none, at) => at + spelledFrom(operation)),
        { minLength: 1 },
      ),
    play: (stage, keys) =>
      playAttempts(
        stage,
        keys.map((key) => ({ tenant: 0, steps: [{ operation, key, other: 1 }] })),
      ),
  }),
);

/** The first tenant tries keys that are spelled for getting out, while the others have ordinary ones. */
export const escape: Scenario = scenario({
  name: 'escape',
  traps: acrossTenants,
  share: 0.1,
  input: (world) => fc.array(drawnAttempt(world), { minLength: 1, maxLength: 10, size: 'max' }),
  play: playAttempts,
});

async function playAttempts(stage: Stage, attempts: readonly DrawnUnit[]): Promise<void> {
  const belongings = stage.tenants.slice(1).flatMap((_name, at) => [0, 3].map((key) => drawnPut(at + 1, key)));
  await play(stage, [...belongings, ...attempts], false);
}

async function play(stage: Stage, drawn: readonly DrawnUnit[], ownToo: boolean): Promise<void> {
  const units = drawn.map((unit) => spelled(unit, stage.tenants));
  const models: Models = new Map(stage.tenants.map((name) => [name, new Map<string, string>()]));
  const refusals = new Map<Unit, string>();
  for (const [at, unit] of units.entries()) {
    const { mismatch, refusal } = await runUnit(stage, models, unit);
    stage.world.tally.operations += unit.steps.length;
    if (mismatch !== undefined) return judge(stage, units.slice(0, at + 1), unit.tenant, mismatch, ownToo);
    if (refusal === undefined) continue;
    stage.world.tally.refusals++;
    refusals.set(unit, refusal);
  }
  for (const name of stage.tenants) {
    const found = await difference(stage, name, expectedOf(models));
    if (found !== undefined) return judge(stage, units, name, found, ownToo);
  }
  await judgeRefusals(stage, units, refusals);
}

/** How a unit of work went against its model: neither when all is well. */
interface Result {
  readonly mismatch?: Mismatch | undefined;
  readonly refusal?: string | undefined;
}

async function runUnit(stage: Stage, models: Models, unit: Unit): Promise<Result> {
  const model = models.get(unit.tenant) ?? new Map<string, string>();
  let draft = new Map(model);
  const mismatches: Mismatch[] = [];
  // A source that is not there may be refused: that says nothing about anybody else.
  const last = { mayRefuse: false };
  const outcome = await stage.unit(unit.tenant, async (store) => {
    // The work of a unit may be run again, after a serialization failure.
    draft = new Map(model);
    for (const step of unit.steps) {
      last.mayRefuse = step.operation === 'copy' && !draft.has(step.key);
      const next = new Map(draft);
      const mismatch = await applyStep(stage, unit, step, store, next);
      draft = next;
      if (mismatch === undefined) continue;
      mismatches.push(mismatch);
      return;
    }
  });
  const [mismatch] = mismatches;
  if (mismatch !== undefined) return { mismatch };
  if (outcome.done || stage.world.subject.atomic !== true) models.set(unit.tenant, draft);
  if (outcome.done) return {};
  stage.say(`${unit.tenant}: refused: ${outcome.message}`);
  return last.mayRefuse ? {} : { refusal: `\`${unit.tenant}\` is refused: ${outcome.message}` };
}

function expectedOf(models: Models): ReadonlyMap<string, Expected> {
  return new Map([...models].map(([name, data]) => [name, { data }]));
}

/** A refusal must not depend on what other tenants have: without them it has to be one too. */
async function judgeRefusals(stage: Stage, units: readonly Unit[], refusals: ReadonlyMap<Unit, string>): Promise<void> {
  const known = stage.world.refusedAlone;
  const asked = [...refusals].filter(([unit]) => !known.has(JSON.stringify(unit)));
  for (const tenant of new Set(asked.map(([unit]) => unit.tenant))) {
    const { refused } = await alone(stage, units, tenant);
    for (const [unit, seen] of asked) {
      if (unit.tenant !== tenant) continue;
      if (!refused.has(unit))
        blame(stage, units, 'existence_oracle', seen, 'what happens without other tenants: no refusal');
      if (unit.steps.length === 1) known.add(JSON.stringify(unit));
    }
  }
}

/** Runs a tenant's own units on empty storage, as if there were nobody else: what is wrong, or refused, even then. */
async function alone(
  stage: Stage,
  units: readonly Unit[],
  tenant: string,
): Promise<{ readonly wrong: boolean; readonly refused: ReadonlySet<Unit> }> {
  await stage.world.ready(stage.tenants);
  const rehearsal = openStage(stage.world, stage.tenants);
  const models: Models = new Map([[tenant, new Map<string, string>()]]);
  const refused = new Set<Unit>();
  for (const unit of units.filter((each) => each.tenant === tenant)) {
    const { mismatch, refusal } = await runUnit(rehearsal, models, unit);
    if (refusal !== undefined) refused.add(unit);
    if (mismatch !== undefined) return { wrong: true, refused };
  }
  // The others' keys are asked for as they were with the others there.
  const asked = new Map(
    units.flatMap(({ steps }) => steps.flatMap(({ key, other }) => [key, other].map((one) => [one, '']))),
  );
  const found = await difference(rehearsal, tenant, new Map(expectedOf(models)).set('', { data: asked }));
  return { wrong: found !== undefined, refused };
}

/** Names what is wrong, when it is among the things that are looked for. */
async function judge(
  stage: Stage,
  units: readonly Unit[],
  tenant: string,
  { kind, seen, expected }: Mismatch,
  ownToo: boolean,
): Promise<void> {
  if (kind === 'foreign_value') blame(stage, units, 'foreign_read', seen, expected);
  const { wrong } = await alone(stage, units, tenant);
  if (!wrong) blame(stage, units, kind === 'foreign_key' ? 'foreign_listing' : 'foreign_write', seen, expected);
  if (ownToo) stage.fail('own_data_wrong', seen, expected);
}

/** The counterexample is the smallest: odd names and odd keys are in it only when they are needed. */
function blame(stage: Stage, units: readonly Unit[], trap: IsolationTrap, seen: string, expected: string): never {
  const foreign = trap === 'foreign_read' || trap === 'foreign_write' || trap === 'foreign_listing';
  if (!foreign) return stage.fail(trap, seen, expected);
  const plain = new Set([...ordinaryKeys, '', 'doc/']);
  const odd = units.some(({ steps }) =>
    steps.some(({ operation, key, other }) => !plain.has(key) || (operation === 'copy' && !plain.has(other))),
  );
  if (odd) return stage.fail('key_escape', seen, expected);
  return stage.fail(isOrdinary(stage.tenants) ? trap : 'tenant_names_meet', seen, expected);
}
