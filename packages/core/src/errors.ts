/** One row of the table of errors: how an error of this code is answered. */
export interface ErrorRow {
  /** The HTTP status of an answer that is not inside a JSON-RPC exchange. */
  readonly http: number;
  /** The JSON-RPC error code. */
  readonly rpc: number;
  /** What the caller may read, when the error names nothing better. */
  readonly title: string;
  /** What it means, and what to do: one line for the reference page. */
  readonly help: string;
}

const unauthenticated = -32000;
const denied = -32001;
const limited = -32029;
const invalidParams = -32602;
const internal = -32603;

/**
 * The table of errors: the one place that gives a code its HTTP status and its JSON-RPC code.
 *
 * The JSON-RPC codes for a mapping error (`-32602`), a denial (`-32001`) and an unreachable PDP (`-32603`) are those
 * of COAZ-MCP, the AuthZEN binding for MCP; `-32020` is MCP's own for headers that contradict the body.
 */
export const errorTable = {
  token_missing: {
    http: 401,
    rpc: unauthenticated,
    title: 'a bearer token is required',
    help: 'The request has no `Authorization: Bearer` header. Get a token from one of the authorization servers in the protected-resource metadata.',
  },
  token_invalid: {
    http: 401,
    rpc: unauthenticated,
    title: 'the bearer token is not valid',
    help: 'The token broke a rule; `data.rule` names the rule, and where one is at fault, the claim. Get a new token.',
  },
  keys_unavailable: {
    http: 503,
    rpc: internal,
    title: 'the token cannot be verified now',
    help: 'The issuer’s signing keys cannot be fetched and no usable copy is cached. Nothing is accepted until they can.',
  },
  scope_insufficient: {
    http: 403,
    rpc: denied,
    title: 'the token lacks a scope',
    help: 'Policy would allow the call, but the client was not granted every scope it needs. The `WWW-Authenticate` header lists them all; ask for them and retry.',
  },
  origin_refused: {
    http: 403,
    rpc: unauthenticated,
    title: 'the origin is not allowed',
    help: 'A browser sent an `Origin` that is not on the list of allowed origins.',
  },
  host_refused: {
    http: 421,
    rpc: unauthenticated,
    title: 'the host is not served here',
    help: 'The `Host` header names none of the configured hosts.',
  },
  request_invalid: {
    http: 400,
    rpc: -32600,
    title: 'the request is malformed',
    help: 'The body is not JSON-RPC or can be read in two ways, or a header is malformed or repeated.',
  },
  json_invalid: {
    http: 400,
    rpc: -32700,
    title: 'the body is not JSON',
    help: 'The body is empty or does not parse.',
  },
  media_type_unsupported: {
    http: 415,
    rpc: -32000,
    title: 'the body has to be application/json',
    help: 'MCP messages are sent as `application/json`.',
  },
  method_not_allowed: {
    http: 405,
    rpc: -32601,
    title: 'the resource has no such method',
    help: 'The path is there, the HTTP method is not one of its own: the `Allow` header lists those that are.',
  },
  request_too_large: {
    http: 413,
    rpc: -32600,
    title: 'the request is too large',
    help: 'The body is larger than the configured limit.',
  },
  header_mismatch: {
    http: 400,
    rpc: -32020,
    title: 'headers contradict the body',
    help: '`Mcp-Method` or `Mcp-Name` says something else than the JSON-RPC body. Only the body is ever authorized.',
  },
  session_unknown: {
    http: 404,
    rpc: denied,
    title: 'session not found',
    help: 'There is no such session, it has ended, or it belongs to another identity or tenant. Start a new one.',
  },
  tenant_required: {
    http: 400,
    rpc: invalidParams,
    title: 'choose a tenant',
    help: 'The identity belongs to several tenants and the request names none; `data.tenants` lists them. Send `X-Tenant-ID` or use the tenant’s subdomain.',
  },
  tenant_unknown: {
    http: 403,
    rpc: denied,
    title: 'the tenant is not known',
    help: 'The token speaks for a tenant that is not registered here.',
  },
  tenant_suspended: {
    http: 403,
    rpc: denied,
    title: 'the tenant is suspended',
    help: 'The tenant has been suspended by its operator.',
  },
  tenant_expired: {
    http: 403,
    rpc: denied,
    title: 'the tenant’s trial has ended',
    help: 'The tenant’s trial period is over.',
  },
  not_a_member: {
    http: 403,
    rpc: denied,
    title: 'not a member of this tenant',
    help: 'The identity does not belong to the tenant that the request names. Whether that tenant exists is not told.',
  },
  tenant_mismatch: {
    http: 403,
    rpc: denied,
    title: 'the request names two different tenants',
    help: 'The token, the host and the `X-Tenant-ID` header do not agree, or the issuer may not speak for the tenant.',
  },
  cross_tenant: {
    http: 403,
    rpc: denied,
    title: 'denied',
    help: 'The call named a resource of another tenant. It was refused before the PDP was asked, and recorded as a cross-tenant attempt. The caller reads `denied`.',
  },
  denied: { http: 403, rpc: denied, title: 'denied', help: 'Policy does not allow it. More scope would not help.' },
  method_unknown: {
    http: 403,
    rpc: denied,
    title: 'denied',
    help: 'The gate has no authorization rule for this MCP method. The caller reads `denied`.',
  },
  obligation_failed: {
    http: 403,
    rpc: denied,
    title: 'denied',
    help: 'Policy allows it under an obligation that could not be carried out.',
  },
  approval_required: {
    http: 403,
    rpc: denied,
    title: 'a person has to approve this call',
    help: 'Policy asks for a human approval and the client cannot show the question, or the answer was no.',
  },
  limit_exceeded: {
    http: 429,
    rpc: limited,
    title: 'a limit is reached',
    help: 'The server itself has reached what it can hold (open sessions, revoked tokens): `data.limit` says which.',
  },
  rate_limited: {
    http: 429,
    rpc: limited,
    title: 'too many requests',
    help: 'The tenant or the user has sent as many requests as its rate allows: `data.limit` and `data.scope` say which. Retry after `data.retryAfterMs`, which is when the next request would pass; the `Retry-After` header says the same in seconds.',
  },
  quota_exceeded: {
    http: 429,
    rpc: limited,
    title: 'the quota is used up',
    help: 'The tenant has used all that its plan gives: `data.quota`, `data.used`, `data.allowed`. Where the quota comes back with time, `data.retryAfterMs` says when.',
  },
  concurrency_exceeded: {
    http: 429,
    rpc: limited,
    title: 'too many calls at one time',
    help: 'As many calls of the tenant or the user run as may run at one time: `data.limit` and `data.scope` say which. Retry when one of them has ended.',
  },
  limits_unavailable: {
    http: 503,
    rpc: internal,
    title: 'the limits cannot be checked',
    help: 'The counters behind the limits cannot be reached, and the limiter is set to let nothing through without them.',
  },
  mapping_error: {
    http: 400,
    rpc: invalidParams,
    title: 'the call cannot be mapped to a question',
    help: 'The tool’s authorization mapping failed: a field is missing, an expression failed, or the mapping is malformed. `data.field` names it.',
  },
  pdp_unavailable: {
    http: 503,
    rpc: internal,
    title: 'the decision point cannot be asked',
    help: 'The PDP did not answer in time, could not be reached, or answered nonsense. Nothing runs.',
  },
  store_unavailable: {
    http: 503,
    rpc: internal,
    title: 'the tenant store cannot be asked',
    help: 'The tenant registry could not be read. Nothing runs.',
  },
  storage_refused: {
    http: 403,
    rpc: denied,
    title: 'the storage refused the operation',
    help: 'A key, path or context was not acceptable to the tenant’s storage.',
  },
  storage_unavailable: {
    http: 503,
    rpc: internal,
    title: 'the storage cannot be reached',
    help: 'The backend behind the tenant’s storage failed.',
  },
  storage_not_provisioned: {
    http: 503,
    rpc: internal,
    title: 'the storage cannot be reached',
    help: 'The tenant has no schema, bucket or folder yet, or no longer. Provision it.',
  },
  storage_conflict: {
    http: 409,
    rpc: internal,
    title: 'the operation met another one, try again',
    help: 'A transaction could not be serialized with others, also after the retries. Nothing of it was kept.',
  },
  storage_unproven: {
    http: 500,
    rpc: internal,
    title: 'the isolation of the storage is not proven',
    help: 'Found at start-up by `verify()`: `findings` names each table, role or setting that falls short, and what to do.',
  },
  plan_untranslatable: {
    http: 500,
    rpc: internal,
    title: 'the list cannot be answered',
    help: 'The policy’s query plan has an operator, an attribute or a type that the column map cannot express as SQL. No query ran; it is never made wider instead.',
  },
  audit_unavailable: {
    http: 503,
    rpc: internal,
    title: 'the audit record cannot be written',
    help: 'The audit sink refused the record, so the call did not run.',
  },
  conflict: {
    http: 409,
    rpc: invalidParams,
    title: 'the record was changed or exists already',
    help: 'A record with this id exists, or it changed since it was read.',
  },
  precondition_failed: {
    http: 412,
    rpc: invalidParams,
    title: 'the record has changed since it was read',
    help: '`If-Match` names another version than the present one. Read the record again and decide anew.',
  },
  precondition_required: {
    http: 428,
    rpc: invalidParams,
    title: 'say which version is to be changed',
    help: 'A change needs `If-Match` with the `ETag` of the record that it is based on.',
  },
  idempotency_mismatch: {
    http: 422,
    rpc: invalidParams,
    title: 'the idempotency key was used for another request',
    help: 'The same `Idempotency-Key` came with another method, path or body. Use a new key for a new request.',
  },
  not_found: {
    http: 404,
    rpc: invalidParams,
    title: 'not found',
    help: 'There is no such record, or the caller may not know of it.',
  },
  last_owner: {
    http: 409,
    rpc: invalidParams,
    title: 'the last owner cannot leave',
    help: 'A tenant keeps at least one member with the role `owner`. Make somebody else an owner first.',
  },
  invitation_invalid: {
    http: 403,
    rpc: denied,
    title: 'the invitation does not hold',
    help: 'The invitation is unknown, used, revoked or expired, or is meant for another address. The caller is not told which.',
  },
  domain_unverified: {
    http: 409,
    rpc: invalidParams,
    title: 'the domain is not verified',
    help: 'The TXT record of the domain claim was not found. Publish it, wait for DNS, and verify again.',
  },
  role_invalid: {
    http: 400,
    rpc: invalidParams,
    title: 'the role cannot be expressed',
    help: 'A role of a tenant’s own has a permission, a condition or a parent that cannot be a Cerbos role policy: `data.field` names it.',
  },
  grant_required: {
    http: 403,
    rpc: denied,
    title: 'an operator needs a grant to act in a tenant',
    help: 'The identity is an operator’s and belongs to no tenant. Ask for a grant with a reason, and name it in `X-Operator-Grant`.',
  },
  grant_invalid: {
    http: 403,
    rpc: denied,
    title: 'the grant does not hold',
    help: 'The grant is unknown, expired, revoked, not approved yet, for another tenant or for another operator. The caller is not told which.',
  },
  grants_unavailable: {
    http: 503,
    rpc: internal,
    title: 'grants cannot be checked',
    help: 'The store of operators’ grants cannot be reached. No operator acts until it can.',
  },
  config_invalid: {
    http: 500,
    rpc: internal,
    title: 'the configuration is not valid',
    help: 'Found at start-up. The message names the option.',
  },
  policies_invalid: {
    http: 500,
    rpc: internal,
    title: 'the policies are not valid',
    help: 'Found at start-up or on an edit. The message carries the engine’s own.',
  },
  tools_unreconciled: {
    http: 500,
    rpc: internal,
    title: 'tools and policies do not fit together',
    help: 'Found at start-up: a tool no policy can allow, a policy for no tool, a tool without a mapping, or a changed definition.',
  },
} as const satisfies Record<string, ErrorRow>;

