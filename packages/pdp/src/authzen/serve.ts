import {
  parseStrictJson,
  PortcullisError,
  readBoundedText,
  TooLargeError,
  type AttributeValue,
  type PolicyDecisionPoint,
} from '@portcullis/core';
import { z } from 'zod';
import { atLeast } from '../at-least.js';
import { askWithin } from '../client/ask-within.js';
import { tell } from '../client/tell.js';
import { allowInsecureRequests, below, metadataUrl, readPdpUrl } from './endpoints.js';
import { decide, toAnswer } from './serve-answer.js';
import {
  readBatchRequest,
  readSingleRequest,
  type ServedLimits,
  type ServedQuestion,
  type ServedRequest,
} from './serve-question.js';
import { requestIdOf } from './transport.js';
import { evaluationPath, evaluationsPath, subjectType } from './wire.js';

const callerSchema = z.object({ tenants: z.union([z.literal('any'), z.array(z.string()).readonly()]) });

/** Who asks: a gateway or a service that was recognized. */
export interface AuthzenCaller {
  /**
   * The tenants about which it may ask. It says who the subject is and what roles that one has: a caller that may ask
   * about a tenant is trusted with that tenant, and one of a tenant's own must not learn about another's.
   */
  readonly tenants: readonly string[] | 'any';
}

/** What `authenticate` may look at. The body has not been read. */
export type AuthzenCall = Pick<Request, 'headers' | 'method' | 'url'>;

/** How an engine is offered. */
export interface ServeAuthzenOptions {
  /** The identifier of this PDP, as callers know it: `https://pdp.example.com`. Endpoints are below it. */
  readonly url: string;
  /** Recognizes the caller; `undefined` is a 401. `'none'` lets anybody ask about anything: say it aloud. */
  readonly authenticate:
    ((call: AuthzenCall) => AuthzenCaller | undefined | Promise<AuthzenCaller | undefined>) | 'none';
  /**
   * The subject types that are taken. An engine knows principals by their ids alone: where there are several types,
   * no two subjects may share an id.
   *
   * @defaultValue `['identity']`, COAZ-MCP's
   */
  readonly subjectTypes?: readonly string[] | undefined;
  /** Tells callers that ask (`context["cerbos.includeMeta"]`) which policy decided, and its outputs. @defaultValue `false` */
  readonly explain?: boolean | undefined;
  /** The largest body that is read, in bytes. @defaultValue 256 KiB */
  readonly maxBodyBytes?: number | undefined;
  /** The most evaluations in one request. @defaultValue 100 */
  readonly maxEvaluations?: number | undefined;
  /** How long an answer may take in all, in milliseconds. @defaultValue 5000 */
  readonly deadlineMs?: number | undefined;
  /**
   * Hears of every error, with the detail that callers are not told: also before anybody is recognized, so that it must
   * not do much for each. What it throws or rejects with is dropped.
   */
  readonly onError?: ((error: unknown, about: { readonly requestId: string }) => void) | undefined;
  /** Lets `url` be `http:` beyond this machine, as behind a proxy that ends TLS. */
  readonly [allowInsecureRequests]?: boolean | undefined;
}

type Read = (body: AttributeValue, limits: ServedLimits) => ServedRequest;

/**
 * Offers an engine as an AuthZEN PDP: a fetch handler for the metadata, `evaluation` and `evaluations`.
 *
 * A question names the tenant that owns the resource (`resource.properties.tenant`), and may name roles, scope and
 * version as for a Cerbos PDP; without a scope it is the tenant's. An action's properties and the context are the
 * attributes `action` and `context` of the resource, as in a guarded MCP call. The handler does not close the engine.
 *
 * Answers 200 with decisions, or 400, 401, 403 (another's tenant), 404, 405, 413, 415, 500, and 503 where the engine
 * could not be asked: never a decision then.
 *
 * @throws PortcullisError `config_invalid`
 * @see https://openid.net/specs/authorization-api-1_0.html
 */
