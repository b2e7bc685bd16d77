import {
  PortcullisError,
  systemClock,
  type Clock,
  type ConfigurationRecorder,
  type IdentityProviderBinding,
  type Membership,
  type TenantId,
} from '@portcullis/core';
import { members, requireGivable, type Members } from '../membership/members.js';
import type { TenantStore } from '../store/store.js';
import { authorityIn, recorded } from '../membership/actor.js';
import { systemTenant } from './single-tenant.js';

/** A user as the server knows it today. */
export interface ExistingUser {
  /** `Identity.key`: the name of the provider, `#`, and the user's subject there. */
  readonly userId: string;
  readonly roles: readonly string[];
}

/** A member that a migration added. */
export type AddedMember = Pick<Membership, 'userId' | 'roles' | 'joinedAt' | 'version'>;

/** What a migration did: all that is needed to undo it. Plain JSON; keep it. */
export interface MigrationJournal {
  readonly tenant: TenantId;
  /** The version of the tenant's record, where the migration made it. */
  readonly createdTenant?: number | undefined;
  readonly added: readonly AddedMember[];
}

/** How users are migrated. */
export interface MigrationOptions {
  /** All users of the server. */
  readonly users: Iterable<ExistingUser> | AsyncIterable<ExistingUser>;
  /** The tenant that they become members of. @defaultValue `system` */
  readonly tenant?: TenantId | undefined;
  /** Made if it is not there. @defaultValue `System` */
  readonly name?: string | undefined;
  /**
   * Which identities may speak for the tenant, if it is made here: one binding for each provider that your users come
   * from. Without them, nobody gets in once the server has many tenants.
   */
  readonly identityProviders?: readonly IdentityProviderBinding[] | undefined;
  /** Tells what would be done, and does nothing. @defaultValue `false` */
  readonly dryRun?: boolean | undefined;
  /** Hears of each change before it is made. */
  readonly record: ConfigurationRecorder;
  /** The journal of a run that was cut short: this one goes on from it. */
  readonly journal?: MigrationJournal | undefined;
  /** How many users are added before progress is told. @defaultValue 100 */
  readonly batchSize?: number | undefined;
  /** Hears of each batch, with the journal so far, and is waited for: what it keeps survives a crash. */
  readonly onProgress?: ((progress: MigrationReport) => void | Promise<void>) | undefined;
  /** Ends the run after the batch that is under way. */
  readonly signal?: AbortSignal | undefined;
  readonly clock?: Clock | undefined;
}

/** What became of the users. */
export interface MigrationReport {
  readonly dryRun: boolean;
  /** How many users were looked at. */
  readonly users: number;
  readonly added: number;
  /** Members already, by an earlier run or otherwise: they keep the roles that they have. */
  readonly kept: number;
  /** Users who cannot be members, and why. */
  readonly refused: readonly { readonly userId: string; readonly problem: string }[];
  /** Whether the tenant has an owner: one is needed before anybody can administer it. */
  readonly hasOwner: boolean;
  readonly journal: MigrationJournal;
}

const actor = { system: 'migration', requestId: 'migration' };

/**
 * Makes the users of a server with one tenant members of a tenant, so that the server can have many.
 *
 * It can be run again at any time: who is a member stays as it is. Rows, keys and files are not touched; `undoMigration`
 * takes back exactly what it did.
 *
 * @throws PortcullisError `store_unavailable`, `audit_unavailable`: run it again, with the last journal that `onProgress`
 * was given; `config_invalid`
 * @example
 * ```ts
 * import { memoryStore, migrateToTenants } from '@portcullis/tenants';
 *
 * const users = [{ userId: 'auth0#auth0|alice', roles: ['owner'] }];
 * const record = () => Promise.resolve();
 * const { added } = await migrateToTenants(memoryStore(), { users, record, dryRun: true });
 * console.log(added); // prints: 1
 * ```
 */
export async function migrateToTenants(store: TenantStore, options: MigrationOptions): Promise<MigrationReport> {
  const { tenant = systemTenant, dryRun = false, record, batchSize = 100, clock = systemClock, signal } = options;
  if (options.journal !== undefined && options.journal.tenant !== tenant)
    throw new PortcullisError('config_invalid', 'the journal is of another tenant');
  if (!Number.isSafeInteger(batchSize) || batchSize < 1)
    throw new PortcullisError('config_invalid', 'batchSize: has to be a positive integer');
  const createdTenant = (await makeTenant(store, tenant, options)) ?? options.journal?.createdTenant;
  const service = members({ store, record, clock });
  const added: AddedMember[] = [...(options.journal?.added ?? [])];
  const refused: { userId: string; problem: string }[] = [];
  const count = { users: 0, added: 0, kept: 0 };
  let hasOwner = dryRun ? false : (await store.getMembers(tenant)).some(({ roles }) => roles.includes('owner'));

  const reportNow = (): MigrationReport => ({
    dryRun,
    ...count,
    refused: [...refused],
    hasOwner,
    journal: { tenant, ...(createdTenant === undefined ? {} : { createdTenant }), added: [...added] },
  });

  const seen = new Set<string>();
  for await (const user of options.users) {
    count.users++;
    const outcome = seen.has(user.userId) ? 'kept' : await addOne(store, service, tenant, user, dryRun);
    seen.add(user.userId);
    if (outcome === 'kept') count.kept++;
    else if ('problem' in outcome) refused.push({ userId: user.userId, problem: outcome.problem });
    else {
      count.added++;
      hasOwner ||= outcome.roles.includes('owner');
      if (!dryRun) added.push(outcome);
    }
    if (count.users % batchSize === 0) await options.onProgress?.(reportNow());
    if (signal?.aborted === true) break;
  }
  await options.onProgress?.(reportNow());
  return reportNow();
}

