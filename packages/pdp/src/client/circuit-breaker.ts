import { setMaxListeners } from 'node:events';
import type { CallOptions, PolicyDecisionPoint, PortcullisError } from '@portcullis/core';
import { askWithin } from './ask-within.js';
import { atLeast } from '../at-least.js';
import { Circuit, type CircuitState } from './circuit.js';
import { tell } from './tell.js';
import { isRefused, isUnavailable, unavailable } from '../unavailable.js';

/** What `circuitBreaker` may be told. */
export interface CircuitBreakerOptions {
  /** How many failures in a row open the circuit. @defaultValue 5 */
  readonly failures?: number | undefined;
  /** How long it stays open, in milliseconds; then one question finds out whether the engine is back. @defaultValue 1000 */
  readonly openMs?: number | undefined;
  /** How long a question may take, in milliseconds. One that takes longer is a failure. @defaultValue 1000 */
  readonly deadlineMs?: number | undefined;
  /**
   * Whether a `pdp_unavailable` counts. Say no to those that your own engine answers to a question it does not like: else
   * who can ask such questions can open the circuit for everybody. @defaultValue all but refusals by the engines of this
   * package
   */
  readonly counts?: ((failure: PortcullisError) => boolean) | undefined;
  /** Is told of each change of the state. */
  readonly onState?: ((state: CircuitState) => void) | undefined;
  /** A clock that never jumps, in milliseconds. @defaultValue `performance.now` */
  readonly now?: (() => number) | undefined;
}

/**
 * Stops asking an engine that does not answer, so that a question fails at once and not after its deadline.
 *
 * Deadlines count as failures like refused connections do. A caller that gives up says nothing of the engine, nor does a
 * `TypeError`. `cerbos` has a circuit of its own for each of its endpoints and needs none around it.
 *
 * @throws PortcullisError `config_invalid`, for a setting that is too small; from `check` and `plan`, what the engine
 * throws, and `pdp_unavailable` while the circuit is open and when the deadline has passed
 * @example
 * ```ts
 * import { circuitBreaker } from '@portcullis/pdp/client';
 * import { cerbos } from '@portcullis/pdp/cerbos';
 *
 * const pdp = circuitBreaker(cerbos('unix:/run/cerbos.sock'), { onState: (state) => console.warn(state) });
 * await pdp.close();
 * ```
 */
export function circuitBreaker(pdp: PolicyDecisionPoint, options: CircuitBreakerOptions = {}): PolicyDecisionPoint {
  const { counts = (failure) => !isRefused(failure), onState, now } = options;
  const deadlineMs = atLeast(1, 'deadlineMs', options.deadlineMs ?? 1000);
  const circuit = new Circuit(
    {
      failures: atLeast(1, 'failures', options.failures ?? 5),
      openMs: atLeast(0, 'openMs', options.openMs ?? 1000),
    },
    now,
  );
  const closing = new AbortController();
  // Every question listens to it, as many as there are.
  setMaxListeners(0, closing.signal);
  let told: CircuitState = 'closed';

  function tellState(): void {
    if (circuit.state === told) return;
    told = circuit.state;
    tell(onState, told);
  }

  const gaveUp = (signal: AbortSignal | undefined): boolean => signal?.aborted ?? false;
  const isInVain = (signal: AbortSignal | undefined): boolean => gaveUp(signal) || closing.signal.aborted;

  async function guarded<T>(ask: (own: CallOptions) => Promise<T>, { signal }: CallOptions): Promise<T> {
    if (gaveUp(signal)) throw unavailable('the caller gave up', signal?.reason);
    const admission = circuit.admits();
    if (admission === undefined) throw unavailable('the circuit is open: the engine has not answered lately');
    tellState();
    try {
      const answer = await askWithin((own) => ask({ signal: own }), { signal, closing: closing.signal, deadlineMs });
      circuit.succeeded(admission);
      return answer;
    } catch (error) {
      if (!isInVain(signal) && isUnavailable(error) && countsAsFailure(error)) circuit.failed(admission);
      else circuit.abandoned(admission);
      throw error;
    } finally {
      tellState();
    }
  }

  /** A judge that fails has not said that the engine is well. */
  function countsAsFailure(failure: PortcullisError): boolean {
    try {
      return counts(failure);
    } catch {
      return true;
    }
  }

  return {
    engine: pdp.engine,
    prefersChecks: pdp.prefersChecks,
    check: (request, own = {}) => guarded((bounded) => pdp.check(request, bounded), own),
    plan: (request, own = {}) => guarded((bounded) => pdp.plan(request, bounded), own),
    async close() {
      closing.abort();
      await pdp.close();
    },
  };
}
