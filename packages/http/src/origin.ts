import { PortcullisError } from '@portcullis/core';

/**
 * Refuses a browser's request from an origin that is not listed, so that no web page can drive an MCP server that its
 * visitor can reach (DNS rebinding). A request without an `Origin` is no browser's, and passes.
 *
 * @param allowed - whole origins, as `https://app.example.com`
 * @throws PortcullisError `origin_refused`
 * @see MCP specification, transports, "Security warning"; RFC 6454, section 7
 */
export function requireAllowedOrigin(request: Request, allowed: ReadonlySet<string>): void {
  const origin = request.headers.get('origin');
  if (origin !== null && !allowed.has(origin)) throw new PortcullisError('origin_refused');
}
