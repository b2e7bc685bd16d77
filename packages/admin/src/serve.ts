import { randomUUID } from 'node:crypto';
import { isTenantId, PortcullisError, type Decision, type Identity, type Limiter } from '@portcullis/core';
import { requireAllowedOrigin, type ConnectionInfo } from '@portcullis/http';
import type { Admission, Arrival } from './admission.js';
import type { Answer } from './answer.js';
import { decide, type Deciders, type Verdict } from './authorize.js';
import type { Caller, Subject } from './caller.js';
import { hasToBeNew } from './conditional.js';
import type { Endpoint, Prepared, Scene } from './endpoint.js';
import { idempotencyKeyOf, once, type OnceOptions } from './idempotency/once.js';
import { replayedRefusal } from './idempotency/replayed-refusal.js';
import { inTime } from './in-time.js';
import { mediaTypes, queryOf, readBody } from './parse.js';
import type { PersonalLimit } from './personal-limit.js';
import { problemAnswer } from './problem.js';
import type { RecordedRequest, Recorder } from './record.js';
import { respond } from './respond.js';
import { requireScope, type AdminScopes } from './scopes.js';

/** What a request is served with. */
export interface ServeOptions {
  readonly admission: Admission;
  readonly deciders: Deciders;
  readonly recorder: Recorder;
  readonly limiter: Limiter | undefined;
  readonly personalLimit: PersonalLimit;
  readonly once: OnceOptions;
  readonly scopes: AdminScopes | undefined;
  readonly origins: ReadonlySet<string>;
  readonly maxBodyBytes: number;
  /** How long an endpoint may take, in milliseconds. */
  readonly timeoutMs: number;
  readonly metadataUrl: string;
  readonly basePath: string;
  readonly onError: (error: Error) => void;
}

/** A request that was routed. */
export interface Routed {
  readonly request: Request;
  readonly connection: ConnectionInfo;
  readonly params: Readonly<Record<string, string>>;
}

/**
 * Refusals that only a member of the tenant gets: they are on record there. Whoever tries the door of another tenant is
 * on record where it comes from, and cannot fill the other's trail.
 */
const ownTenant: ReadonlySet<string> = new Set(['tenant_suspended', 'tenant_expired']);

/** What a permitted request runs with. */
interface Permitted {
  readonly prepared: Prepared;
  readonly scene: Scene;
  readonly text: string;
}

/**
 * Serves one request of an endpoint. The order is fixed: origin, token, form, tenant, limits, policy, scope, record, and
 * only then the endpoint. What is wrong with the form is told only to those who may send the request.
 */
export async function serve(options: ServeOptions, endpoint: Endpoint, routed: Routed): Promise<Response> {
  const { recorder, metadataUrl } = options;
  const { request } = routed;
  const requestId = randomUUID();
  const recorded = recordedRequest(endpoint, routed, requestId, options.basePath);
  const arrival: Arrival = { request, connection: routed.connection, requestId, tenant: routed.params['tenant'] };
  let identity: Identity | undefined;
  let caller: Caller | undefined;
  let decisions: readonly Decision[] = [];
  let permit: Permitted;
  try {
    requireAllowedOrigin(request, options.origins);
    if (endpoint.constant !== undefined) return respond(endpoint.constant(), requestId, request);
    identity = await options.admission.identify(arrival);
    const form = await formOf(options, endpoint, routed);
    const admitted = await options.admission.admit(arrival, identity, endpoint.authorize);
    caller = admitted.caller;
    if (caller.kind === 'member') await countRequest(options.limiter, caller);
    else if (endpoint.authorize.on === 'oneself') await options.personalLimit(identity);
    const verdict = await decide(options.deciders, {
      authorize: endpoint.authorize,
      ...admitted,
      member: form.prepared?.member,
      requestId,
      signal: request.signal,
    });
    decisions = verdict.decisions;
    if (verdict.refusal !== undefined) throw verdict.refusal;
    requireScope(options.scopes, endpoint, caller.identity);
    await recorder.permit(recorded, caller, decisions);
    permit = {
      prepared: form.prepared ?? rejects(form.error),
      text: form.text,
      scene: sceneOf(caller, admitted.subject, requestId, request, verdict),
    };
  } catch (thrown) {
    const error = foreseen(thrown, options.onError);
    // Without a token it is nobody's request, and goes into no tenant's trail.
    if (identity === undefined) await recorder.refusal({ ...recorded, tenant: undefined }, error);
    else {
      const who = caller ?? identity;
      const tenant =
        caller !== undefined || ownTenant.has(error.code)
          ? recorded.tenant
          : await options.admission.home(arrival, identity);
      await recorder.denial({ ...recorded, tenant }, who, error, decisions);
    }
    return respond(problemAnswer(error, { requestId, metadataUrl }), requestId, request);
  }
  return run(options, endpoint, recorded, permit, request);
}

