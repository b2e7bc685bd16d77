import { isolationTraps, type IsolationTrap } from './traps.js';

/** The smallest run that shows a leak. */
export interface Counterexample {
  /** The tenants that took part. */
  readonly tenants: readonly string[];
  /** What was done, in order, and what came of it. Values are written as their owner and a number: `acme#1`. */
  readonly steps: readonly string[];
  /** What was seen in the last step. */
  readonly seen: string;
  /** What should have been seen. */
  readonly expected: string;
}

/** How to see it again: pass these as options of `assertIsolated`. */
export interface Replay {
  readonly scenario: string;
  readonly seed: number;
  readonly path: string;
}

/** A tenant reached another, or could not be kept apart from it. The message is the whole report. */
export class IsolationError extends Error {
  override readonly name = 'IsolationError';
  /** What kind of mistake it is. */
  readonly trap: IsolationTrap;
  readonly counterexample: Counterexample;
  readonly seed: number;
  readonly replay: Replay;

  constructor(subject: string, trap: IsolationTrap, counterexample: Counterexample, replay: Replay) {
    const { tenants, steps, seen, expected } = counterexample;
    super(
      [
        `\`${subject}\` does not isolate its tenants: ${trap}: ${isolationTraps[trap]}`,
        `tenants: ${tenants.map((name) => JSON.stringify(name)).join(', ')}`,
        ...steps.map((step, at) => `  ${String(at + 1)}. ${step}`),
        `seen:     ${seen}`,
        `expected: ${expected}`,
        `replay:   { scenario: '${replay.scenario}', seed: ${String(replay.seed)}, path: '${replay.path}' }`,
      ].join('\n'),
    );
    this.trap = trap;
    this.counterexample = counterexample;
    this.seed = replay.seed;
    this.replay = replay;
  }
}

/** Thrown inside a run. */
export class Violation extends Error {
  readonly trap: IsolationTrap;
  readonly counterexample: Counterexample;

  constructor(trap: IsolationTrap, counterexample: Counterexample) {
    super(trap);
    this.trap = trap;
    this.counterexample = counterexample;
  }
}