export function serveAuthzen(
  pdp: PolicyDecisionPoint,
  options: ServeAuthzenOptions,
): (request: Request) => Promise<Response> {
  const url = readPdpUrl(options.url, 'url', options[allowInsecureRequests] === true);
  const { authenticate } = options;
  // Callers in JavaScript, and configuration that was not there: nothing given is not the same as 'none'.
  if (authenticate !== 'none' && typeof authenticate !== 'function')
    throw new PortcullisError('config_invalid', "`authenticate` has to be a function, or 'none'");
  const limits: ServedLimits = {
    subjectTypes: options.subjectTypes ?? [subjectType],
    maxEvaluations: atLeast(1, 'maxEvaluations', options.maxEvaluations ?? 100),
  };
  const maxBodyBytes = atLeast(1, 'maxBodyBytes', options.maxBodyBytes ?? 256 * 1024);
  const deadlineMs = atLeast(1, 'deadlineMs', options.deadlineMs ?? 5000);
  const metadata = {
    policy_decision_point: options.url,
    access_evaluation_endpoint: below(url, evaluationPath),
    access_evaluations_endpoint: below(url, evaluationsPath),
  };
  const metadataPath = new URL(metadataUrl(url)).pathname;
  const readers: ReadonlyMap<string, Read> = new Map([
    [new URL(metadata.access_evaluation_endpoint).pathname, readSingleRequest],
    [new URL(metadata.access_evaluations_endpoint).pathname, readBatchRequest],
  ]);

  async function recognize(request: Request): Promise<AuthzenCaller> {
    if (authenticate === 'none') return { tenants: 'any' };
    const { headers, method } = request;
    const caller = await authenticate({ headers, method, url: request.url });
    if (caller === undefined) throw new PortcullisError('token_invalid', 'the caller is not known');
    return callerSchema.parse(caller);
  }

  async function answer(request: Request, read: Read, requestId: string, signal: AbortSignal): Promise<AttributeValue> {
    const caller = await recognize(request);
    signal.throwIfAborted();
    const served = read(await readBody(request, maxBodyBytes), limits);
    for (const question of served.questions) requireTenant(caller, question);
    const decisions = await decide(pdp, served.questions, requestId, { signal });
    return toAnswer(served, decisions, options.explain ?? false);
  }

  return async (request) => {
    const requestId = requestIdOf(request.headers.get('x-request-id') ?? undefined);
    const { pathname } = new URL(request.url);
    const refuse = (error: unknown, more?: Readonly<Record<string, string>>): Response => {
      tell((event) => options.onError?.(event, { requestId }), error);
      return failed(error, requestId, more);
    };
    const read = readers.get(pathname);
    const method = pathname === metadataPath ? 'GET' : 'POST';
    if (read === undefined && method === 'POST') return refuse(new PortcullisError('not_found'));
    if (request.method !== method) return refuse(new PortcullisError('method_not_allowed'), { allow: method });
    if (read === undefined) return json(metadata, requestId);
    try {
      const patience = { signal: request.signal, deadlineMs };
      return json(await askWithin((signal) => answer(request, read, requestId, signal), patience), requestId);
    } catch (error) {
      return refuse(error);
    }
  };
}

/** A caller of some tenants asks about those alone: about their resources, their people, under their policies. */
function requireTenant({ tenants }: AuthzenCaller, { resource, principal, scope }: ServedQuestion): void {
  if (tenants === 'any') return;
  const { tenant: principals = resource.tenant } = principal.attr;
  const knows = (tenant: AttributeValue): boolean => typeof tenant === 'string' && tenants.includes(tenant);
  const isOwnScope = tenants.some((tenant) => scope === tenant || scope.startsWith(`${tenant}.`));
  if (knows(resource.tenant) && knows(principals) && isOwnScope) return;
  throw new PortcullisError('denied', 'the caller may not ask about this tenant', {
    detail: `a question about tenant ${resource.tenant} in scope ${JSON.stringify(scope.slice(0, 80))}`,
  });
}

async function readBody(request: Request, maxBytes: number): Promise<AttributeValue> {
  if (!/^application\/json\s*(;|$)/i.test(request.headers.get('content-type') ?? ''))
    throw new PortcullisError('media_type_unsupported');
  const text = await readText(request, maxBytes);
  try {
    return parseStrictJson(text);
  } catch (cause) {
    throw new PortcullisError('request_invalid', 'the body is not JSON, or can be read in two ways', { cause });
  }
}

async function readText(request: Request, maxBytes: number): Promise<string> {
  try {
    return await readBoundedText(request, maxBytes);
  } catch (cause) {
    if (cause instanceof TooLargeError) throw new PortcullisError('request_too_large', undefined, { cause });
    throw new PortcullisError('request_invalid', 'the body cannot be read', { cause });
  }
}

const common = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

function json(body: AttributeValue, requestId: string): Response {
  return Response.json(body, { headers: { ...common, 'x-request-id': requestId } });
}

/** An error is a message in plain text. @see AuthZEN Authorization API 1.0, "Error responses" */
function failed(error: unknown, requestId: string, more: Readonly<Record<string, string>> = {}): Response {
  const known = error instanceof PortcullisError ? error : undefined;
  const status = known?.httpStatus ?? 500;
  const headers = { ...common, 'content-type': 'text/plain; charset=utf-8', 'x-request-id': requestId, ...more };
  if (status === 401) Object.assign(headers, { 'www-authenticate': 'Bearer' });
  return new Response(known?.toPublic().message ?? 'the request could not be answered', { status, headers });
}
