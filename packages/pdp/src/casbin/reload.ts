import { PortcullisError } from '@portcullis/core';
import type { PolicySet } from './policy-set.js';

/** What happened to the policies. */
export type PolicyEvent =
  | { readonly type: 'reloaded'; readonly revision: string }
  /** The new policies were not taken: those of `revision` go on to decide. */
  | { readonly type: 'refused'; readonly revision: string; readonly error: PortcullisError };

interface Reloading {
  readonly load: () => Promise<PolicySet>;
  readonly take: (next: PolicySet) => void;
  /** Of the policies that decide now. */
  readonly revision: () => string;
  readonly tell: ((event: PolicyEvent) => void) | undefined;
}

/**
 * Loads policies anew, one load at a time. Who asks while one runs gets the next one: the one that runs may have read
 * before the change.
 */
export function reloading({ load, take, revision, tell }: Reloading): () => Promise<void> {
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;

  async function run(): Promise<void> {
    try {
      take(await load());
    } catch (error) {
      const refusal =
        error instanceof PortcullisError
          ? error
          : new PortcullisError('policies_invalid', 'the policies cannot be loaded', { cause: error });
      say({ type: 'refused', revision: revision(), error: refusal });
      throw refusal;
    }
    say({ type: 'reloaded', revision: revision() });
  }

  function say(event: PolicyEvent): void {
    try {
      tell?.(event);
    } catch {
      // A listener that fails changes no policy.
    }
  }

  function start(): Promise<void> {
    next = undefined;
    running = run().finally(() => {
      running = undefined;
    });
    return running;
  }

  return () => {
    // The one that waits has not begun: whoever begins beside it could be overtaken by it.
    if (next !== undefined) return next;
    if (running === undefined) return start();
    next = running.then(start, start);
    return next;
  };
}
