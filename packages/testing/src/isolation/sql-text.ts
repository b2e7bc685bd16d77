import type { SqlSurface } from './subject.js';

/** The parts of statements, as SQL text. */
export interface SqlNames {
  readonly table: string;
  readonly key: string;
  readonly value: string;
  /** The column with the tenant's id, where there is one. */
  readonly tenant: string | undefined;
  readonly idOf: (tenant: string) => unknown;
  /** The other tenant's table by its full name, where each has a schema. */
  readonly qualified: ((tenant: string) => string) | undefined;
}

export function sqlNames(surface: SqlSurface): SqlNames {
  const { table, keyColumn = 'key', valueColumn = 'value', tenantColumn, tenantValue, schemaOf } = surface;
  const bare = table.slice(table.lastIndexOf('.') + 1);
  return {
    table,
    key: keyColumn,
    value: valueColumn,
    tenant: tenantColumn,
    idOf: tenantValue ?? ((tenant) => tenant),
    qualified: schemaOf === undefined ? undefined : (tenant) => `${quotedIdentifier(schemaOf(tenant))}.${bare}`,
  };
}

function quotedIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
