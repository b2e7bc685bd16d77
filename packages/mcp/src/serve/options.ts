import type { AuditSink } from '@portcullis/audit';
import type {
  Clock,
  IdentityVerifier,
  Limiter,
  PolicyDecisionPoint,
  TenantContext,
  TenantResolver,
  UsageRecorder,
} from '@portcullis/core';
import type { ApprovalStore } from '../approval/store.js';
import type { ObligationHandlers } from '../enforce/obligations.js';
import type { ScopeImplications } from '../enforce/scopes.js';

/** How a gate is set up. */
export interface GateOptions<Storage> {
  /** Who are you. */
  readonly identity: IdentityVerifier;
  /** For which tenant. */
  readonly tenants: TenantResolver;
  /** May you. The gate does not close it. */
  readonly pdp: PolicyDecisionPoint;
  /** Where decisions and outcomes are recorded. The gate does not close it. */
  readonly audit: AuditSink;
  /** Holds tenants and users to their limits. The gate does not close it. @defaultValue no limits */
  readonly limiter?: Limiter | undefined;
  /** Counts requests by tenant, user and tool. The gate does not close it. @defaultValue nothing is counted */
  readonly usage?: UsageRecorder | undefined;
  /** Makes the storage that a tool gets, of the context that it runs in. */
  readonly storage?: ((context: TenantContext) => Storage) | undefined;
  /** The public URL of the MCP endpoint: the audience that tokens are issued for. */
  readonly resource: string;
  /** The issuers of the authorization servers that clients may get tokens from. */
  readonly authorizationServers: readonly string[];
  /** Scopes a client may ask for, for the metadata document. */
  readonly scopesSupported?: readonly string[] | undefined;
  /** A name for people, for the metadata document. */
  readonly resourceName?: string | undefined;
  /** Browser origins that may call. @defaultValue the resource's own */
  readonly allowedOrigins?: readonly string[] | undefined;
  /** The largest request body, in bytes. @defaultValue 4 MiB */
  readonly maxBodyBytes?: number | undefined;
  /** Carries out obligations by type. One without a handler denies its call. */
  readonly obligations?: ObligationHandlers | undefined;
  /** How human approvals are kept. */
  readonly approvals?:
    | {
        /** At least 32 bytes, the same on all replicas. @defaultValue random: one process only */
        readonly key?: Uint8Array | undefined;
        /** In milliseconds. @defaultValue 300000 */
        readonly ttlMs?: number | undefined;
        /** @defaultValue in memory: one process only */
        readonly store?: ApprovalStore | undefined;
      }
    | undefined;
  /** Which scopes include others. */
  readonly scopeImplies?: ScopeImplications | undefined;
  /** How a denied tool call is answered: a JSON-RPC error, or a tool result with `isError`. @defaultValue `error` */
  readonly denials?: 'error' | 'tool_result' | undefined;
  /** What an allowed call does whose decision cannot be recorded. @defaultValue `deny` */
  readonly auditFailure?: 'deny' | 'allow' | undefined;
  /** What is recorded of a tool's arguments. @defaultValue `none` */
  readonly recordArguments?: 'none' | 'names' | 'redacted' | 'hash' | undefined;
  /** How often an open stream looks again at the tenant and the membership, in milliseconds. @defaultValue 15000 */
  readonly recheckMs?: number | undefined;
  readonly clock?: Clock | undefined;
  /** Hears of failures that no caller can be told of. @defaultValue written to standard error */
  readonly onError?: ((error: Error) => void) | undefined;
}
