export type {
  Author,
  ConfigurationChange,
  ConfigurationRecorder,
  OperatorEvent,
  OperatorRecorder,
} from './administration.js';
export type { Attributes, AttributeValue } from './attributes.js';
export { readBoundedText, TooLargeError } from './bounded-text.js';
export { systemClock, type Clock } from './clock.js';
export { withDeadline } from './deadline.js';
export type {
  Action,
  CallOptions,
  CheckRequest,
  Decision,
  Effect,
  Obligation,
  Plan,
  PlanExpression,
  PlanRequest,
  PolicyDecisionPoint,
  PolicyOutput,
  Principal,
  Resource,
  ResourceQuestion,
} from './decision.js';
export {
  errorTable,
  PortcullisError,
  tokenInvalid,
  type ErrorCode,
  type ErrorOptions,
  type ErrorRow,
  type TokenRule,
} from './errors.js';
export { evaluatePlan, type KnownResource } from './evaluate-plan.js';
export type { Actor, Groups, Identity, IdentityVerifier } from './identity.js';
export type { LifecycleAction, LifecycleEvent, LifecycleRecorder } from './lifecycle.js';
export type { CallPlace, Limiter } from './limits.js';
export type { OperatorAccess, OperatorAccessRecorder, OperatorContext } from './operator.js';
export type { PolicyDocument, PolicyRule } from './policy-document.js';
export { principalOf } from './principal.js';
export type { RolePermission, TenantRole } from './role.js';
export { deepFreeze, isSealedIdentity, isSealedOperatorContext, isSealedTenantContext } from './seal.js';
export type { SessionDirectory, SessionInfo } from './session.js';
export { parseStrictJson } from './strict-json.js';
export {
  builtInRoles,
  type Impersonation,
  type IdentityProviderBinding,
  type IsolationStrategy,
  type Membership,
  type Tenant,
  type TenantContext,
  type TenantQuery,
  type TenantResolver,
  type TenantSettings,
  type TenantStatus,
} from './tenant.js';
export { isTenantId, tenantId, type TenantId } from './tenant-id.js';
export type { TenantLimits, TenantQuotas } from './tenant-limits.js';
export { allowanceOf, type PlanDefaults, type TenantPlans } from './tenant-plans.js';
export type { UsageEvent, UsageOutcome, UsageRecorder } from './usage.js';
