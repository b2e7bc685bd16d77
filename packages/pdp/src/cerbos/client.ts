import type { SecureContext } from 'node:tls';
import { NotOK, PlanKind, Status, type CheckResourcesResponse } from '@cerbos/core';
import { GRPC } from '@cerbos/grpc';
import {
  PortcullisError,
  type CallOptions,
  type CheckRequest,
  type Decision,
  type Plan,
  type PlanRequest,
  type PolicyDecisionPoint,
  type ResourceQuestion,
} from '@portcullis/core';
import { Circuit } from '../client/circuit.js';
import { coalesced } from '../client/coalesced.js';
import { refused, unavailable } from '../unavailable.js';
import {
  engineName,
  toDecisions,
  toPlanExpression,
  toPrincipal,
  toResourceAttributes,
  toResourceCheck,
} from './translate.js';

/** How Cerbos is asked. */
export interface CerbosOptions {
  /**
   * `false`: plaintext, for a unix socket or the same machine. `true`: TLS with the well-known roots. A secure context
   * of `node:tls` carries other roots, or a client certificate for mutual TLS.
   *
   * @defaultValue `false` for `unix:` and loopback targets, `true` for others
   */
  readonly tls?: boolean | SecureContext | undefined;
  /** How long a question may take in all, retries included, in milliseconds. @defaultValue 1000 */
  readonly deadlineMs?: number | undefined;
  /** How often a question is asked again after a transport error, each time at the next endpoint. @defaultValue 2 */
  readonly retries?: number | undefined;
  /** The policy version that is asked for. @defaultValue `default` */
  readonly policyVersion?: string | undefined;
  /** How many failures in a row open an endpoint's circuit. @defaultValue 5 */
  readonly circuitFailures?: number | undefined;
  /** How long an open circuit stays open, in milliseconds. @defaultValue 1000 */
  readonly circuitOpenMs?: number | undefined;
  /** Lets concurrent questions of one principal share a request. @defaultValue `false` */
  readonly coalesce?: boolean | undefined;
  /** The most resources in one request: the engine's `server.requestLimits.maxResourcesPerRequest`. @defaultValue 50 */
  readonly maxResources?: number | undefined;
  /** The most actions on one resource: the engine's `server.requestLimits.maxActionsPerResource`. @defaultValue 50 */
  readonly maxActions?: number | undefined;
}

interface Endpoint {
  readonly client: GRPC;
  readonly circuit: Circuit;
}

const loopback = /^(unix:|localhost(:|$)|127(\.\d{1,3}){3}(:|$)|\[::1\](:|$))/;

/**
 * Asks Cerbos PDPs over gRPC.
 *
 * The client of the engine has no deadline of its own, and a frozen engine would hold a call for ever: every question
 * here has one. Whatever goes wrong is `pdp_unavailable`; nothing but an explicit `EFFECT_ALLOW` is an allow.
 *
 * @param targets - one address or several: `unix:/run/cerbos.sock`, `cerbos.internal:3593`
 * @example
 * ```ts
 * import { cerbos } from '@portcullis/pdp/cerbos';
 *
 * const pdp = cerbos('unix:/run/cerbos.sock', { deadlineMs: 250 });
 * await pdp.close();
 * ```
 */
