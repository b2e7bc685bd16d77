import { scenarios } from './scenarios.js';
import type { Replay } from './isolation-error.js';
import type { Scenario } from './scenario.js';
import { sequence } from './sequence.js';
import type { IsolationSubject } from './subject.js';
import { adversarialFamilies, familiesOf } from './tenant-names.js';
import type { IsolationTrap } from './traps.js';
import { capabilities, createWorld, type World } from './world.js';

/** How much is tried, and how. */
export interface IsolationOptions {
  /** Generated operations in all, at least. @defaultValue 2000 */
  readonly operations?: number | undefined;
  /** Where the generated inputs come from. @defaultValue a new one every time: the report has it, and every error */
  readonly seed?: number | undefined;
  /** Runs one counterexample again: `replay` of an `IsolationError`. */
  readonly replay?: Replay | undefined;
  /** Tenant ids to use in place of the adversarial ones. @defaultValue names that a careless mapping confuses */
  readonly tenants?: readonly string[] | undefined;
  /** Looks for these alone. @defaultValue all */
  readonly only?: readonly IsolationTrap[] | undefined;
  /** Traps that are known and lived with, each with the reason. They are not looked for, and the report names them. */
  readonly exceptions?: Readonly<Partial<Record<IsolationTrap, string>>> | undefined;
  /** After how many milliseconds a unit of work hangs, which is a finding. @defaultValue 10000 */
  readonly stallMs?: number | undefined;
  /** Ends the assertion between two runs. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: IsolationProgress) => void) | undefined;
}

/** How far it is. */
export interface IsolationProgress {
  readonly scenario: string;
  readonly operations: number;
}

/** What was tried without a finding. */
export interface IsolationReport {
  readonly subject: string;
  readonly seed: number;
  /** Generated operations. */
  readonly operations: number;
  readonly runs: number;
  /** Units of work that were refused, as an adapter may. */
  readonly refusals: number;
  readonly tenants: readonly string[];
  /** Tenants that the subject would not provision, with what it said. */
  readonly refusedTenants: Readonly<Record<string, string>>;
  readonly capabilities: readonly string[];
  /** Scenarios that were run. */
  readonly exercised: readonly string[];
  /** What was not tried, by scenario or capability, with the reason. */
  readonly skipped: Readonly<Record<string, string>>;
}

/**
 * Tries to make tenants reach each other through a store of yours, and fails with the smallest example when they do.
 *
 * Two and more tenants with names that are easily confused take turns and run at once, with keys that try to get out,
 * failures in the middle, cancelled calls, lost connections, more work than connections and, on SQL, hostile statements.
 * Every value names its owner, so that another's is known wherever it turns up.
 *
 * It writes and deletes: run it against a database of its own. It needs no test runner.
 *
 * @throws IsolationError on a finding: its message has the steps, and its `replay` repeats it
 * @throws TypeError for options that cannot be meant; whatever a hook of the subject throws
 * @example
 * ```ts
 * import { assertIsolated } from '@portcullis/testing/isolation';
 * import { keyvStorage } from '@portcullis/storage/keyv';
 * import { Keyv } from 'keyv';
 *
 * const keyv = new Keyv();
 * const storage = keyvStorage({ keyv });
 * const report = await assertIsolated({
 *   name: 'documents',
 *   reset: () => keyv.clear(),
 *   run: async (context, work) => {
 *     const store = storage.forTenant(context);
 *     return work({
 *       put: (key, value) => store.set(key, value),
 *       get: async (key) => (await store.get(key)) as string | undefined,
 *       delete: (key) => store.delete(key),
 *       list: async (prefix) => (await store.list({ prefix, limit: 1000 })).keys,
 *       clear: () => store.clear(),
 *     });
 *   },
 * });
 * console.log(report.operations >= 2000); // prints: true
 * ```
 */
export async function assertIsolated(
  subject: IsolationSubject,
  options: IsolationOptions = {},
): Promise<IsolationReport> {
  const { operations = 2000, replay, only, exceptions = {}, stallMs = 10_000, signal, onProgress } = options;
  const seed = replay?.seed ?? options.seed ?? Math.trunc(Math.random() * 0x7fffffff);
  if (!(operations > 0)) throw new TypeError('`operations` has to be positive');
  const families = options.tenants === undefined ? adversarialFamilies : familiesOf(options.tenants);
  const excused = new Set(Object.keys(exceptions) as IsolationTrap[]);
  const world = await createWorld(subject, { families, stallMs, signal, excused });
  const skipped: Record<string, string> = skippedCapabilities(world);
  const exercised: string[] = [];
  for (const scenario of chosen(scenarios(subject, families), replay, only)) {
    const reason = scenario.unavailable(world) ?? excuse(scenario, exceptions);
    if (reason !== undefined) {
      skipped[scenario.name] = reason;
      continue;
    }
    exercised.push(scenario.name);
    await explore(scenario, world, { seed, path: replay?.path, operations, onProgress });
  }
  if (replay === undefined && exercised.includes(sequence.name)) await topUp(world, { seed, operations, onProgress });
  return {
    subject: subject.name,
    seed,
    ...world.tally,
    tenants: [...world.used],
    refusedTenants: Object.fromEntries(world.refused),
    capabilities: [...world.has],
    exercised,
    skipped,
  };
}

function chosen(
  all: readonly Scenario[],
  replay: Replay | undefined,
  only: readonly IsolationTrap[] | undefined,
): readonly Scenario[] {
  const some = all.filter(
    ({ name, traps }) =>
      (replay === undefined || replay.scenario === name) &&
      (only === undefined || traps.some((trap) => only.includes(trap))),
  );
  if (some.length === 0) throw new TypeError('no scenario is left: see `replay` and `only`');
  return some;
}

/** A scenario is left out when all that it could find is excused. */
function excuse({ traps }: Scenario, exceptions: Readonly<Partial<Record<IsolationTrap, string>>>): string | undefined {
  const reasons = traps.map((trap) => exceptions[trap]);
  return reasons.every((reason) => reason !== undefined) ? `excepted: ${[...new Set(reasons)].join('; ')}` : undefined;
}

/** Tenants go on taking turns, until as many operations were tried as were asked for. */
async function topUp(world: World, { seed, operations, onProgress }: Omit<Exploration, 'path'>): Promise<void> {
  const { tally } = world;
  for (let batch = 1; tally.operations < operations; batch++) {
    const before = tally.operations;
    await sequence.check(world, { seed: (seed - batch * 7919) | 0, path: undefined });
    onProgress?.({ scenario: sequence.name, operations: tally.operations });
    if (tally.operations === before) return;
  }
}

function skippedCapabilities({ has }: World): Record<string, string> {
  const missing = capabilities.filter((capability) => !has.has(capability));
  return Object.fromEntries(missing.map((name) => [name, `the subject has no \`${name}\``]));
}

interface Exploration {
  readonly seed: number;
  readonly path: string | undefined;
  readonly operations: number;
  readonly onProgress: ((progress: IsolationProgress) => void) | undefined;
}

async function explore(scenario: Scenario, world: World, exploration: Exploration): Promise<void> {
  const { seed, path, operations, onProgress } = exploration;
  const { tally } = world;
  const enough = tally.operations + operations * (scenario.share ?? 0);
  for (let batch = 0; ; batch++) {
    const before = tally.operations;
    await scenario.check(world, { seed: (seed + batch * 7919) | 0, path });
    onProgress?.({ scenario: scenario.name, operations: tally.operations });
    // A batch that did nothing, because tenants are refused, would go on for ever.
    if (path !== undefined || tally.operations >= enough || tally.operations === before) return;
  }
}
