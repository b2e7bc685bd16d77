import { registration, unregistration } from './registration.js';
import type { TenantJob } from './job.js';
import { unavailable } from '../access.js';
import type { Step } from './step.js';
import type { NewTenantRecord, TenantRecords } from './tenant-records.js';
import type { ResourceCall, TenantResource } from './tenant-resource.js';

/** Makes a tenant: its place in every resource, in order, and its record last. */
export function provisionSteps(
  resources: readonly TenantResource[],
  registry: TenantRecords,
  record: NewTenantRecord,
): readonly Step[] {
  return [
    ...resources.map((resource): Step => ({
      name: `provision:${resource.name}`,
      plan: async (call) => ({
        does: `makes the tenant’s place in \`${resource.name}\``,
        counts: await resource.describe(call),
      }),
      async run({ call }) {
        await resource.provision(call);
        return { counts: await resource.describe(call) };
      },
    })),
    ...registration(registry, 'provision', () => Promise.resolve({ record, members: [] })),
  ];
}

/** Takes away what a job made, in the opposite order. What was there before the job stays. */
export function rollbackSteps(
  resources: readonly TenantResource[],
  registry: TenantRecords,
  { undoes, existed }: TenantJob,
): readonly Step[] {
  const made = resources.filter(
    ({ name }) =>
      !existed.includes(name) && (undoes.includes(`provision:${name}`) || undoes.includes(`restore:${name}`)),
  );
  const registered = undoes.includes('register') && !existed.includes('registry');
  return [...(registered ? [unregistration(registry)] : []), ...made.toReversed().map((resource) => removal(resource))];
}

/** Deletes all that a tenant has in a resource, and looks whether it is gone. @param before - throws: nothing is deleted */
export function removal(resource: TenantResource, before?: (call: ResourceCall) => Promise<unknown>): Step {
  return {
    name: `remove:${resource.name}`,
    plan: async (call) => ({
      does: `deletes all that the tenant has in \`${resource.name}\``,
      counts: await resource.describe(call),
    }),
    async run({ call }) {
      await before?.(call);
      const counts = await resource.describe(call);
      await resource.remove(call);
      if (await resource.has(call))
        throw unavailable(undefined, `\`${resource.name}\` still has something of the tenant after it was removed`);
      return { counts };
    },
  };
}
