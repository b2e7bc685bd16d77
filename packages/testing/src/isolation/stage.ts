import { withDeadline } from '@portcullis/core';
import { canaries, type Canaries } from './canary.js';
import { Violation } from './isolation-error.js';
import type { TenantUnderTest } from './subject.js';
import type { IsolationTrap } from './traps.js';
import type { World } from './world.js';

/** How a unit of work ended. */
type Outcome<T> =
  | { readonly done: true; readonly value: T }
  | { readonly done: false; readonly error: unknown; readonly message: string };

/** One run: tenants, what they did so far, and the means to call it off. */
export interface Stage {
  readonly world: World;
  readonly tenants: readonly string[];
  readonly values: Canaries;
  /** Adds a step to what the reader is told. */
  readonly say: (step: string) => void;
  /** Ends the run: this must not be. */
  readonly fail: (trap: IsolationTrap, seen: string, expected: string) => never;
  /** Ends the run when `found` has another's data in it. @param reader - nobody, for a connection without a tenant */
  readonly inspect: (trap: IsolationTrap, reader: string | undefined, found: unknown, how: string) => void;
  /** Runs a unit of work. Its failure is an outcome, as long as it says nothing about others. */
  readonly unit: <T>(
    name: string,
    work: (store: TenantUnderTest) => Promise<T>,
    signal?: AbortSignal,
  ) => Promise<Outcome<T>>;
  /** Waits for something that the subject does, no longer than a stall may last. */
  readonly settled: <T>(work: Promise<T>, what: string) => Promise<Outcome<T>>;
}

export function openStage(world: World, tenants: readonly string[]): Stage {
  const steps: string[] = [];
  const values = canaries([...tenants, 'nobody']);
  let violation: Violation | undefined;

  const fail = (trap: IsolationTrap, seen: string, expected: string): never => {
    const [shownSeen, shownExpected] = [values.readable(seen), values.readable(expected)];
    // What a unit of work throws may come back in other clothes: it is kept aside. The first one stays.
    violation ??= new Violation(trap, { tenants, steps: steps.map(short), seen: shownSeen, expected: shownExpected });
    throw violation;
  };
  const inspect: Stage['inspect'] = (trap, reader, found, how) => {
    for (const owner of values.ownersIn(found))
      if (owner !== reader)
        fail(
          trap,
          `${how} shows data of \`${owner}\``,
          reader === undefined ? 'nothing' : `data of \`${reader}\` alone`,
        );
  };
  const settled: Stage['settled'] = async (work, what) => {
    try {
      const value = await withDeadline(work, world.stallMs);
      if (violation !== undefined) throw violation;
      return { done: true, value };
    } catch (error) {
      if (violation !== undefined) throw violation;
      const message = error instanceof Error ? error.message : String(error);
      if (message === `no answer within ${String(world.stallMs)} ms`)
        fail('pool_starvation', `${what} did not end within ${String(world.stallMs)} ms`, 'an end, or a refusal');
      return { done: false, error, message };
    }
  };
  const unit: Stage['unit'] = async (name, work, signal = new AbortController().signal) => {
    const run = async (): ReturnType<typeof work> => world.subject.run(world.contextOf(name), work, signal);
    const outcome = await settled(run(), `a unit of work of \`${name}\``);
    if (!outcome.done) inspect('error_text', name, outcome.error, 'the error of a unit of work');
    return outcome;
  };
  return {
    world,
    tenants,
    values,
    say: (step) => void steps.push(values.readable(step)),
    fail,
    inspect,
    unit,
    settled,
  };
}

/** A key or a text as a reader sees it, however long it is. */
export function quoted(text: string): string {
  // JSON leaves most of Unicode as it is; a key that differs in the form of its letters has to look different.
  const plain = JSON.stringify(text).replace(
    /[^ -~]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return plain.length > 90 ? `${plain.slice(0, 60)}… (${String(text.length)} characters)` : plain;
}

function short(step: string): string {
  const line = step.replace(/\s*\n\s*/g, ' ');
  return line.length > 300 ? `${line.slice(0, 300)}…` : line;
}
