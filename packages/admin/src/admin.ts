import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { Hono, type Context } from 'hono';
import { z } from '@hono/zod-openapi';
import { recordsConfiguration, recordsOperatorAccess, recordsOperators } from '@portcullis/audit';
import { PortcullisError, systemClock } from '@portcullis/core';
import { metadataResponse, resourceMetadata, type ConnectionInfo } from '@portcullis/http';
import { admission } from './admission.js';
import { publicEndpoint, type Endpoint } from './endpoint.js';
import { endpointsOf } from './endpoints/all.js';
import { memoryIdempotency } from './idempotency/memory.js';
import { jobs as jobRunner } from './jobs.js';
import { openApiDocument } from './openapi.js';
import type { AdminOptions } from './options.js';
import type { Parts } from './parts.js';
import { personalLimit } from './personal-limit.js';
import { positive } from './positive.js';
import { problemAnswer } from './problem.js';
import { recorder } from './record.js';
import { respond } from './respond.js';
import { serve, type ServeOptions } from './serve.js';

/** The administration API. */
export interface Admin {
  /** Serves a request: a fetch-standard handler. It answers everything below the resource's path, and its metadata. */
  fetch(request: Request, connection?: ConnectionInfo): Promise<Response>;
  /** The OpenAPI 3.1 document of the endpoints that are there. */
  readonly openapi: object;
  /** Every route, and what it needs to be allowed to do. */
  readonly routes: readonly AdminRoute[];
  /** Ends the jobs that run behind the API, each after the step that it is at, and waits for them. */
  close(): Promise<void>;
}

/** One route. */
export type AdminRoute = Pick<Endpoint, 'id' | 'method' | 'path' | 'authorize'>;

/**
 * Makes the administration API: tenants, members, roles, settings, limits, usage, sessions, trails, operators' grants.
 *
 * Every request is authenticated, brought to the tenant of its path, decided by one question to the PDP and recorded
 * before anything is done. A member administers only its own tenant: of any other the API says that there is none.
 *
 * @throws PortcullisError `config_invalid`
 * @example
 * ```text
 * const api = admin({ resource: 'https://api.example.com/admin', authorizationServers, identity, tenants, store, pdp,
 *   audit, operators });
 * app.all('/admin/*', (c) => api.fetch(c.req.raw));
 * ```
 */
export function admin(options: AdminOptions): Admin {
  const metadata = resourceMetadata(options);
  const parts = partsOf(options);
  let made: object | undefined;
  // Made when it is first read: it takes a tenth of a second.
  const openapi = (): object => (made ??= openApiDocument(all, options.resource));
  const all = [documentEndpoint(openapi), ...endpointsOf(parts)];
  const closing = new AbortController();
  // One for each request that runs.
  setMaxListeners(0, closing.signal);
  const app = router(all, serveOptions(options, parts, metadata.url, closing.signal), metadata.url);
  return {
    get openapi() {
      return openapi();
    },
    routes: all.map(({ id, method, path, authorize }) => ({ id, method, path, authorize })),
    fetch: async (request, connection = {}) =>
      metadataResponse(request, metadata) ?? app.fetch(request, { connection }),
    close: async () => {
      closing.abort();
      await parts.jobs?.close();
    },
  };
}

interface Environment {
  readonly Bindings: { readonly connection: ConnectionInfo };
}

/** Routes to endpoints. What is not there is a problem like any other. */
function router(endpoints: readonly Endpoint[], options: ServeOptions, metadataUrl: string): Hono<Environment> {
  const app = new Hono<Environment>();
  const refuse = (
    c: Context<Environment>,
    error: PortcullisError,
    headers: Readonly<Record<string, string>> = {},
  ): Response => {
    const requestId = randomUUID();
    const answer = problemAnswer(error, { requestId, metadataUrl });
    return respond({ ...answer, headers: { ...answer.headers, ...headers } }, requestId, c.req.raw);
  };
  const allowed = new Map<string, string[]>();
  for (const each of endpoints) {
    const path = `${options.basePath}${each.path.replaceAll(/\{(\w+)\}/g, ':$1')}`;
    allowed.set(path, [...(allowed.get(path) ?? []), each.method.toUpperCase()]);
    app.on(each.method.toUpperCase(), path, (c) =>
      serve(options, each, { request: c.req.raw, connection: c.env.connection, params: c.req.param() }),
    );
  }
  for (const [path, methods] of allowed) {
    const allow = methods.includes('GET') ? [...methods, 'HEAD'] : methods;
    app.all(path, (c) => refuse(c, new PortcullisError('method_not_allowed'), { allow: allow.sort().join(', ') }));
  }
  app.notFound((c) => refuse(c, new PortcullisError('not_found')));
  app.onError((error, c) => {
    options.onError(error);
    return refuse(c, new PortcullisError('store_unavailable', 'the request cannot be served now', { cause: error }));
  });
  return app;
}

