import fc from 'fast-check';
import { IsolationError, Violation } from './isolation-error.js';
import { openStage, type Stage } from './stage.js';
import type { IsolationTrap } from './traps.js';
import type { World } from './world.js';

/** One way to look for leaks. */
export interface Scenario {
  readonly name: string;
  /** What it may find. */
  readonly traps: readonly IsolationTrap[];
  /** The part of all operations that it takes; without it, a few runs. */
  readonly share?: number | undefined;
  /** How many runs it gets at a time. */
  readonly runs: number;
  /** Why it cannot be tried on this subject; `undefined` when it can. */
  readonly unavailable: (world: World) => string | undefined;
  /** @throws IsolationError; anything else that the subject’s hooks throw */
  readonly check: (world: World, parameters: CheckParameters) => Promise<void>;
}

interface CheckParameters {
  readonly seed: number;
  readonly path?: string | undefined;
}

/** A scenario whose runs are made from an input. */
export interface ScenarioDefinition<I> {
  readonly name: string;
  readonly traps: readonly IsolationTrap[];
  readonly share?: number | undefined;
  /** The tenants to use, by the number of their family. @defaultValue drawn */
  readonly family?: number | undefined;
  /** @defaultValue 6, or 20 where it has a share of the operations */
  readonly runs?: number | undefined;
  readonly unavailable?: ((world: World) => string | undefined) | undefined;
  readonly input: (world: World) => fc.Arbitrary<I>;
  readonly play: (stage: Stage, input: I) => Promise<void>;
}

export function scenario<I>(definition: ScenarioDefinition<I>): Scenario {
  const { name, traps, share, family, unavailable = () => undefined, input, play } = definition;
  const runs = definition.runs ?? (share === undefined ? 6 : 20);
  return {
    name,
    traps,
    share,
    runs,
    unavailable,
    check: async (world, { seed, path }) => {
      const property = fc.asyncProperty(
        fc.record({
          family: family === undefined ? fc.nat({ max: world.families.length - 1 }) : fc.constant(family),
          input: input(world),
        }),
        async (drawn) => {
          const names = await world.ready(world.families[drawn.family] ?? []);
          if (names.length < 2) return;
          world.tally.runs++;
          try {
            await play(openStage(world, names), drawn.input);
          } catch (error) {
            if (!(error instanceof Violation && world.excused.has(error.trap))) throw error;
          }
        },
      );
      const details = await fc.check(property, { seed, numRuns: runs, ...(path === undefined ? {} : { path }) });
      if (!details.failed) return;
      const found = details.errorInstance;
      if (!(found instanceof Violation)) throw found;
      throw new IsolationError(world.subject.name, found.trap, found.counterexample, {
        scenario: name,
        seed: details.seed,
        path: details.counterexamplePath ?? '',
      });
    },
  };
}
