import { Keyv } from 'keyv';
import { describe, expect, it } from 'vitest';
import { tenantId, type OperatorContext } from '@portcullis/core';
import { contextFor, operatorFor } from '@portcullis/testing/contexts';
import { memoryStore, type TenantStore } from '@portcullis/tenants';
import { keyvStorage, type KeyvStorage } from '../keyv.js';
import type { ArchiveStore } from './archive-store.js';
import { keysResource } from './keys-resource.js';
import type { TenantLifecycleOptions } from './lifecycle-options.js';
import { memoryArchive, type MemoryArchive } from './memory-archive.js';
import { memoryJournal } from './memory-journal.js';
import type { JobJournal } from './job-journal.js';
import type { TenantLifecycle } from './lifecycle.js';
import { tenantLifecycle } from './tenant-lifecycle.js';
import type { TenantResource } from './tenant-resource.js';

const acme = tenantId('acme');
const record = { id: acme, name: 'Acme', status: { state: 'trial', expiresAt: 4e12 } } as const;
const day = 86_400_000;

/** What a crash leaves: the storage, the registry, the journal, the archives. */
interface Durable {
  now: number;
  readonly operator: OperatorContext;
  readonly stores: readonly KeyvStorage[];
  readonly registry: TenantStore;
  readonly journal: JobJournal;
  readonly archive: MemoryArchive;
}

function durable(): Durable {
  return {
    now: Date.now(),
    operator: operatorFor({ expiresAt: Date.now() + 3650 * day }),
    stores: [0, 1].map(() => keyvStorage({ keyv: new Keyv(), operatorAccess: () => Promise.resolve() })),
    registry: memoryStore(),
    journal: memoryJournal(),
    archive: memoryArchive(),
  };
}

class Crash extends Error {}

/** Counts the moments before and after every operation, and ends the process at one of them: nothing works after. */
function crashingAt(moment: number): { readonly moments: () => number; readonly pass: () => void } {
  let count = 0;
  return {
    moments: () => count,
    pass() {
      if (++count >= moment) throw new Crash(`at moment ${String(moment)}`);
    },
  };
}

/** The same port, with a moment before and one after each of its operations. */
function between<T extends object>(port: T, pass: () => void): T {
  return new Proxy(port, {
    get(target, name): unknown {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      const method = member as (...args: unknown[]) => Promise<unknown>;
      return async (...args: unknown[]): Promise<unknown> => {
        pass();
        const value = await method.apply(target, args);
        pass();
        return value;
      };
    },
  });
}

function crashingArchive(archive: ArchiveStore, pass: () => void): ArchiveStore {
  return {
    create: async (id) => {
      pass();
      return between(await archive.create(id), pass);
    },
    async *read(id, file) {
      pass();
      yield* archive.read(id, file);
    },
    remove: (id) => between(archive, pass).remove(id),
  };
}

function lifecycleOver(all: Durable, pass: () => void = () => undefined): TenantLifecycle {
  const resources = all.stores.map((storage, index): TenantResource => {
    const resource = keysResource(storage, { name: `keys-${String(index)}` });
    const provision: TenantResource['provision'] = async ({ tenant, operator }) => {
      const keys = await storage.forTenantAsOperator(operator, tenant);
      if (!(await keys.has('made'))) await keys.set('made', index);
    };
    const restore: TenantResource['restore'] = async (call, entries) => {
      // As tables with keys would refuse it.
      if (await resource.has(call)) throw new Error('restored over something');
      await resource.restore(call, entries);
    };
    return between({ ...resource, provision, restore }, pass);
  });
  const options: TenantLifecycleOptions = {
    resources,
    registry: between(all.registry, pass),
    journal: between(all.journal, pass),
    archive: crashingArchive(all.archive, pass),
    record: () => {
      pass();
      return Promise.resolve();
    },
    clock: () => all.now,
    wait: () => {
      pass();
      return Promise.resolve();
    },
  };
  return tenantLifecycle(options);
}

/** Everything that is there of the tenant but times and the ids of jobs and archives, and whether the archive is whole. */
async function state(all: Durable): Promise<unknown> {
  const held = [];
  for (const store of all.stores) {
    const keys = store.forTenant(contextFor({ tenant: 'acme' }));
    held.push(await Promise.all((await keys.list()).keys.map(async (key) => [key, await keys.get(key)])));
  }
  const found = await all.registry.getTenant(acme);
  const status = await lifecycleOver(all).status(all.operator, acme);
  return {
    held,
    status: found && (found.status.state === 'suspended' ? { state: 'suspended' } : found.status),
    members: (await all.registry.getMembers(acme)).map(({ userId, roles }) => ({ userId, roles })),
    job: status && [status.job.action, status.job.state],
    archives: status?.archives.map(({ id }) => [...all.archive.archives.get(id)!.keys()]),
    strays: all.archive.archives.size - (status?.archives.length ?? 0),
  };
}