/** A stable error code: part of the public contract. */
export type ErrorCode = keyof typeof errorTable;

/**
 * The rule that a refused token broke, as `rule` of a `token_invalid` error.
 *
 * `format`: not a compact JWS, or lax base64url, or too large, or JSON with duplicate keys · `header`: a header
 * parameter that is not allowed (`crit`, `typ`) · `algorithm` · `issuer` · `key`: no acceptable key · `signature` ·
 * `audience` · `expired` · `not_yet_valid` · `lifetime`: lives too long or is too old · `type`: an id token in place
 * of an access token, or the like · `claim`: a claim is missing or malformed, see `claim` · `revoked`.
 */
export type TokenRule =
  | 'format'
  | 'header'
  | 'algorithm'
  | 'issuer'
  | 'key'
  | 'signature'
  | 'audience'
  | 'expired'
  | 'not_yet_valid'
  | 'lifetime'
  | 'type'
  | 'claim'
  | 'revoked';

/** What may be said about an error beside its code. */
export interface ErrorOptions {
  /** What an operator may read: never sent to the caller. Never a token or a secret. */
  readonly detail?: string;
  /** Facts for the caller, sent as `data` of the JSON-RPC error. Only what the caller may know. */
  readonly data?: Readonly<Record<string, unknown>>;
  /** The error underneath. */
  readonly cause?: unknown;
}

