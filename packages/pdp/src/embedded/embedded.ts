import { resolve } from 'node:path';
import {
  PortcullisError,
  type CallOptions,
  type CheckRequest,
  type PlanRequest,
  type PolicyDecisionPoint,
} from '@portcullis/core';
import { unavailable } from '../unavailable.js';
import { callIds } from './call-ids.js';
import { check, RepeatedAction, type Rulebook } from './evaluate/check.js';
import { engine } from './evaluate/decisions.js';
import { Grounds } from './evaluate/ground.js';
import { explain, type Explanation } from './evaluate/explain.js';
import { goodPolicies, type GoodPolicies } from './good-policies.js';
import { readBundle } from './load/bundle.js';
import { readGlobals } from './load/globals.js';
import type { BundleOptions, EmbeddedOptions } from './options.js';
import { answerPlan } from './plan/answer.js';

/** Policies that are evaluated in this process. */
export interface EmbeddedEngine extends PolicyDecisionPoint {
  /** Which policies decide now: the same for the same policies, in an engine of another kind as well. */
  readonly revision: string;
  /**
   * Decides, and says why: which rule, derived role and condition decided, and why the others did not. It takes many
   * times as long as a check, and shows rules and conditions: it is for whoever writes the policies.
   *
   * @throws PortcullisError `pdp_unavailable`, as `check` does
   */
  explain(request: CheckRequest): Promise<readonly (readonly Explanation[])[]>;
}

/**
 * Evaluates Cerbos policies in this process: the same files, the same decisions, no engine beside it.
 *
 * What this engine does not know in them (a function, a field, a wildcard) is refused when they are loaded, with file
 * and line, so that nothing is ever decided on half a policy. Edits of a folder are followed: each is read and compiled
 * as a whole, and then decides from one question to the next; a broken one is reported and changes nothing. A question
 * that cannot be answered fails with `pdp_unavailable`.
 *
 * @throws PortcullisError `policies_invalid`
 * @example
 * ```ts
 * import { embedded } from '@portcullis/pdp/embedded';
 *
 * const pdp = await embedded({ policies: './policies' });
 * await pdp.close();
 * ```
 */
export async function embedded(options: EmbeddedOptions): Promise<EmbeddedEngine> {
  const settings = {
    policyVersion: options.policyVersion ?? 'default',
    rejects: (options.schemaEnforcement ?? 'reject') === 'reject',
    globals: readGlobals(options.globals ?? {}),
  };
  const rulebookOf = ({ table, revision }: GoodPolicies): Rulebook => ({
    grounds: new Grounds(table),
    revision,
    ...settings,
  });
  let rulebook: Rulebook;
  let stop = (): Promise<void> => Promise.resolve();
  if (options.bundle === undefined) {
    // Only here, so that whoever ships a bundle needs no file system.
    const { followPolicies } = await import('./follow-policies.js');
    const followed = await followPolicies(resolve(options.policies), options, (policies) => {
      rulebook = rulebookOf(policies);
    });
    rulebook = rulebookOf(followed.policies);
    stop = followed.close;
  } else rulebook = rulebookOf(fromBundle(options));

  const nextCallId = callIds();
  let closed = false;

  function refuseLate(signal: AbortSignal | undefined): void {
    if (closed) throw unavailable('the engine is closed');
    if (signal?.aborted === true) throw unavailable('the caller gave up', signal.reason);
  }

  return {
    engine,
    prefersChecks: true,
    get revision() {
      return rulebook.revision;
    },
    check(request: CheckRequest, { signal }: CallOptions = {}) {
      try {
        refuseLate(signal);
        return Promise.resolve(check(rulebook, request, nextCallId()));
      } catch (error) {
        return Promise.reject(failureOf(error));
      }
    },
    explain(request: CheckRequest) {
      try {
        refuseLate(undefined);
        return Promise.resolve(explain(rulebook, request, nextCallId()));
      } catch (error) {
        return Promise.reject(failureOf(error));
      }
    },
    plan(request: PlanRequest, { signal }: CallOptions = {}) {
      try {
        refuseLate(signal);
        return Promise.resolve(answerPlan(rulebook, request, nextCallId()));
      } catch (error) {
        return Promise.reject(failureOf(error));
      }
    },
    async close() {
      closed = true;
      await stop();
    },
  };
}

function fromBundle({ bundle, revision, allowWideningScopes }: BundleOptions): GoodPolicies {
  const folder = readBundle(bundle);
  if (revision !== undefined && folder.revision !== revision)
    throw new PortcullisError(
      'policies_invalid',
      `the bundle is of the revision ${folder.revision}, and not ${revision}`,
    );
  return goodPolicies(folder, { allowWideningScopes });
}

/** Whatever goes wrong in here is no answer, and never an allow. */
function failureOf(error: unknown): Error {
  if (error instanceof PortcullisError || error instanceof RepeatedAction) return error;
  return unavailable('the question cannot be answered', error);
}
