import { randomUUID } from 'node:crypto';
import type { McpServerFactory } from '@modelcontextprotocol/server';
import type { StdioServerHandle } from '@modelcontextprotocol/server/stdio';
import {
  PortcullisError,
  type Identity,
  type IdentityVerifier,
  type TenantContext,
  type TenantResolver,
} from '@portcullis/core';
import { guardServer } from '../transport/guard-server.js';
import type { GuardOptions } from '../transport/guard.js';
import type { Exchange } from '../enforce/exchange.js';

/**
 * Who is behind a stdio connection. There is no request to carry a token, so the operator says it: a token from the
 * environment, verified like any other, or an identity from the configuration. Without one, nothing is allowed.
 */
export interface StdioPrincipal {
  /** An access token, verified on each message. */
  readonly token?: string | undefined;
  /** An identity that the operator vouches for. */
  readonly identity?: Identity | undefined;
  /** Which tenant, where the identity belongs to several: read as the `X-Tenant-ID` header would be. */
  readonly tenant?: string | undefined;
}

/** What a stdio connection is served with. */
export interface StdioParts {
  readonly guard: Omit<GuardOptions, 'servers' | 'exchangeOf' | 'duplex'>;
  readonly identity: IdentityVerifier;
  readonly tenants: TenantResolver;
  readonly principal: StdioPrincipal;
  /** Starts the exchange of one message. Rejects where it is over a limit. */
  readonly open: (context: TenantContext, startedAt: number) => Promise<Exchange>;
}

/**
 * Serves a guarded MCP server over stdio (or another duplex transport of the SDK's), for both protocol eras.
 *
 * The identity and the tenant are established anew for each message: a token that expires, or a tenant that is
 * suspended, ends what the connection may do.
 */
export async function serveStdioGuarded(
  factory: McpServerFactory,
  parts: StdioParts,
  transport?: unknown,
): Promise<StdioServerHandle> {
  const { serveStdio } = await import('@modelcontextprotocol/server/stdio');
  const { principal, tenants } = parts;

  async function identityOf(): Promise<Identity> {
    if (principal.token !== undefined) return parts.identity.verify(principal.token);
    if (principal.identity !== undefined) return principal.identity;
    throw new PortcullisError('token_missing', 'no principal is configured for stdio');
  }

  return serveStdio(
    async (context) => {
      const product = await factory(context);
      guardServer(product, {
        ...parts.guard,
        duplex: true,
        exchangeOf: async () => {
          const startedAt = performance.now();
          const resolved = await tenants.resolve({
            identity: await identityOf(),
            requestId: randomUUID(),
            header: (name) => (name === 'x-tenant-id' ? principal.tenant : undefined),
          });
          return parts.open(resolved, startedAt);
        },
      });
      return product;
    },
    {
      onerror: parts.guard.onError,
      ...(transport === undefined
        ? {}
        : { transport: transport as NonNullable<Parameters<typeof serveStdio>[1]>['transport'] & object }),
    },
  );
}