/** What was taken back. */
export interface UndoReport {
  readonly removed: number;
  /** Members that were changed since, by somebody, and stay. */
  readonly changed: readonly string[];
  /** Whether the tenant was removed: it was made by the migration, and nothing else is in it. */
  readonly removedTenant: boolean;
}

/**
 * Takes a migration back: the members that it added and that nobody has changed since, and the tenant if it made it and
 * nothing else is in it. It can be run again.
 *
 * @throws PortcullisError `store_unavailable`, `audit_unavailable`
 */
export async function undoMigration(
  store: TenantStore,
  journal: MigrationJournal,
  { record, clock = systemClock }: Pick<MigrationOptions, 'record' | 'clock'>,
): Promise<UndoReport> {
  const { tenant } = journal;
  const service = members({ store, record, clock });
  // The owners last: as long as others are there, one of them has to be.
  const ordered = [...journal.added].sort((one, other) => Number(isOwner(one)) - Number(isOwner(other)));
  const changed: string[] = [];
  const left: string[] = [];
  let removed = 0;
  for (const entry of ordered) {
    const member = await store.getMembership(tenant, entry.userId);
    if (member === undefined) continue;
    if (member.version !== entry.version || member.joinedAt !== entry.joinedAt) {
      changed.push(entry.userId);
      continue;
    }
    const code = await codeOf(service.remove(actor, tenant, entry.userId, { ifVersion: entry.version }));
    if (code === undefined) removed++;
    else if (code === 'last_owner') left.push(entry.userId);
    else changed.push(entry.userId);
  }
  const removedTenant = await removeTenant(store, journal, left, record);
  if (removedTenant) removed += left.length;
  return { removed, changed: removedTenant ? changed : [...changed, ...left], removedTenant };
}

/** @returns the version of the record, if it was made now */
async function makeTenant(store: TenantStore, id: TenantId, options: MigrationOptions): Promise<number | undefined> {
  if ((await store.getTenant(id)) !== undefined || options.dryRun === true) return undefined;
  const { name = 'System', identityProviders = [], record } = options;
  const change = {
    author: { system: actor.system },
    tenant: id,
    requestId: actor.requestId,
    action: 'tenant.create',
    target: id,
    before: null,
    after: { name },
  };
  const made = await recorded(record, change, () => store.createTenant({ id, name, settings: { identityProviders } }));
  return made.version;
}

async function addOne(
  store: TenantStore,
  service: Members,
  tenant: TenantId,
  { userId, roles }: ExistingUser,
  dryRun: boolean,
): Promise<AddedMember | 'kept' | { readonly problem: string }> {
  if (!/^[^#]+#./s.test(userId)) return { problem: 'the user id is not a provider, `#` and a subject' };
  if (roles.length === 0) return { problem: 'roles: has to name at least one role' };
  if ((await store.getMembership(tenant, userId)) !== undefined) return 'kept';
  try {
    if (dryRun) {
      const authority = await authorityIn(store, tenant, actor, systemClock);
      requireGivable(authority, roles, await store.getRoles(tenant));
      return { userId, roles, joinedAt: 0, version: 1 };
    }
    const { joinedAt, version, roles: given } = await service.add(actor, tenant, userId, roles);
    return { userId, roles: given, joinedAt, version };
  } catch (error) {
    if (!(error instanceof PortcullisError) || error.code.endsWith('_unavailable')) throw error;
    // Somebody else added the user in the meantime.
    return error.code === 'conflict' ? 'kept' : { problem: `${error.code}: ${error.message}` };
  }
}

async function removeTenant(
  store: TenantStore,
  { tenant, createdTenant }: MigrationJournal,
  left: readonly string[],
  record: ConfigurationRecorder,
): Promise<boolean> {
  const known = await store.getTenant(tenant);
  if (createdTenant === undefined || known?.version !== createdTenant) return false;
  const strangers = (await store.getMembers(tenant)).filter(({ userId }) => !left.includes(userId));
  const others = [
    await store.getRoles(tenant),
    await store.getInvitations(tenant),
    await store.getDomainClaims(tenant),
  ];
  if (strangers.length > 0 || others.some((list) => list.length > 0)) return false;
  const change = {
    author: { system: actor.system },
    tenant,
    requestId: actor.requestId,
    action: 'tenant.delete',
    target: tenant,
    before: { name: known.name },
    after: null,
  };
  // What is added in this moment is seen by the deletion itself.
  const ifNothingElse = { ifVersion: createdTenant, ifOnly: left };
  const code = await codeOf(recorded(record, change, () => store.deleteTenant(tenant, ifNothingElse)));
  return code === undefined;
}

function isOwner({ roles }: Pick<Membership, 'roles'>): boolean {
  return roles.includes('owner');
}

/** The code of a refusal; `undefined` where there is none. */
async function codeOf(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (error instanceof PortcullisError && !error.code.endsWith('_unavailable')) return error.code;
    throw error;
  }
}
