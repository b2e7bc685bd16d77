import type { TenantContext } from '@portcullis/core';
import type { Exchange } from '../enforce/exchange.js';

/** The shape that the MCP SDK passes along for an authenticated request. */
export interface GateAuthInfo {
  readonly token: string;
  readonly clientId: string;
  readonly scopes: string[];
  readonly expiresAt: number;
  readonly resource: URL;
  readonly resourceMetadataUrl: string;
  readonly extra: Record<string, unknown>;
}

const exchanges = new WeakMap<object, Exchange>();

/**
 * Makes the SDK's authentication info for an exchange. The bearer token is not in it: the inbound token stops at the
 * gate, and no handler can forward what it does not have.
 *
 * @see MCP authorization, "Access token privilege restriction": a token is never passed through
 */
export function authInfoFor(exchange: Exchange, resource: string, metadataUrl: string): GateAuthInfo {
  const { identity, tenant } = exchange.context;
  const info: GateAuthInfo = {
    token: '',
    clientId: identity.clientId ?? '',
    scopes: [...identity.scopes],
    expiresAt: Math.floor(identity.expiresAt / 1000),
    resource: new URL(resource),
    resourceMetadataUrl: metadataUrl,
    extra: { tenant: tenant.id, subject: identity.key },
  };
  exchanges.set(info, exchange);
  return info;
}

/** The exchange behind authentication info that the gate made; any other info has none. */
export function exchangeOf(authInfo: object | undefined): Exchange | undefined {
  return authInfo === undefined ? undefined : exchanges.get(authInfo);
}

/** Starts an exchange. */
export function openExchange(context: TenantContext, startedAt: number, signal: AbortSignal | undefined): Exchange {
  return { context, tickets: new Map(), signal, startedAt };
}