async function tenantAtWork(all: Durable): Promise<void> {
  await lifecycleOver(all).provision(all.operator, record);
  for (const store of all.stores) await store.forTenant(contextFor({ tenant: 'acme' })).set('note', { n: 1 });
  await all.registry.putMember(acme, 'test#alice', ['admin']);
}

async function archivedTenant(all: Durable): Promise<void> {
  await tenantAtWork(all);
  await lifecycleOver(all).deprovision(all.operator, acme);
  all.now += 30 * day;
}

async function goneTenant(all: Durable): Promise<void> {
  await archivedTenant(all);
  await lifecycleOver(all).deprovision(all.operator, acme);
}

type Call = (lifecycle: TenantLifecycle, all: Durable) => Promise<unknown>;

const calls: Record<string, { readonly before: (all: Durable) => Promise<void>; readonly call: Call }> = {
  provision: { before: () => Promise.resolve(), call: (it, { operator }) => it.provision(operator, record) },
  'deprovision, up to the retention': {
    before: tenantAtWork,
    call: (it, { operator }) => it.deprovision(operator, acme),
  },
  'deprovision, after it': { before: archivedTenant, call: (it, { operator }) => it.deprovision(operator, acme) },
  cancel: { before: archivedTenant, call: (it, { operator }) => it.cancel(operator, acme) },
  restore: {
    before: goneTenant,
    call: async (it, { operator }) => {
      const known = await it.status(operator, acme);
      return it.restore(operator, acme, known!.archives[0]!.id);
    },
  },
};

/** Runs a call that crashes at each moment in turn, until it comes through. */
async function atEachMoment(
  { before, call }: { readonly before: (all: Durable) => Promise<void>; readonly call: Call },
  after: (all: Durable, moment: number) => Promise<void>,
): Promise<number> {
  for (let moment = 1; ; moment++) {
    const all = durable();
    await before(all);
    const crash = crashingAt(moment);
    try {
      await call(lifecycleOver(all, crash.pass), all);
    } catch (error) {
      expect(error).toBeInstanceOf(Crash);
    }
    // Releasing the lease fails silently: what the process says last nobody may hear.
    if (crash.moments() < moment) return moment;
    all.now += 60_000;
    await after(all, moment);
  }
}

describe('a crash before or after anything that is done', () => {
  it.each(Object.keys(calls))('%s: the same call goes on, and ends as if nothing had happened', async (name) => {
    const { before, call } = calls[name]!;
    const undisturbed = durable();
    await before(undisturbed);
    await call(lifecycleOver(undisturbed), undisturbed);
    const expected = await state(undisturbed);
    const moments = await atEachMoment({ before, call }, async (all, moment) => {
      try {
        await call(lifecycleOver(all), all);
      } catch (error) {
        // It had come to its end when it crashed: the call finds nothing to do, and says so.
        const done = (await lifecycleOver(all).status(all.operator, acme))?.job;
        expect(done?.state, `moment ${String(moment)}: ${String(error)}`).toBe('done');
        expect(['cancel', 'restore', 'deprovision']).toContain(done?.action);
      }
      expect(await state(all), `after a crash at moment ${String(moment)}`).toEqual(expected);
    });
    expect(moments).toBeGreaterThan(10);
  });

  it('while the worker may still be alive, nobody else goes on', async () => {
    const all = durable();
    const crash = crashingAt(20);
    await expect(lifecycleOver(all, crash.pass).provision(all.operator, record)).rejects.toBeInstanceOf(Crash);
    all.now += 59_999;
    await expect(lifecycleOver(all).provision(all.operator, record)).rejects.toMatchObject({ code: 'conflict' });
    await expect(lifecycleOver(all).rollback(all.operator, acme)).rejects.toMatchObject({ code: 'conflict' });
  });

  it.each(['provision', 'restore'])(
    '%s: a rollback leaves what was there before, itself crashing or not',
    async (name) => {
      const { before, call } = calls[name]!;
      const start = durable();
      await before(start);
      const { held, status, members } = (await state(start)) as Record<string, unknown>;
      const expected = { held, status, members };
      await atEachMoment({ before, call }, async (all, moment) => {
        const said = `after a crash at moment ${String(moment)}`;
        const job = (await lifecycleOver(all).status(all.operator, acme))?.job;
        const isIn = (await all.registry.getTenant(acme))?.status.state === 'trial';
        const rollback = (pass?: () => void): Promise<unknown> => lifecycleOver(all, pass).rollback(all.operator, acme);
        if (isIn || job?.action !== name || job.state === 'done') {
          // Nothing was begun, or the tenant was let in: its data is not to be thrown away.
          await expect(rollback(), said).rejects.toMatchObject({ code: 'storage_refused' });
          return;
        }
        await rollback(crashingAt(1 + (moment % 40)).pass).catch((error: unknown) =>
          expect(error).toBeInstanceOf(Crash),
        );
        all.now += 60_000;
        const now = (await lifecycleOver(all).status(all.operator, acme))?.job.state;
        if (now !== 'done') await rollback();
        expect(await state(all), said).toMatchObject(expected);
      });
    },
  );

  it('a rollback keeps what a resource held before the job', async () => {
    const all = durable();
    await all.stores[1]!.forTenant(contextFor({ tenant: 'acme' })).set('mine', 1);
    const crash = crashingAt(40);
    await expect(
      lifecycleOver(all, crash.pass).provision(all.operator, record, { adopt: true }),
    ).rejects.toBeInstanceOf(Crash);
    all.now += 60_000;
    await lifecycleOver(all).rollback(all.operator, acme);
    expect(await state(all)).toMatchObject({
      held: [
        [],
        [
          ['made', 1],
          ['mine', 1],
        ],
      ],
      status: undefined,
    });
  });
});