export function cerbos(targets: string | readonly string[], options: CerbosOptions = {}): PolicyDecisionPoint {
  const addresses = typeof targets === 'string' ? [targets] : targets;
  if (addresses.length === 0) throw new PortcullisError('config_invalid', 'cerbos: at least one target is required');
  const endpoints = addresses.map((address) => connect(address, options));
  const deadlineMs = options.deadlineMs ?? 1000;
  const retries = options.retries ?? 2;
  const maxResources = options.maxResources ?? 50;
  const maxActions = options.maxActions ?? 50;
  let next = 0;
  let closed = false;

  /** Runs one call within its deadline, at one endpoint after the other. */
  async function call<T>(
    run: (client: GRPC, signal: AbortSignal) => Promise<T>,
    { signal: outer }: CallOptions,
  ): Promise<T> {
    if (closed) throw unavailable('the client is closed');
    if (hasGivenUp(outer)) throw unavailable('the caller gave up', outer?.reason);
    const controller = new AbortController();
    const timer = setTimeout(() => {
      controller.abort(deadlinePassed);
    }, deadlineMs);
    const giveUp = (): void => {
      controller.abort(outer?.reason);
    };
    outer?.addEventListener('abort', giveUp, { once: true });
    let failure: unknown;
    try {
      for (let attempt = 0; attempt <= retries; attempt++) {
        const picked = pick();
        if (picked === undefined) throw failed('no endpoint has answered lately', failure);
        const { client, circuit, admission } = picked;
        try {
          const result = await run(client, controller.signal);
          circuit.succeeded(admission);
          return result;
        } catch (error) {
          failure = error;
          if (hasGivenUp(outer)) {
            circuit.abandoned(admission);
            throw failed('the caller gave up', error);
          }
          if (isRefusalOfTheQuestion(error)) {
            circuit.succeeded(admission);
            throw refused(`the engine refused the question: ${error.message}`, error);
          }
          circuit.failed(admission);
          if (controller.signal.aborted) throw failed(`no answer within ${String(deadlineMs)} ms`, error);
          if (!isTransportError(error)) throw failed('the engine failed', error);
        }
      }
      throw failed('the engine cannot be reached', failure);
    } finally {
      clearTimeout(timer);
      outer?.removeEventListener('abort', giveUp);
    }
  }

  function pick(): (Endpoint & { readonly admission: number }) | undefined {
    const order = [...endpoints.slice(next), ...endpoints.slice(0, next)];
    next = (next + 1) % endpoints.length;
    for (const endpoint of order) {
      const admission = endpoint.circuit.admits();
      if (admission !== undefined) return { ...endpoint, admission };
    }
    return undefined;
  }

  async function checkPart(
    request: CheckRequest,
    questions: readonly ResourceQuestion[],
    callOptions: CallOptions,
  ): Promise<readonly (readonly Decision[])[]> {
    const policyVersion = request.policyVersion ?? options.policyVersion ?? 'default';
    const startedAt = performance.now();
    // Not within the call: a question that cannot be asked says nothing of an endpoint.
    const question = {
      principal: toPrincipal(request.principal, request.scope, policyVersion),
      resources: questions.map((one) => toResourceCheck(one, request.scope, policyVersion)),
      includeMetadata: true,
      ...(request.requestId === undefined ? {} : { requestId: request.requestId }),
    };
    const response: CheckResourcesResponse = await call(
      (client, signal) => client.checkResources(question, { signal }),
      callOptions,
    );
    return toDecisions(request, questions, response, policyVersion, performance.now() - startedAt);
  }

  async function check(
    request: CheckRequest,
    callOptions: CallOptions = {},
  ): Promise<readonly (readonly Decision[])[]> {
    for (const { actions } of request.questions) {
      if (new Set(actions).size !== actions.length) throw new TypeError('an action is asked twice on one resource');
    }
    const parts = split(request.questions, maxResources, maxActions);
    const [only] = parts;
    if (only === undefined) return [];
    if (only.questions === request.questions) return checkPart(request, only.questions, callOptions);
    const answers = await Promise.all(parts.map(({ questions }) => checkPart(request, questions, callOptions)));
    return join(request.questions, parts, answers);
  }

  const pdp: PolicyDecisionPoint = {
    engine: engineName,
    check,
    async plan(request: PlanRequest, callOptions: CallOptions = {}): Promise<Plan> {
      const policyVersion = request.policyVersion ?? options.policyVersion ?? 'default';
      const startedAt = performance.now();
      const { kind, action, scope } = request;
      const question = {
        principal: toPrincipal(request.principal, scope, policyVersion),
        resource: { kind, attr: toResourceAttributes(request, [action]), scope, policyVersion },
        action,
        ...(request.requestId === undefined ? {} : { requestId: request.requestId }),
      };
      const response = await call((client, signal) => client.planResources(question, { signal }), callOptions);
      const about = { callId: response.cerbosCallId, durationMs: performance.now() - startedAt, engine: engineName };
      switch (response.kind) {
        case PlanKind.ALWAYS_ALLOWED:
          return { ...about, outcome: 'always_allowed' };
        case PlanKind.ALWAYS_DENIED:
          return { ...about, outcome: 'always_denied' };
        case PlanKind.CONDITIONAL:
          return { ...about, outcome: 'conditional', condition: toPlanExpression(response.condition) };
        default:
          throw unavailable('the plan is of an unknown kind');
      }
    },
    close() {
      closed = true;
      for (const { client } of endpoints) client.close();
      return Promise.resolve();
    },
  };
  return options.coalesce === true ? coalesced(pdp, { maxQuestions: maxResources }) : pdp;
}

