import { z } from '@hono/zod-openapi';
import type { TenantRole } from '@portcullis/core';
import { nameSchema, roleIdSchema, versionSchema } from './values.js';

const permissionSchema = z
  .strictObject({
    resource: z.string().min(1).max(200),
    action: z.string().min(1).max(200),
    conditions: z.record(z.string().min(1).max(200), z.unknown()).optional(),
  })
  .openapi('RolePermission');

/** What a role of a tenant's own is made from. */
export const roleBodySchema = z
  .strictObject({
    name: nameSchema,
    parentRoles: z.array(roleIdSchema).min(1).max(100),
    permissions: z.array(permissionSchema).max(1000),
  })
  .openapi('RoleBody');

/** A role of a tenant's own, as it is shown. */
export const roleSchema = z
  .strictObject({
    roleId: roleIdSchema,
    name: nameSchema,
    parentRoles: z.array(roleIdSchema),
    permissions: z.array(permissionSchema),
    version: versionSchema,
  })
  .openapi('Role');

/** All roles of a tenant's own. */
export const roleListSchema = z.strictObject({ roles: z.array(roleSchema) }).openapi('RoleList');

/** A role, for people and programs to read. */
export function roleView({ roleId, name, parentRoles, permissions, version }: TenantRole): z.infer<typeof roleSchema> {
  return {
    roleId,
    name,
    parentRoles: [...parentRoles],
    permissions: permissions.map(({ resource, action, conditions }) => ({
      resource,
      action,
      ...(conditions === undefined ? {} : { conditions: { ...conditions } }),
    })),
    version,
  };
}
