import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import {
  PortcullisError,
  type Attributes,
  type AttributeValue,
  type CallOptions,
  type CheckRequest,
  type Decision,
  type PolicyDecisionPoint,
  type PolicyOutput,
  type ResourceQuestion,
} from '@portcullis/core';
import { obligationsOf } from '../obligations.js';
import { lintPolicies } from '../policies/lint.js';
import { readPolicies } from '../policies/read.js';
import { unavailable } from '../unavailable.js';
import type { PrincipalValue } from './cel/expression.js';
import { failed, type CelMap, type CelValue } from './cel/value.js';
import { compilePolicies } from './compile/compile.js';
import type { AttributeSchema, Table } from './compile/table.js';
import { readAttributes } from './evaluate/attributes.js';
import { decide, type Output, type Verdict } from './evaluate/decide.js';
import { groundOf, type Ground } from './evaluate/ground.js';
import { Question } from './evaluate/question.js';
import { malformation } from './evaluate/request.js';
import { readFolder } from './load/folder.js';

/** The name of the engine in decisions. */
const engine = 'embedded';

/** The role of a principal that has none in the tenant, as in the Cerbos adapter: `*` in a rule means it too. */
const noRole = 'none';

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
  const table = compilePolicies(await readFolder(folder));
  const rejects = (options.schemaEnforcement ?? 'reject') === 'reject';
  const globals = readAttributes(options.globals ?? {});
  let closed = false;

  function answer(request: CheckRequest): readonly (readonly Decision[])[] {
    const startedAt = performance.now();
    const policyVersion = request.policyVersion ?? options.policyVersion ?? 'default';
    const wrong = malformation(request, policyVersion);
    if (wrong !== undefined) throw unavailable(wrong);
    const principal = principalOf(request);
    const callId = randomUUID();
    return request.questions.map((question) => {
      const asked = new Question({
        principal,
        resource: resourceOf(question),
        scope: request.scope,
        policyVersion: policyVersion || 'default',
        globals,
      });
      const verdicts = verdictsOn(table, asked, question.actions, rejects);
      return toDecisions(question, verdicts, policyVersion, callId, startedAt);
    });
  }

  return {
    engine,
    check(request: CheckRequest, { signal }: CallOptions = {}) {
      return new Promise((fulfil) => {
        if (closed) throw unavailable('the engine is closed');
        if (signal?.aborted === true) throw unavailable('the caller gave up', signal.reason);
        refuseRepeatedActions(request);
        fulfil(answered(() => answer(request)));
      });
    },
    plan() {
      return Promise.reject(unavailable('this engine has no query plans yet'));
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

/** The caller would not know which answer is which. */
function refuseRepeatedActions({ questions }: CheckRequest): void {
  for (const { actions } of questions)
    if (new Set(actions).size !== actions.length) throw new TypeError('an action is asked twice on one resource');
}

/** Whatever goes wrong in here is no answer, and never an allow. */
function answered<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof PortcullisError) throw error;
    throw unavailable('the question cannot be answered', error);
  }
}

function principalOf({ principal }: CheckRequest): PrincipalValue {
  return {
    id: principal.id,
    roles: principal.roles.length === 0 ? [noRole] : [...principal.roles],
    attr: readAttributes(principal.attr),
  };
}

/** The attribute `tenant` is always the resource's owner, whatever else was said. */
function resourceOf({ resource }: ResourceQuestion): Question['resource'] {
  return {
    kind: resource.kind,
    id: resource.id,
    attr: readAttributes({ ...resource.attr, tenant: resource.tenant }),
  };
}

function verdictsOn(
  table: Table,
  question: Question,
  actions: readonly string[],
  rejects: boolean,
): readonly Verdict[] {
  const ground = groundOf(table, question);
  if (rejects && isRejected(ground, question, actions))
    return actions.map(() => ({ effect: 'deny', policy: ground.resourcePolicy, scope: '', outputs: [] }));
  return actions.map((action) => decide(ground, question, action));
}

/** Whether attributes break the schemas of the policy that the question is for. */
function isRejected(ground: Ground, { principal, resource }: Question, actions: readonly string[]): boolean {
  const { schemas } = ground;
  if (schemas === undefined) return false;
  return breaks(schemas.principal, principal.attr, actions) || breaks(schemas.resource, resource.attr, actions);
}

function breaks(schema: AttributeSchema | undefined, attributes: CelMap, actions: readonly string[]): boolean {
  if (schema === undefined) return false;
  const isIgnored = (action: string): boolean => schema.ignoredActions.some((matches) => matches(action));
  return !actions.every(isIgnored) && !schema.accepts(attributes);
}

function toDecisions(
  { resource, actions }: ResourceQuestion,
  verdicts: readonly Verdict[],
  policyVersion: string,
  callId: string,
  startedAt: number,
): readonly Decision[] {
  // An output that could not be computed may have been an obligation, on whichever action.
  const broken = verdicts.some(({ outputs }) => outputs.some(({ value }) => value === failed));
  const durationMs = performance.now() - startedAt;
  return verdicts.map(({ effect, policy, scope, outputs: said }, position) => {
    const action = actions[position] ?? '';
    const outputs = said.map((output) => toOutput(output, action));
    const obligations = obligationsOf(outputs);
    return {
      effect,
      action,
      resource: { kind: resource.kind, id: resource.id },
      policy,
      policyVersion,
      scope,
      outputs,
      obligations: broken ? [...obligations, { id: 'output', type: 'malformed', properties: {} }] : obligations,
      callId,
      durationMs,
      engine,
    };
  });
}

function toOutput({ source, value }: Output, action: string): PolicyOutput {
  return { source, action, value: value === failed ? null : toJson(value) };
}

/** A value as JSON: an int that a double cannot hold exactly becomes text, as in Cerbos. */
function toJson(value: CelValue): AttributeValue {
  if (typeof value === 'bigint') {
    const isSafe = value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER);
    return isSafe ? Number(value) : String(value);
  }
  if (typeof value === 'number' && !Number.isFinite(value)) throw unavailable('an output is not a finite number');
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item: CelValue) => toJson(item));
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, toJson(member)]));
}