function connect(address: string, options: CerbosOptions): Endpoint {
  const client = new GRPC(address, {
    tls: options.tls ?? !loopback.test(address),
    channelOptions: {
      // Without a bound the backoff grows to two minutes, and the engine is long back before it is noticed.
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1000,
      // Retries are ours: within one deadline, and at another endpoint.
      'grpc.enable_retries': 0,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_http_proxy': 0,
      'grpc.service_config_disable_resolution': 1,
    },
  });
  return {
    client,
    circuit: new Circuit({ failures: options.circuitFailures ?? 5, openMs: options.circuitOpenMs ?? 1000 }),
  };
}

const deadlinePassed = new Error('deadline');

function hasGivenUp(signal: AbortSignal | undefined): boolean {
  return signal?.aborted ?? false;
}

/** Errors after which the question may not have reached the engine: it can be asked again. A check changes nothing. */
function isTransportError(error: unknown): boolean {
  return error instanceof NotOK && error.code === Status.UNAVAILABLE;
}

/** The engine is well and says that the question is not. */
function isRefusalOfTheQuestion(error: unknown): error is NotOK {
  return error instanceof NotOK && error.code === Status.INVALID_ARGUMENT;
}

/** With what the engine, or the transport to it, said. */
function failed(detail: string, cause: unknown): PortcullisError {
  return unavailable(cause instanceof NotOK ? `${detail}: ${cause.message}` : detail, cause);
}

interface Part {
  readonly questions: readonly ResourceQuestion[];
  /** For each question of the part: which of the original questions it belongs to. */
  readonly origins: readonly number[];
}

/** Splits questions into requests that the engine accepts, keeping their order. */
function split(questions: readonly ResourceQuestion[], maxResources: number, maxActions: number): readonly Part[] {
  if (questions.length <= maxResources && questions.every(({ actions }) => actions.length <= maxActions)) {
    return questions.length === 0 ? [] : [{ questions, origins: questions.map((_question, index) => index) }];
  }
  const pieces = questions.flatMap((question, origin) =>
    chunks(question.actions, maxActions).map((actions) => ({
      question: { resource: question.resource, actions },
      origin,
    })),
  );
  return chunks(pieces, maxResources).map((part) => ({
    questions: part.map(({ question }) => question),
    origins: part.map(({ origin }) => origin),
  }));
}

function join(
  questions: readonly ResourceQuestion[],
  parts: readonly Part[],
  answers: readonly (readonly (readonly Decision[])[])[],
): readonly (readonly Decision[])[] {
  const joined: Decision[][] = questions.map(() => []);
  parts.forEach((part, partIndex) => {
    part.origins.forEach((origin, index) => {
      joined[origin]?.push(...(answers[partIndex]?.[index] ?? []));
    });
  });
  return joined;
}

function chunks<T>(items: readonly T[], size: number): readonly (readonly T[])[] {
  const result: (readonly T[])[] = [];
  for (let start = 0; start < items.length; start += size) result.push(items.slice(start, start + size));
  return result;
}
