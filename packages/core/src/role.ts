import type { AttributeValue } from './attributes.js';
import type { TenantId } from './tenant-id.js';

/** One thing that a role of a tenant's own may do. */
export interface RolePermission {
  /** A kind of resource, as `document`; `*` for every kind. */
  readonly resource: string;
  /** An action, as `read`; `*` for every action. */
  readonly action: string;
  /**
   * What the resource's attributes have to be, by name: a value, or an object with one of `eq ne in lt lte gt gte`.
   * All of them have to hold. Absent: no condition.
   */
  readonly conditions?: Readonly<Record<string, AttributeValue>> | undefined;
}

/** A role of a tenant's own. It narrows what the parent roles give, and never widens it. */
export interface TenantRole {
  readonly tenantId: TenantId;
  /** As memberships name it: 1 to 100 letters, digits, `-` or `_`; none of the built-in ones. */
  readonly roleId: string;
  /** For people. */
  readonly name: string;
  /** Built-in roles, or roles of the same tenant, whose rights it narrows. Not empty. */
  readonly parentRoles: readonly string[];
  readonly permissions: readonly RolePermission[];
  /** 1 at creation, one more with every change. */
  readonly version: number;
}
