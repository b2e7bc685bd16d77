import type { ErrorCode } from '@portcullis/core';
import type { Endpoint } from './endpoint.js';

const everywhere: readonly ErrorCode[] = ['origin_refused'];
const withToken: readonly ErrorCode[] = [
  'token_missing',
  'token_invalid',
  'keys_unavailable',
  'request_invalid',
  'audit_unavailable',
  'store_unavailable',
  'scope_insufficient',
];
const decided: readonly ErrorCode[] = [
  'denied',
  'obligation_failed',
  'pdp_unavailable',
  'grant_invalid',
  'grants_unavailable',
];
const ofTenant: readonly ErrorCode[] = [
  'not_found',
  'tenant_suspended',
  'tenant_expired',
  'host_refused',
  'grant_required',
  'rate_limited',
  'quota_exceeded',
  'limits_unavailable',
];
const withBody: readonly ErrorCode[] = ['json_invalid', 'media_type_unsupported', 'request_too_large'];
const conditional: readonly ErrorCode[] = ['precondition_required', 'precondition_failed'];
const idempotent: readonly ErrorCode[] = ['idempotency_mismatch', 'conflict', 'limit_exceeded'];

/** The codes that an endpoint answers with: what its description says, and what every one like it shares. */
export function errorsOf(endpoint: Endpoint): readonly ErrorCode[] {
  const { authorize, method, schemas } = endpoint;
  const isDecided = authorize.on !== 'nobody' && authorize.on !== 'oneself';
  return [
    ...new Set([
      ...everywhere,
      ...(authorize.on === 'nobody' ? [] : withToken),
      ...(isDecided ? decided : []),
      ...(authorize.on === 'tenant' ? ofTenant : []),
      ...(authorize.on === 'oneself' ? (['rate_limited'] as const) : []),
      // A request that takes no body and brings one may bring too large a one.
      ...(method === 'get' ? [] : schemas.body === undefined ? (['request_too_large'] as const) : withBody),
      ...(endpoint.conditional === undefined ? [] : conditional),
      ...(method === 'post' ? idempotent : []),
      ...(endpoint.errors ?? []),
    ]),
  ];
}
