import { resolve } from 'node:path';
import {
  PortcullisError,
  type Attributes,
  type CallOptions,
  type CheckRequest,
  type PlanRequest,
  type PolicyDecisionPoint,
} from '@portcullis/core';
import { unavailable } from '../unavailable.js';
import { lintPolicies } from '../policies/lint.js';
import { readPolicies } from '../policies/read.js';
import { callIds } from './call-ids.js';
import { compilePolicies } from './compile/compile.js';
import { check, type Rulebook } from './evaluate/check.js';
import { engine } from './evaluate/decisions.js';
import { readFolder } from './load/folder.js';
import { readGlobals } from './load/globals.js';
import { answerPlan } from './plan/answer.js';

/** How policies are evaluated in this process. */
export interface EmbeddedOptions {
  /** The folder with the policies: the same files that Cerbos reads. */
  readonly policies: string;
  /** Whether attributes that break their schema are a denial. @defaultValue `reject` */
  readonly schemaEnforcement?: 'none' | 'warn' | 'reject' | undefined;
  /** The policy version that is asked for. @defaultValue `default` */
  readonly policyVersion?: string | undefined;
  /** What the expressions of all policies read as `globals`. @defaultValue nothing */
  readonly globals?: Attributes | undefined;
  /** Lets scoped policies widen what the base policy allows. @defaultValue `false` */
  readonly allowWideningScopes?: boolean | undefined;
}

/**
 * Evaluates Cerbos policies in this process: the same files, the same decisions, no engine beside it.
 *
 * The policies are read once. What this engine does not know in them (a function, a field, a wildcard) is refused
 * here, with file and line, so that nothing is ever decided on half a policy. `plan` is not there yet, and fails with
 * `pdp_unavailable`; so does a check that cannot be answered.
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
export async function embedded(options: EmbeddedOptions): Promise<PolicyDecisionPoint> {
  const folder = resolve(options.policies);
  if (options.allowWideningScopes !== true) await refuseWhatLintFinds(folder);
  const contents = await readFolder(folder);
  const rulebook: Rulebook = {
    table: compilePolicies(contents),
    revision: contents.revision,
    policyVersion: options.policyVersion ?? 'default',
    rejects: (options.schemaEnforcement ?? 'reject') === 'reject',
    globals: readGlobals(options.globals ?? {}),
  };
  const nextCallId = callIds();
  let closed = false;

  function refuseLate(signal: AbortSignal | undefined) {
    if (closed) throw unavailable('the engine is closed');
    if (signal?.aborted === true) throw unavailable('the caller gave up', signal.reason);
  }

  function answer(request: CheckRequest, signal: AbortSignal | undefined) {
    refuseLate(signal);
    refuseRepeatedActions(request);
    return check(rulebook, request, nextCallId());
  }

  return {
    engine,
    check(request: CheckRequest, { signal }: CallOptions = {}) {
      try {
        return Promise.resolve(answer(request, signal));
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
    close() {
      closed = true;
      return Promise.resolve();
    },
  };
}

async function refuseWhatLintFinds(folder: string): Promise<void> {
  const errors = lintPolicies(await readPolicies(folder)).filter(({ severity }) => severity === 'error');
  if (errors.length > 0)
    throw new PortcullisError('policies_invalid', errors.map(({ file, message }) => `${file}: ${message}`).join('\n'));
}

/** A mistake of the calling code, and no failure of the engine. */
class RepeatedAction extends TypeError {}

/** The caller would not know which answer is which. */
function refuseRepeatedActions({ questions }: CheckRequest): void {
  for (const { actions } of questions)
    if (actions.length > 1 && new Set(actions).size !== actions.length)
      throw new RepeatedAction('an action is asked twice on one resource');
}

/** Whatever goes wrong in here is no answer, and never an allow. */
function failureOf(error: unknown): Error {
  if (error instanceof PortcullisError || error instanceof RepeatedAction) return error;
  return unavailable('the question cannot be answered', error);
}
