import { isDeepStrictEqual } from 'node:util';
import { PortcullisError, type TenantId, type TenantRole } from '@portcullis/core';
import type { Actor } from '../membership/actor.js';
import type { TenantStore } from '../store/store.js';
import { readRoleFolders, removeRoleFile, writeRoleFile, type FoundFile } from './role-folder.js';
import type { TenantRoles } from './tenant-roles.js';
import { readRolePath, rolesFromYaml, rolesToYaml, type RoleFile, type RolePolicyOptions } from './yaml.js';

/** What is written, or read. */
export interface SyncOptions extends RolePolicyOptions {
  /** Tells what would be done, and does nothing. @defaultValue `false` */
  readonly dryRun?: boolean | undefined;
  /** Only these tenants. @defaultValue all */
  readonly tenants?: readonly TenantId[] | undefined;
}

/** A tenant whose roles were left as they are. */
export interface RefusedTenant {
  readonly tenant: TenantId;
  readonly problem: string;
}

/** What became of the files. Paths are below the policy folder. */
export interface SyncReport {
  readonly written: readonly string[];
  readonly removed: readonly string[];
  readonly unchanged: readonly string[];
  /** Tenants with a role that no policy can be made of; nothing of theirs was touched. */
  readonly refused: readonly RefusedTenant[];
}

/**
 * Writes the roles of the store into a policy folder: `tenants/<tenant>/roles/<role>.yaml`, a file a role.
 *
 * Files of roles that are gone are removed, if their first line says that they were written here; no other file is ever
 * touched. Each file is replaced as a whole. Nothing is written at all while a file of somebody else's is in the way.
 *
 * @param folder - the policy folder that the PDP reads
 * @throws PortcullisError `conflict` which names the files in the way, `config_invalid` for symbolic links,
 * `store_unavailable`
 * @example
 * ```ts
 * import { memoryStore } from '@portcullis/tenants';
 * import { syncRoles } from '@portcullis/tenants/roles';
 *
 * const { written, removed } = await syncRoles(memoryStore(), './policies', { dryRun: true });
 * console.log(written, removed); // prints: [] []
 * ```
 */
export async function syncRoles(store: TenantStore, folder: string, options: SyncOptions = {}): Promise<SyncReport> {
  const wanted: RoleFile[] = [];
  const refused: RefusedTenant[] = [];
  for (const tenant of options.tenants ?? (await allTenants(store))) {
    const roles = await store.getRoles(tenant);
    try {
      wanted.push(...rolesToYaml(tenant, roles, options));
    } catch (error) {
      refused.push({ tenant, problem: problemOf(error) });
    }
  }
  const found = new Map((await readRoleFolders(folder)).map((file) => [file.path, file]));
  const blocked = wanted.filter(({ path }) => found.get(path)?.isOurs === false);
  if (blocked.length > 0)
    throw new PortcullisError('conflict', `files of somebody else’s are in the way: ${pathsOf(blocked).join(', ')}`);
  const written = wanted.filter(({ path, text }) => found.get(path)?.text !== text);
  const paths = new Set(pathsOf(wanted));
  const removed = [...found.values()].filter(
    (file) => file.isOurs && !paths.has(file.path) && isWithin(file, options.tenants, refused),
  );
  if (options.dryRun !== true) {
    for (const file of written) await writeRoleFile(folder, file);
    for (const { path } of removed) await removeRoleFile(folder, path);
  }
  return {
    written: pathsOf(written),
    removed: pathsOf(removed),
    unchanged: pathsOf(wanted.filter((file) => !written.includes(file))),
    refused,
  };
}

/** What became of the roles, each as `tenant/role`. */
export interface ImportReport {
  readonly stored: readonly string[];
  readonly unchanged: readonly string[];
  /** The role was changed in the store after its file was written; it stays as it is there. */
  readonly stale: readonly string[];
  /** In the store and in no file; they stay. */
  readonly missing: readonly string[];
  /** Tenants with a file that is not a role, or with a role that was refused; what stands before it was stored. */
  readonly refused: readonly RefusedTenant[];
}

/**
 * Reads roles that people edited in a policy folder back into the store. Only files that `syncRoles` wrote are read.
 *
 * @param roles - the service that stores them, and records that
 * @param actor - whose changes they are: `{ system: 'roles from git', requestId: commit }`
 * @throws PortcullisError `config_invalid` for symbolic links, `store_unavailable`, `audit_unavailable`
 */
export async function importRoles(
  store: TenantStore,
  folder: string,
  { roles, actor, ...options }: SyncOptions & { readonly roles: TenantRoles; readonly actor: Actor },
): Promise<ImportReport> {
  const report = { stored: [] as string[], unchanged: [] as string[], stale: [] as string[], missing: [] as string[] };
  const refused: RefusedTenant[] = [];
  const files = (await readRoleFolders(folder)).filter(({ isOurs }) => isOurs);
  for (const tenant of options.tenants ?? (await allTenants(store))) {
    const known = new Map((await store.getRoles(tenant)).map((role) => [role.roleId, role]));
    try {
      const read = parentsFirst(
        rolesFromYaml(
          files.filter(({ path }) => readRolePath(path)?.tenantId === tenant),
          options,
        ),
      );
      for (const role of read) {
        const before = known.get(role.roleId);
        const name = `${tenant}/${role.roleId}`;
        if (before !== undefined && isSame(role, before)) report.unchanged.push(name);
        else if (before !== undefined && before.version !== role.version) report.stale.push(name);
        else {
          const { version: _version, ...content } = role;
          if (options.dryRun !== true) await roles.put(actor, content, { ifVersion: before?.version ?? 0 });
          report.stored.push(name);
        }
        known.delete(role.roleId);
      }
      report.missing.push(...[...known.keys()].map((roleId) => `${tenant}/${roleId}`));
    } catch (error) {
      refused.push({ tenant, problem: problemOf(error) });
    }
  }
  return { ...report, refused };
}

async function allTenants(store: TenantStore): Promise<readonly TenantId[]> {
  const ids: TenantId[] = [];
  for (let cursor: string | undefined; ;) {
    const page = await store.listTenants({ limit: 500, cursor });
    ids.push(...page.tenants.map(({ id }) => id));
    cursor = page.cursor;
    if (cursor === undefined) return ids;
  }
}

/** Whether a file is one of the tenants that are meant, and of none whose roles were refused. */
function isWithin(
  { path }: FoundFile,
  tenants: readonly TenantId[] | undefined,
  refused: readonly RefusedTenant[],
): boolean {
  const tenant = readRolePath(path)?.tenantId;
  if (tenant === undefined || refused.some((one) => one.tenant === tenant)) return false;
  return tenants === undefined || tenants.includes(tenant);
}

/** What is wrong with one tenant's roles is told of that tenant; what is wrong with the store or the trail ends all. */
function problemOf(error: unknown): string {
  if (error instanceof PortcullisError && !error.code.endsWith('_unavailable'))
    return `${error.code}: ${error.message}`;
  throw error;
}

function pathsOf(files: readonly RoleFile[]): readonly string[] {
  return files.map(({ path }) => path);
}

function isSame(one: TenantRole, other: TenantRole): boolean {
  return isDeepStrictEqual({ ...one, version: 0 }, { ...other, version: 0 });
}

function parentsFirst(roles: readonly TenantRole[]): readonly TenantRole[] {
  const sorted: TenantRole[] = [];
  const place = (role: TenantRole): void => {
    if (sorted.includes(role)) return;
    for (const parent of roles) if (role.parentRoles.includes(parent.roleId)) place(parent);
    sorted.push(role);
  };
  roles.forEach(place);
  return sorted;
}