/**
 * Every refusal and failure of Portcullis.
 *
 * `message` is for the caller: one line, lower case, and true without giving anything away. `detail` is for the
 * operator. Neither carries a token.
 *
 * @example
 * ```ts
 * import { PortcullisError } from '@portcullis/core';
 *
 * const isSuspended = (error: unknown): boolean =>
 *   error instanceof PortcullisError && error.code === 'tenant_suspended';
 * ```
 */
export class PortcullisError extends Error {
  override readonly name = 'PortcullisError';
  readonly code: ErrorCode;
  readonly detail: string | undefined;
  readonly data: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message?: string, options: ErrorOptions = {}) {
    super(message ?? errorTable[code].title, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.detail = options.detail;
    this.data = options.data ?? {};
  }

  /** The HTTP status of this error's code. */
  get httpStatus(): number {
    return errorTable[this.code].http;
  }

  /** The JSON-RPC error code of this error's code. */
  get rpcCode(): number {
    return errorTable[this.code].rpc;
  }

  /**
   * The error as the caller reads it. Codes that would tell the caller about something hidden (another tenant's
   * resource, a method the gate does not know) read as `denied`.
   */
  toPublic(): { readonly code: number; readonly message: string; readonly data: Readonly<Record<string, unknown>> } {
    if (hidden.has(this.code)) {
      return { code: errorTable.denied.rpc, message: errorTable.denied.title, data: { code: 'denied' } };
    }
    return { code: this.rpcCode, message: this.message, data: { ...this.data, code: this.code } };
  }
}

const hidden: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['cross_tenant', 'method_unknown']);

/**
 * Makes a `token_invalid` error.
 *
 * @param rule - the rule that the token broke
 * @param message - one line for the caller; names the claim where one is at fault, never the token
 */
export function tokenInvalid(
  rule: TokenRule,
  message: string,
  options: ErrorOptions & { readonly claim?: string } = {},
): PortcullisError {
  const { claim, ...rest } = options;
  return new PortcullisError('token_invalid', message, {
    ...rest,
    data: { ...rest.data, rule, ...(claim === undefined ? {} : { claim }) },
  });
}