describe('two workers at once', () => {
  it('one of them does it, and the other one is refused', async () => {
    const all = durable();
    await tenantAtWork(all);
    const results = await Promise.allSettled(
      Array.from({ length: 8 }, () => lifecycleOver(all).deprovision(all.operator, acme)),
    );
    const refused = results.filter(({ status }) => status === 'rejected');
    expect(results.length - refused.length).toBeGreaterThanOrEqual(1);
    for (const result of refused) expect(result).toMatchObject({ reason: { code: 'conflict' } });
    expect(all.archive.archives.size).toBe(1);
  });

  it('a long step keeps its hold, and ends when another worker took it all the same', async () => {
    const all = durable();
    let beats = 0;
    let heard: (() => void) | undefined;
    const threeBeats = new Promise<void>((resolve) => (heard = resolve));
    let signal: AbortSignal | undefined;
    let started: (() => void) | undefined;
    const running = new Promise<void>((resolve) => (started = resolve));
    const journal: JobJournal = {
      ...all.journal,
      async write(tenant, value, expected) {
        const version = await all.journal.write(tenant, value, expected);
        if (signal !== undefined && ++beats === 3) heard?.();
        return version;
      },
    };
    const resource: TenantResource = {
      ...keysResource(all.stores[0]!),
      provision: (call) => {
        signal = call.signal;
        started?.();
        return new Promise((_resolve, reject) => {
          call.signal.addEventListener('abort', () => reject(call.signal.reason as Error), { once: true });
        });
      },
    };
    const options: TenantLifecycleOptions = {
      resources: [resource],
      registry: all.registry,
      journal,
      archive: all.archive,
      record: () => Promise.resolve(),
      leaseMs: 300,
    };
    const work = tenantLifecycle(options).provision(all.operator, record);
    const failed = expect(work).rejects.toMatchObject({ code: 'conflict' });
    await running;
    await threeBeats;
    // Longer at work than one lease would have held, and still held.
    await expect(lifecycleOver(all).provision(all.operator, record)).rejects.toMatchObject({ code: 'conflict' });
    const entry = await all.journal.read(acme);
    await all.journal.write(acme, entry!.value, entry!.version).catch(() => undefined);
    await failed;
    expect(signal?.aborted).toBe(true);
  });

  it('a caller that goes away ends the call, and the same call goes on', async () => {
    const all = durable();
    const controller = new AbortController();
    const work = lifecycleOver(all).provision(all.operator, record, {
      signal: controller.signal,
      onProgress: ({ step, state: when }) => {
        if (step === 'provision:keys-0' && when === 'done') controller.abort();
      },
    });
    await expect(work).rejects.toMatchObject({ code: 'storage_unavailable' });
    expect((await lifecycleOver(all).status(all.operator, acme))?.job.done).toEqual(['provision:keys-0']);
    expect(await lifecycleOver(all).provision(all.operator, record)).toMatchObject({
      state: 'done',
      steps: [{ step: 'provision:keys-1' }, { step: 'register' }, { step: 'activate' }],
    });
  });
});
