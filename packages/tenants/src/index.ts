export type { Actor, SystemActor } from './membership/actor.js';
export type { DomainClaim } from './membership/domain-claim.js';
export {
  domainClaims,
  type DomainChallenge,
  type DomainClaims,
  type DomainClaimsOptions,
  type DomainReview,
  type TxtResolver,
} from './membership/domain-claims.js';
export type { Invitation } from './membership/invitation.js';
export {
  invitations,
  type Invitations,
  type InvitationsOptions,
  type NewInvitation,
  type OpenInvitation,
} from './membership/invitations.js';
export { members, type Members, type MembersOptions } from './membership/members.js';
export type { UnstoredRoles } from './membership/unstored-roles.js';
export type { Invalidations, TenantChange } from './registry/invalidations.js';
export { registry, requireGoodStanding, type Registry, type RegistryOptions } from './registry/registry.js';
export { hintReader, type HintOptions, type HintReader, type Hints } from './resolver/hints.js';
export { resolver, type ResolverOptions } from './resolver/resolver.js';
export {
  migrateToTenants,
  undoMigration,
  type AddedMember,
  type ExistingUser,
  type MigrationJournal,
  type MigrationOptions,
  type MigrationReport,
  type UndoReport,
} from './single-tenant/migrate.js';
export {
  singleTenant,
  systemTenant,
  type SingleTenantOptions,
  type SingleTenantRoles,
} from './single-tenant/single-tenant.js';
export { tenancy, type TenancyOptions } from './single-tenant/tenancy.js';
export { memoryStore, type MemoryStoreOptions } from './store/memory.js';
export type { NewTenant, TenantUpdate } from './store/record.js';
export type {
  AddMemberOptions,
  ChangeOptions,
  DeleteOptions,
  ListOptions,
  Page,
  PageOptions,
  TenantPage,
  TenantStore,
} from './store/store.js';
