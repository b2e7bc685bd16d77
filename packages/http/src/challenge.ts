import type { PortcullisError } from '@portcullis/core';

/** What a challenge tells beside the error. */
export interface ChallengeContext {
  /** Where the protected-resource metadata is. */
  readonly metadataUrl: string;
  /** The id of the JSON-RPC request that is being refused, when it is known. */
  readonly rpcId?: string | number | undefined;
  /** Correlates the answer with the audit log. */
  readonly requestId?: string | undefined;
}

/**
 * The HTTP answer to a refusal: the status of its code, a JSON-RPC error as the body, and the Bearer challenge that
 * belongs to it.
 *
 * A challenge is sent where a new token helps: no token, a bad one, or too little scope. A policy denial carries none:
 * asking for more scope cannot help.
 *
 * @example
 * ```text
 * HTTP/1.1 401 Unauthorized
 * WWW-Authenticate: Bearer resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
 * ```
 * @see RFC 6750, section 3; RFC 9728, section 5.1; MCP authorization, "Scope challenge handling"
 */
export function refusalResponse(error: PortcullisError, context: ChallengeContext): Response {
  const { code, message, data } = error.toPublic();
  const headers = new Headers({ 'content-type': 'application/json', 'cache-control': 'no-store' });
  const challenge = bearerChallenge(error, context.metadataUrl);
  if (challenge !== undefined) headers.set('www-authenticate', challenge);
  const retryAfterMs = error.data['retryAfterMs'];
  if (typeof retryAfterMs === 'number') headers.set('retry-after', String(Math.ceil(retryAfterMs / 1000)));
  const body = {
    jsonrpc: '2.0',
    id: context.rpcId ?? null,
    error: { code, message, data: context.requestId === undefined ? data : { ...data, requestId: context.requestId } },
  };
  return new Response(JSON.stringify(body), { status: error.httpStatus, headers });
}

function bearerChallenge(error: PortcullisError, metadataUrl: string): string | undefined {
  const metadata = `resource_metadata=${quoted(metadataUrl)}`;
  switch (error.code) {
    case 'token_missing':
      return `Bearer ${metadata}`;
    case 'token_invalid':
      return `Bearer error="invalid_token", error_description=${quoted(error.message)}, ${metadata}`;
    case 'scope_insufficient': {
      const scopes = error.data['scopes'];
      const list = Array.isArray(scopes) ? scopes.filter((scope) => typeof scope === 'string').join(' ') : '';
      return `Bearer error="insufficient_scope", scope=${quoted(list)}, error_description=${quoted(error.message)}, ${metadata}`;
    }
    default:
      return undefined;
  }
}

/** A quoted-string of RFC 9110, section 5.6.4, of printable ASCII only. */
function quoted(text: string): string {
  return `"${text.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&')}"`;
}
