import { randomUUID } from 'node:crypto';
import {
  PortcullisError,
  type AttributeValue,
  type Identity,
  type IdentityVerifier,
  type TenantContext,
  type TenantResolver,
} from '@portcullis/core';
import { requireHeaderAgreement } from './agreement.js';
import { bearerToken } from './bearer.js';
import { readJsonBody } from './body.js';
import { refusalResponse } from './challenge.js';
import { metadataResponse, resourceMetadata, type ResourceMetadata, type ResourceMetadataOptions } from './metadata.js';
import { requireAllowedOrigin } from './origin.js';
import { withoutToken } from './without-token.js';

/** How the HTTP edge is set up. */
export interface EdgeOptions extends ResourceMetadataOptions {
  readonly identity: IdentityVerifier;
  readonly tenants: TenantResolver;
  /** Browser origins that may call, as `https://app.example.com`. The resource's own origin always may. */
  readonly allowedOrigins?: readonly string[] | undefined;
  /** The largest request body, in bytes. @defaultValue 4 MiB, as the MCP SDK's */
  readonly maxBodyBytes?: number | undefined;
  /** Hears of each request that was refused before any decision. */
  readonly onRefusal?: ((refusal: Refusal) => Promise<void>) | undefined;
}

/** A request that did not get past the edge. */
export interface Refusal {
  readonly requestId: string;
  readonly error: PortcullisError;
  /** Present when the token was good and the tenant was not. */
  readonly identity?: Identity | undefined;
  readonly latencyMs: number;
}

/** A request that did: who, for which tenant, and the body that was read. */
export interface Admission {
  readonly requestId: string;
  readonly context: TenantContext;
  /** The parsed body of a POST; `undefined` when there is none or it is not JSON. */
  readonly body: AttributeValue | undefined;
  /** The request without the token, which stops here: nothing behind can forward it. Its body has been read. */
  readonly request: Request;
  /** `performance.now()` when the request arrived. */
  readonly startedAt: number;
}

/** What the server around the edge knows of a connection. */
export interface ConnectionInfo {
  /** The address of the direct peer. Forwarded headers count only where it is a trusted proxy. */
  readonly peerAddress?: string | undefined;
}

/** The HTTP edge: nothing passes it without a verified identity in a tenant in good standing. */
export interface Edge {
  readonly metadata: ResourceMetadata;
  /** A `Response` is the final answer: a refusal, or the protected-resource metadata. */
  admit(request: Request, connection?: ConnectionInfo): Promise<Admission | Response>;
  /** The HTTP answer to a refusal that was found later, with the same challenges. */
  refuse(error: PortcullisError, rpcId?: string | number, requestId?: string): Response;
}

/**
 * Puts authentication and tenant resolution in front of a fetch-standard handler.
 *
 * The order is fixed: origin, token, headers against body, tenant. Whatever comes first and fails answers; the PDP is
 * asked by what stands behind.
 *
 * @example
 * ```text
 * const admitted = await httpEdge.admit(request);
 * if (admitted instanceof Response) return admitted;
 * return serve(admitted.context);
 * ```
 */
export function edge(options: EdgeOptions): Edge {
  const metadata = resourceMetadata(options);
  const origins = new Set([new URL(options.resource).origin, ...(options.allowedOrigins ?? [])]);
  const maxBodyBytes = options.maxBodyBytes ?? 4 * 1024 * 1024;

  const refuse = (error: PortcullisError, rpcId?: string | number, requestId?: string): Response =>
    refusalResponse(error, { metadataUrl: metadata.url, rpcId, requestId });

  return {
    metadata,
    refuse,
    async admit(request, connection = {}) {
      const wellKnown = metadataResponse(request, metadata);
      if (wellKnown !== undefined) return wellKnown;
      const requestId = randomUUID();
      const startedAt = performance.now();
      let identity: Identity | undefined;
      let body: AttributeValue | undefined;
      try {
        requireAllowedOrigin(request, origins);
        const token = bearerToken(request.headers.get('authorization'));
        identity = await options.identity.verify(token, { signal: request.signal });
        if (request.method === 'POST') {
          body = await readJsonBody(request, maxBodyBytes);
          if (body !== undefined) requireHeaderAgreement(request.headers, body);
        }
        const context = await options.tenants.resolve({
          identity,
          requestId,
          host: request.headers.get('host') ?? new URL(request.url).host,
          header: (name) => request.headers.get(name) ?? undefined,
          peerAddress: connection.peerAddress,
        });
        return { requestId, context, body, request: withoutToken(request), startedAt };
      } catch (error) {
        const refusal = asPortcullisError(error);
        await options.onRefusal?.({ requestId, error: refusal, identity, latencyMs: performance.now() - startedAt });
        return refuse(refusal, rpcIdOf(body), requestId);
      }
    },
  };
}

/** Anything unforeseen refuses, as an unavailable decision would: an unknown state is never a yes. */
function asPortcullisError(error: unknown): PortcullisError {
  if (error instanceof PortcullisError) return error;
  return new PortcullisError('store_unavailable', 'the request cannot be admitted now', { cause: error });
}

function rpcIdOf(body: AttributeValue | undefined): string | number | undefined {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return undefined;
  const id = (body as Readonly<Record<string, AttributeValue>>)['id'];
  return typeof id === 'string' || typeof id === 'number' ? id : undefined;
}
