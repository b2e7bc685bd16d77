import type { ArchiveStore } from './archive-store.js';
import { archivedEntries, checkedFile, type Manifest } from './manifest.js';
import { registration } from './registration.js';
import { parseRegistryEntry } from './registry-entry.js';
import type { Step } from './step.js';
import type { TenantRecords } from './tenant-records.js';
import type { TenantResource } from './tenant-resource.js';

/** Makes a tenant again from its archive: every resource in order, and its record last. */
export function restoreSteps(
  resources: readonly TenantResource[],
  registry: TenantRecords,
  archive: { readonly store: ArchiveStore; readonly id: string; readonly manifest: Manifest },
): readonly Step[] {
  const { store, id, manifest } = archive;
  return [
    ...resources.map((resource): Step => {
      const part = manifest.resources.find(({ name }) => name === resource.name);
      return {
        name: `restore:${resource.name}`,
        plan: () =>
          Promise.resolve({
            does: `fills \`${resource.name}\` from the archive`,
            counts: {
              entries: part?.entries.length ?? 0,
              bytes: part?.entries.reduce((sum, { bytes }) => sum + bytes, 0) ?? 0,
            },
          }),
        async run({ call, again }) {
          // The tenant had nothing when the job began: what is there now is of the attempt that was cut short.
          if (again) await resource.remove(call);
          if (part === undefined) await resource.provision(call);
          else await resource.restore(call, archivedEntries(store, id, manifest, resource.name));
          return { counts: await resource.describe(call) };
        },
      };
    }),
    ...registration(registry, 'restore', async (tenant) => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of checkedFile(store, id, manifest.registry)) chunks.push(chunk);
      return parseRegistryEntry(Buffer.concat(chunks).toString(), tenant);
    }),
  ];
}