function documentEndpoint(document: () => object): Endpoint {
  return publicEndpoint(
    {
      id: 'getOpenApi',
      path: '/openapi.json',
      tag: 'self',
      summary: 'This description',
      answers: { 200: { description: 'OpenAPI 3.1.', schema: z.record(z.string(), z.unknown()) } },
    },
    () => ({ status: 200, body: document() }),
  );
}

function partsOf(options: AdminOptions): Parts {
  const { lifecycle } = options;
  return {
    store: options.store,
    tenants: options.tenants,
    tenantHeader: options.tenantHeader ?? 'x-tenant-id',
    record: options.record ?? recordsConfiguration(options.audit),
    recordOperators: recordsOperators(options.audit),
    operatorAccess: recordsOperatorAccess(options.audit),
    plans: options.plans,
    providers: options.providers ?? [],
    operators: options.operators,
    members: options.members,
    roles: options.roles,
    invitations: options.invitations,
    domains: options.domains,
    usage: options.usage,
    trails: options.trails,
    lifecycle,
    jobs: lifecycle === undefined ? undefined : jobRunner(lifecycle, onErrorOf(options)),
    jobTtlMs: options.jobTtlMs ?? 3_600_000,
    sessions: options.sessions,
    basePath: basePathOf(options),
    clock: options.clock ?? systemClock,
  };
}

function serveOptions(options: AdminOptions, parts: Parts, metadataUrl: string, closing: AbortSignal): ServeOptions {
  const onError = onErrorOf(options);
  const timeoutMs = positive('timeoutMs', options.timeoutMs ?? 30_000);
  const { clock } = options;
  return {
    admission: admission({
      identity: options.identity,
      tenants: parts.tenants,
      store: parts.store,
      operators: parts.operators,
      tenantHeader: parts.tenantHeader,
      grantHeader: options.grantHeader ?? 'x-operator-grant',
    }),
    deciders: { pdp: options.pdp, operators: parts.operators },
    recorder: recorder({ audit: options.audit, onError }),
    limiter: options.limiter,
    personalLimit: personalLimit(positive('personalRequestsPerMinute', options.personalRequestsPerMinute ?? 60)),
    once: {
      store: options.idempotency ?? memoryIdempotency(clock === undefined ? {} : { clock }),
      ttlMs: positive('idempotencyTtlMs', options.idempotencyTtlMs ?? 86_400_000),
      // Long enough for a renewal to fail once or twice.
      leaseMs: timeoutMs * 2,
      timeoutMs,
      closing,
      onError,
    },
    scopes: options.scopes,
    origins: new Set([new URL(options.resource).origin, ...(options.allowedOrigins ?? [])]),
    maxBodyBytes: positive('maxBodyBytes', options.maxBodyBytes ?? 256 * 1024),
    timeoutMs,
    metadataUrl,
    basePath: parts.basePath,
    onError,
  };
}

function basePathOf({ resource }: AdminOptions): string {
  const path = new URL(resource).pathname.replace(/\/$/, '');
  if (!/^(?:\/[\w.~-]+)*$/.test(path))
    throw new PortcullisError('config_invalid', 'resource: the path has to be of letters, digits, "-", "." and "_"');
  return path;
}

function onErrorOf({ onError }: AdminOptions): (error: Error) => void {
  return (
    onError ??
    ((error) => {
      console.error('portcullis admin:', error.message);
    })
  );
}
