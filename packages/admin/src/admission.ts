import {
  isTenantId,
  PortcullisError,
  type Identity,
  type IdentityVerifier,
  type TenantContext,
  type TenantId,
  type TenantQuery,
  type TenantResolver,
} from '@portcullis/core';
import { bearerToken, type ConnectionInfo } from '@portcullis/http';
import type { TenantStore } from '@portcullis/tenants';
import type { Caller, OperatorCaller, Subject } from './caller.js';
import type { Authorization } from './endpoint.js';
import type { AdminOperators } from './ports.js';

/** What admission takes. */
export interface AdmissionOptions {
  readonly identity: IdentityVerifier;
  readonly tenants: TenantResolver;
  readonly store: Pick<TenantStore, 'getTenant'>;
  readonly operators: AdminOperators | undefined;
  readonly tenantHeader: string;
  readonly grantHeader: string;
}

/** A request on its way in. */
export interface Arrival {
  readonly request: Request;
  readonly connection: ConnectionInfo;
  readonly requestId: string;
  /** The tenant of the path, as it stands there; `undefined` where the path names none. */
  readonly tenant: string | undefined;
}

/** Establishes who sends a request, and for which tenant it may be at all. */
export interface Admission {
  /** @throws PortcullisError `token_missing`, `token_invalid`, `keys_unavailable`, `request_invalid` */
  identify(arrival: Arrival): Promise<Identity>;
  /**
   * The caller and the tenant of the path.
   *
   * @throws PortcullisError `cross_tenant` for a tenant that is not the caller's, whether there is one or not;
   * `tenant_suspended`, `tenant_expired`, `denied`, `not_found`, `grant_required`, `grant_invalid`, `request_invalid`
   */
  admit(
    arrival: Arrival,
    identity: Identity,
    on: Authorization,
  ): Promise<{ readonly caller: Caller; readonly subject: Subject | undefined }>;
  /** The tenant that an identity acts in when it names none: for the record of what it tried elsewhere. */
  home(arrival: Arrival, identity: Identity): Promise<TenantId | undefined>;
}

const reasonHeader = 'x-operator-reason';

/** Answers to a tenant that is not the caller's, and to one that does not exist: the caller is told the same of all. */
const elsewhere: ReadonlySet<string> = new Set([
  'not_a_member',
  'tenant_unknown',
  'tenant_mismatch',
  'tenant_required',
]);

/** Makes the admission of an administration API. */
export function admission(options: AdmissionOptions): Admission {
  const { tenants, store, operators, tenantHeader, grantHeader } = options;

  async function member(arrival: Arrival, identity: Identity, id: TenantId): Promise<TenantContext> {
    let context: TenantContext;
    try {
      context = await tenants.resolve(queryOf(arrival, identity, id));
    } catch (error) {
      if (error instanceof PortcullisError && elsewhere.has(error.code)) throw crossTenant(id, error);
      throw error;
    }
    // The path selects among the caller's own tenants: what was resolved is that one, or nothing happens.
    if (context.tenant.id !== id) throw crossTenant(id);
    return context;
  }

  async function ofTenant(
    arrival: Arrival,
    identity: Identity,
    on: Extract<Authorization, { on: 'tenant' }>,
  ): Promise<{ readonly caller: Caller; readonly subject: Subject }> {
    const { request, tenant: named } = arrival;
    if (!isTenantId(named)) throw crossTenant(String(named));
    const header = request.headers.get(tenantHeader);
    if (header !== null && header !== named)
      throw new PortcullisError('request_invalid', `the path and \`${tenantHeader}\` name different tenants`);
    const isActing = request.headers.has(grantHeader);
    if (!isActing && operators?.isOperator(identity) === true) {
      const caller: OperatorCaller = { kind: 'operator', identity, reason: reasonOf(request) };
      const tenant = await store.getTenant(named);
      if (tenant === undefined && on.mayBeAbsent !== true) throw new PortcullisError('not_found');
      return { caller, subject: { id: named, tenant } };
    }
    const context = await member(arrival, identity, named);
    // A resolver that does not know of grants would take the operator for a member.
    if (isActing && context.impersonation === undefined) throw new PortcullisError('grant_invalid');
    return {
      caller: { kind: 'member', identity: context.identity, context },
      subject: { id: named, tenant: context.tenant },
    };
  }

  /** An operator, as one: not by a grant, which is for one tenant. */
  function requireOperator({ request }: Arrival, identity: Identity): void {
    if (request.headers.has(grantHeader)) throw new PortcullisError('grant_invalid');
    if (operators?.isOperator(identity) !== true)
      throw new PortcullisError('denied', undefined, { detail: 'the identity is no operator’s' });
  }

  return {
    identify: ({ request }) =>
      options.identity.verify(bearerToken(request.headers.get('authorization')), { signal: request.signal }),
    async admit(arrival, identity, on) {
      switch (on.on) {
        case 'nobody':
        case 'oneself':
          return { caller: { kind: 'person', identity }, subject: undefined };
        case 'operator':
          requireOperator(arrival, identity);
          return { caller: { kind: 'person', identity }, subject: undefined };
        case 'platform':
          requireOperator(arrival, identity);
          return { caller: { kind: 'operator', identity, reason: reasonOf(arrival.request) }, subject: undefined };
        case 'tenant':
          return ofTenant(arrival, identity, on);
      }
    },
    async home(arrival, identity) {
      try {
        const { requestId, connection, request } = arrival;
        const host = hostOf(request);
        const query = { identity, requestId, host, header: () => undefined, peerAddress: connection.peerAddress };
        return (await tenants.resolve(query)).tenant.id;
      } catch {
        // The record is then the system's.
        return undefined;
      }
    },
  };

  /** The caller's headers, but for the one that names a tenant: here the path does. */
  function queryOf({ request, connection, requestId }: Arrival, identity: Identity, tenant: TenantId): TenantQuery {
    return {
      identity,
      requestId,
      host: hostOf(request),
      header: (name) => (name === tenantHeader ? tenant : (request.headers.get(name) ?? undefined)),
      peerAddress: connection.peerAddress,
    };
  }
}

function hostOf(request: Request): string {
  return request.headers.get('host') ?? new URL(request.url).host;
}

/**
 * An operator's own words, without which no operator does anything. They are shown to the tenant: on one line, and
 * nothing in them that a terminal acts on. What else the operators' service asks of them, it says itself.
 */
function reasonOf(request: Request): string {
  const reason = request.headers.get(reasonHeader)?.trim() ?? '';
  // A header may hold any byte, and reads as ISO 8859-1: 0x9b is as good as the beginning of an escape sequence.
  if (/^[\x20-\x7e]{10,500}$/.test(reason)) return reason;
  throw new PortcullisError(
    'request_invalid',
    `an operator says why: \`${reasonHeader}\`, 10 to 500 printable characters of ASCII`,
    { data: { field: reasonHeader } },
  );
}

function crossTenant(id: string, cause?: unknown): PortcullisError {
  return new PortcullisError('cross_tenant', undefined, {
    detail: `no tenant of the caller's: ${JSON.stringify(id.slice(0, 80))}`,
    cause,
  });
}