/** Runs a permitted request, once for its idempotency key where it has one, and records what became of it. */
async function run(
  options: ServeOptions,
  endpoint: Endpoint,
  recorded: RecordedRequest,
  { prepared, scene, text }: Permitted,
  request: Request,
): Promise<Response> {
  const { requestId, caller } = scene;
  let refusal: PortcullisError | undefined;
  let replayed = false;
  const asAnswer = (thrown: unknown): Answer => {
    refusal = foreseen(thrown, options.onError);
    return problemAnswer(refusal, { requestId, metadataUrl: options.metadataUrl });
  };
  let answer: Answer;
  try {
    requirePrecondition(endpoint, scene);
    const key = endpoint.method === 'post' ? idempotencyKeyOf(scene.header('idempotency-key')) : undefined;
    if (key === undefined) answer = await inTime(prepared.run(scene), options.timeoutMs);
    else {
      const url = new URL(request.url);
      const given = await once(
        options.once,
        { key, caller, method: request.method, target: `${url.pathname}${url.search}`, body: text },
        async () => {
          try {
            return await prepared.run(scene);
          } catch (thrown) {
            const error = foreseen(thrown, options.onError);
            // A refusal is an answer like any other; one that waiting mends is not kept.
            if (error.httpStatus === 429 || error.httpStatus >= 500) throw error;
            return asAnswer(error);
          }
        },
      );
      ({ answer, replayed } = given);
      if (replayed) {
        refusal = replayedRefusal(answer);
        answer = { ...answer, headers: { ...answer.headers, 'idempotency-replayed': 'true' } };
      }
    }
  } catch (thrown) {
    answer = asAnswer(thrown);
  }
  await options.recorder.outcome(recorded, caller, { error: refusal, replayed });
  return respond(answer, requestId, request);
}

/** The request's parts, or what is wrong with them. */
async function formOf(
  { maxBodyBytes }: ServeOptions,
  endpoint: Endpoint,
  { request, params }: Routed,
): Promise<{ readonly prepared: Prepared | undefined; readonly error: unknown; readonly text: string }> {
  try {
    const types = endpoint.schemas.body === undefined ? [] : mediaTypes(endpoint);
    const body = await readBody(request, types, maxBodyBytes);
    const query = queryOf(new URL(request.url));
    return {
      prepared: endpoint.prepare({ params, query, body: body?.value }),
      error: undefined,
      text: body?.text ?? '',
    };
  } catch (error) {
    return { prepared: undefined, error, text: '' };
  }
}

/** A request that is permitted and malformed: it runs into its own error, and that is its outcome. */
function rejects(error: unknown): Prepared {
  return {
    member: undefined,
    run: () => Promise.reject(error instanceof Error ? error : new PortcullisError('request_invalid')),
  };
}

function requirePrecondition({ conditional }: Endpoint, { header }: Scene): void {
  if (conditional === undefined || header('if-match') !== undefined) return;
  if (conditional === 'match-or-new' && hasToBeNew(header('if-none-match'))) return;
  throw new PortcullisError('precondition_required');
}

async function countRequest(limiter: Limiter | undefined, caller: Extract<Caller, { kind: 'member' }>): Promise<void> {
  try {
    await limiter?.request(caller.context);
  } catch (cause) {
    throw cause instanceof PortcullisError ? cause : new PortcullisError('limits_unavailable', undefined, { cause });
  }
}

function sceneOf(
  caller: Caller,
  subject: Subject | undefined,
  requestId: string,
  request: Request,
  verdict: Verdict,
): Scene {
  return {
    caller,
    subject,
    requestId,
    header: (name) => request.headers.get(name) ?? undefined,
    may: (action) => verdict.may(action),
    signal: request.signal,
  };
}

function recordedRequest(
  endpoint: Endpoint,
  { request, params }: Routed,
  requestId: string,
  basePath: string,
): RecordedRequest {
  const tenant = params['tenant'];
  return {
    requestId,
    method: `${endpoint.method.toUpperCase()} ${basePath}${endpoint.path}`,
    name: new URL(request.url).pathname,
    tenant: isTenantId(tenant) ? tenant : undefined,
    startedAt: performance.now(),
  };
}

/** What nobody foresaw is told to the operator, and refuses. */
function foreseen(error: unknown, onError: (error: Error) => void): PortcullisError {
  if (error instanceof PortcullisError) return error;
  onError(error instanceof Error ? error : new Error('a request failed in an unforeseen way'));
  return new PortcullisError('store_unavailable', 'the request cannot be served now', { cause: error });
}
