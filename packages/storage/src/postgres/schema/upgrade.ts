import type { TenantId } from '@portcullis/core';
import type { SchemaChange } from './schema-change.js';

/** How all tenants are upgraded. */
export interface UpgradeOptions {
  /** @defaultValue all that have a schema */
  readonly tenants?: readonly TenantId[] | undefined;
  /** How many at a time; not more than the pool has connections. @defaultValue 4 */
  readonly concurrency?: number | undefined;
  /** Whether the others go on after a failure. @defaultValue `true` */
  readonly continueOnError?: boolean | undefined;
  /** Told after each tenant. */
  readonly onProgress?: ((progress: UpgradeProgress) => void) | undefined;
  /** Begins no further tenant. */
  readonly signal?: AbortSignal | undefined;
}

/** How far it is. */
export interface UpgradeProgress {
  readonly done: number;
  readonly total: number;
  readonly tenant: TenantId;
  readonly applied: readonly string[];
  readonly error?: Error | undefined;
}

/** What became of all tenants. */
export interface UpgradeReport {
  readonly total: number;
  readonly upgraded: readonly SchemaChange[];
  /** How many were up to date. */
  readonly unchanged: number;
  readonly failed: readonly { readonly tenant: TenantId; readonly error: Error }[];
  /** The tenants that were not begun: run it again for them. */
  readonly remaining: readonly TenantId[];
  readonly durationMs: number;
}

/** Upgrades tenants, several at a time, each in a transaction of its own. */
export async function upgradeTenants(
  tenants: readonly TenantId[],
  provision: (tenant: TenantId) => Promise<SchemaChange>,
  { concurrency = 4, continueOnError = true, onProgress, signal }: UpgradeOptions,
): Promise<UpgradeReport> {
  const began = performance.now();
  const queue = [...tenants];
  const upgraded: SchemaChange[] = [];
  const failed: { readonly tenant: TenantId; readonly error: Error }[] = [];
  let unchanged = 0;
  let done = 0;
  async function worker(): Promise<void> {
    for (;;) {
      if (signal?.aborted === true || (!continueOnError && failed.length > 0)) return;
      const tenant = queue.shift();
      if (tenant === undefined) return;
      let applied: readonly string[] = [];
      let error: Error | undefined;
      try {
        const change = await provision(tenant);
        ({ applied } = change);
        if (change.created || applied.length > 0) upgraded.push(change);
        else unchanged++;
      } catch (thrown) {
        error = thrown instanceof Error ? thrown : new Error(String(thrown));
        failed.push({ tenant, error });
      }
      onProgress?.({ done: ++done, total: tenants.length, tenant, applied, error });
    }
  }
  await Promise.all(Array.from({ length: Math.max(1, concurrency) }, worker));
  return {
    total: tenants.length,
    upgraded,
    unchanged,
    failed,
    remaining: queue,
    durationMs: Math.round(performance.now() - began),
  };
}
