import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import KeyvRedis from '@keyv/redis';
import { Keyv } from 'keyv';
import { Pool } from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { PortcullisError, tenantId } from '@portcullis/core';
import type { TenantStore } from '@portcullis/tenants';
import { keyvStore } from '@portcullis/tenants/keyv';
import { postgresStore } from '@portcullis/tenants/postgres';
import { startPostgres } from '@portcullis/testing/postgres';
import { skipWithoutRedis, startRedis } from '@portcullis/testing/redis';
import { faultsOf, nothing, round, type Acknowledged } from './tenant-store/churn.js';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A server that can be killed, and stores on it. */
interface Place {
  readonly kind: 'redis' | 'postgres';
  readonly url: string;
  kill(): Promise<void>;
  restart(): Promise<void>;
  open(): TenantStore;
}

async function redisPlace(): Promise<Place> {
  const server = await startRedis({ persist: true });
  closing.push(() => server.stop());
  return {
    kind: 'redis',
    url: server.url,
    kill: () => server.kill(),
    restart: () => server.restart(),
    open() {
      const store = keyvStore(new Keyv({ store: new KeyvRedis(server.url) }), { timeoutMs: 1000 });
      closing.push(() => store.close());
      return store;
    },
  };
}

async function postgresPlace(): Promise<Place> {
  const server = await startPostgres({ settings: { fsync: 'on' } });
  closing.push(() => server.stop());
  const open = (): TenantStore & ReturnType<typeof postgresStore> => {
    const pool = new Pool({ connectionString: server.url(), max: 5 });
    pool.on('error', () => undefined);
    closing.push(() => pool.end());
    return postgresStore(pool, { timeoutMs: 2000 });
  };
  await open().migrate();
  return {
    kind: 'postgres',
    url: server.url(),
    kill: () => server.kill(),
    restart: () => server.restart(),
    open,
  };
}

const names = ['a', 'b', 'c', 'd'];
const rounds = 12;

/** Four that change things, on two replicas, and go on after every failure. */
async function storm(stores: readonly TenantStore[], done: Acknowledged, onRound: () => void): Promise<unknown[]> {
  const failures: unknown[] = [];
  await Promise.all(
    names.map(async (name, worker) => {
      for (let index = 0; index < rounds; index++) {
        try {
          await round(stores[worker % stores.length]!, name, index, done);
          onRound();
        } catch (error) {
          failures.push(error);
          // What a client does that was told to come again.
          await sleep(100);
        }
      }
    }),
  );
  return failures;
}

const codes = (failures: readonly unknown[]): readonly string[] => [
  ...new Set(failures.map((failure) => (failure instanceof PortcullisError ? failure.code : String(failure)))),
];

describe.each([
  ['Redis', redisPlace, skipWithoutRedis()],
  ['PostgreSQL', postgresPlace, false],
] as const)('%s', (_name, start, skip) => {
  it.skipIf(skip)(
    'that is killed amid changes loses nothing that it acknowledged, and leaves nothing half done',
    async () => {
      const place = await start();
      const stores = [place.open(), place.open()];
      const done = nothing();
      let passed = 0;
      let restarted: Promise<void> | undefined;
      const failures = await storm(stores, done, () => {
        passed++;
        if (passed !== 8) return;
        restarted = place
          .kill()
          .then(() => sleep(300))
          .then(() => place.restart());
      });
      await restarted;
      expect(codes(failures)).toEqual(['store_unavailable']);
      // The same stores, by themselves.
      for (const [index, store] of stores.entries()) {
        await expect
          .poll(
            () =>
              store.getTenant(tenantId('nobody')).then(
                () => 'well',
                () => 'ill',
              ),
            { timeout: 10_000 },
          )
          .toBe('well');
        await round(store, 'after', index, done);
      }
      expect(await faultsOf(place.open(), [...names, 'after'], rounds, done)).toEqual([]);
    },
  );

  it.skipIf(skip)('has whole tenants only, after a replica was killed amid changes', async () => {
    const place = await start();
    const done = nothing();
    const replica = fileURLToPath(new URL('tenant-store/replica.ts', import.meta.url));
    for (const [run, name] of ['x', 'y'].entries()) {
      const child = spawn(
        process.execPath,
        ['--import', 'tsx', '--conditions=@portcullis/source', replica, place.kind, place.url, name],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      const ended = once(child, 'exit');
      let lines = 0;
      for await (const line of createInterface(child.stdout)) {
        done.tenants.add(tenantId(line));
        if (++lines === 3 + run * 4) child.kill('SIGKILL');
      }
      expect((await ended)[1]).toBe('SIGKILL');
    }
    expect(await faultsOf(place.open(), ['x', 'y'], rounds, done)).toEqual([]);
  });
});
