import KeyvRedis from '@keyv/redis';
import fc from 'fast-check';
import { Keyv } from 'keyv';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tenantId } from '@portcullis/core';
import { contextFor } from '@portcullis/testing/contexts';
import { skipWithoutRedis, startRedis, type RedisServer } from '@portcullis/testing/redis';
import { keyvStorage } from '../keyv.js';
import { adoptKeys, type AdoptKeysOptions } from './adopt-keys.js';
import { adoption, type Adoption } from './adoption.js';
import { memoryAdoptionJournal } from './job/memory-adoption-journal.js';

const system = tenantId('system');
const refusal = (code: string, detail = ''): unknown =>
  expect.objectContaining({ code, detail: expect.stringContaining(detail) as unknown });

function moving(keyv: Keyv, options: AdoptKeysOptions = {}): Adoption {
  return adoption({ tenant: system, steps: [adoptKeys(keyv, options)], journal: memoryAdoptionJournal() });
}

async function contents(keyv: Keyv): Promise<Readonly<Record<string, unknown>>> {
  const found: Record<string, unknown> = {};
  for await (const [key] of keyv.iterator!(undefined) as AsyncIterable<readonly [string]>)
    found[key] = await keyv.getRaw(key);
  return found;
}

let redis: RedisServer | undefined;
const clients: Keyv[] = [];
const withRedis = !skipWithoutRedis();
beforeAll(async () => {
  if (withRedis) redis = await startRedis();
});
afterAll(async () => {
  for (const keyv of clients) await keyv.disconnect();
  await redis?.stop();
});

const stores: readonly (readonly [string, (namespace: string) => Keyv])[] = [
  ['memory', (namespace) => new Keyv({ namespace })],
  ...(withRedis
    ? [
        [
          'Redis',
          (namespace: string) => {
            const keyv = new Keyv({ store: new KeyvRedis(redis!.url), namespace });
            clients.push(keyv);
            return keyv;
          },
        ] as const,
      ]
    : []),
];
let count = 0;

describe.each(stores)('adopting keys in %s', (_name, make) => {
  const fresh = (): Keyv => make(`old-${String(count++)}`);
  const old = { 'user:1': { name: 'Ada' }, 'notes/7': 'a/b', 'ä/日本': [1, null, 'x'], zero: 0 };

  async function filled(): Promise<Keyv> {
    const keyv = fresh();
    for (const [key, value] of Object.entries(old)) await keyv.set(key, value);
    await keyv.set('session', 'short', 3_600_000);
    return keyv;
  }

  it('copies to the tenant’s prefix with times to live, deletes at the end, and nobody else sees any of it', async () => {
    const keyv = await filled();
    const before = await contents(keyv);
    const move = moving(keyv, { namespace: keyv.namespace! });
    expect((await move.dryRun()).steps[0]).toMatchObject({
      counts: { toCopy: 5 },
      plan: { obstacles: [], exposedTo: ['notes'] },
    });
    expect(await contents(keyv)).toEqual(before);

    expect((await move.run()).steps).toEqual([{ step: 'keys', counts: { copied: 5 } }]);
    expect(await contents(keyv)).toMatchObject(before);
    const keys = keyvStorage({ keyv }).forTenant(contextFor({ tenant: 'system' }));
    for (const [key, value] of Object.entries(old)) expect(await keys.get(key)).toEqual(value);
    const { expires } = before['session'] as { expires: number };
    const copied = await keyv.getRaw('system/session');
    expect(Math.abs((copied?.expires ?? 0) - expires)).toBeLessThan(1000);

    expect((await move.finish()).steps).toEqual([{ step: 'keys', counts: { deleted: 5 } }]);
    expect(Object.keys(await contents(keyv)).every((key) => key.startsWith('system/'))).toBe(true);
    const others = keyvStorage({ keyv });
    for (const tenant of ['acme', 'notes', 'user'])
      expect((await others.forTenant(contextFor({ tenant })).list()).keys).toEqual([]);
  });

  it('goes back before the end by deleting the copies', async () => {
    const keyv = await filled();
    const before = await contents(keyv);
    const move = moving(keyv);
    await move.run();
    expect((await move.dryRun({ action: 'undo' })).steps[0]?.counts).toEqual({ toBringBack: 0, toDelete: 5 });
    expect((await move.undo()).steps).toEqual([{ step: 'keys', counts: { broughtBack: 0, deleted: 5 } }]);
    expect(await contents(keyv)).toEqual(before);
    // And forth once more.
    expect((await move.run()).steps[0]?.counts).toEqual({ copied: 5 });
  });

  it('goes back after the end, with what the tenant has written since', async () => {
    const keyv = await filled();
    const move = moving(keyv);
    await move.run();
    await move.finish();
    const keys = keyvStorage({ keyv }).forTenant(contextFor({ tenant: 'system' }));
    await keys.set('zero', 1);
    await keys.set('new', 'since');
    await keys.delete('user:1');
    await move.undo();
    const { 'user:1': _gone, ...left } = old;
    const now = await contents(keyv);
    expect(Object.keys(now).sort()).toEqual([...Object.keys(left), 'new', 'session'].sort());
    expect(await keyv.get('zero')).toBe(1);
    expect(await keyv.get('new')).toBe('since');
    expect((now['session'] as { expires?: number }).expires).toBeGreaterThan(Date.now() + 3_000_000);
  });

  it('deletes nothing while the old server still writes', async () => {
    const keyv = await filled();
    const move = moving(keyv);
    await move.run();
    await keyv.set('zero', 'written by the old server');
    await expect(move.finish()).rejects.toEqual(refusal('storage_conflict', '`zero`'));
    await keyv.set('zero', 0);
    await keyv.set('late', 'of the old server');
    await expect(move.finish()).rejects.toEqual(refusal('storage_conflict', '`late`'));
    expect(Object.keys(await contents(keyv))).toHaveLength(11);
    // The original's later state stays on the way back.
    await keyv.set('zero', 'once more');
    await move.undo();
    expect(await keyv.get('zero')).toBe('once more');
    expect(await keyv.get('late')).toBe('of the old server');
  });

  it('deletes no original whose copy is gone, unless that is said', async () => {
    const keyv = await filled();
    const move = moving(keyv);
    await move.run();
    await keyv.delete('system/zero');
    await expect(move.finish()).rejects.toEqual(refusal('storage_refused', '`zero`'));
    expect(await keyv.get('zero')).toBe(0);
    expect((await move.finish({ acceptDeleted: true })).steps[0]?.counts).toEqual({ deleted: 5 });
    expect(await keyv.get('zero')).toBeUndefined();
  });

  it('writes over neither side where both have written', async () => {
    const keyv = await filled();
    for (const [stays, value] of [
      ['tenant', 'theirs'],
      ['original', 'ours'],
    ] as const) {
      await keyv.set('zero', 'before');
      const move = moving(keyv);
      await move.run();
      await keyv.set('zero', 'ours');
      await keyv.set('system/zero', 'theirs');
      await keyv.set('both', 'ours');
      await keyv.set('system/both', 'theirs');
      await expect(move.undo()).rejects.toEqual(refusal('storage_conflict', '2 keys'));
      expect(await keyv.get('zero')).toBe('ours');
      expect((await move.dryRun({ action: 'undo' })).steps[0]?.plan?.obstacles).toHaveLength(2);
      await move.undo({ onConflict: stays });
      expect(await keyv.get('zero')).toBe(value);
      expect(await keyv.get('both')).toBe(value);
      expect(Object.keys(await contents(keyv)).some((key) => key.startsWith('system/'))).toBe(false);
      await keyv.delete('both');
    }
  });

  it('refuses a tenant that has keys already', async () => {
    const keyv = await filled();
    await keyv.set('system/mine', 1);
    const move = moving(keyv);
    expect((await move.dryRun()).steps[0]?.plan?.obstacles).toEqual([
      { what: 'mine', why: expect.stringContaining('has this already') as unknown },
    ]);
    await expect(move.run()).rejects.toEqual(refusal('conflict', '`mine`'));
    expect(Object.keys(await contents(keyv))).toHaveLength(6);
  });

  it('names what cannot be a tenant’s, and leaves it where it is when told to', async () => {
    const keyv = await filled();
    for (const key of ['a//b', 'a%2Fb', 'acme/secret', 'x'.repeat(600)]) await keyv.set(key, 'odd');
    const options = { otherTenants: [tenantId('acme')] };
    await expect(moving(keyv, options).run()).rejects.toEqual(refusal('storage_refused', '`acme/secret`'));
    expect(Object.keys(await contents(keyv)).some((key) => key.startsWith('system/'))).toBe(false);
    const move = moving(keyv, { ...options, obstacles: 'skip' });
    expect((await move.run()).steps[0]?.counts).toEqual({ copied: 5, skipped: 4 });
    await move.finish();
    expect(await keyv.get('acme/secret')).toBe('odd');
    expect(await keyv.get('a//b')).toBe('odd');
    expect(await keyv.get('system/zero')).toBe(0);
  });

  it('does not give a value without an end the Keyv’s default one', async () => {
    const keyv = await filled();
    keyv.ttl = 60_000;
    const move = moving(keyv);
    await move.run();
    expect((await keyv.getRaw('system/zero'))?.expires).toBeUndefined();
  });
});

it('refuses another namespace than the one that was meant', () => {
  expect(() => adoptKeys(new Keyv({ namespace: 'one' }), { namespace: 'two' })).toThrow(/`one`, and not `two`/);
});

it('does not take a key for another one that begins with the namespace', async () => {
  const keyv = new Keyv({ namespace: 'old' });
  (keyv.store as Map<string, string>).set('old:old:x', JSON.stringify({ value: 'deep' }));
  await keyv.set('x', 'flat');
  await expect(moving(keyv).run()).rejects.toEqual(refusal('storage_refused', '`old:x`'));
});

it('tells a store that is down as such, and nothing as done', async () => {
  const keyv = new Keyv();
  await keyv.set('a', 1);
  const move = moving(keyv, { timeoutMs: 50 });
  const set = keyv.set.bind(keyv);
  keyv.set = () => new Promise(() => undefined);
  await expect(move.run()).rejects.toEqual(refusal('storage_unavailable'));
  keyv.set = set;
  expect((await move.run()).steps[0]?.counts).toEqual({ copied: 1 });
});

it.skipIf(!withRedis)('does not take a Redis that is gone for one that is empty', async () => {
  const gone = await startRedis();
  const keyv = new Keyv({ store: new KeyvRedis(gone.url), namespace: 'old' });
  await keyv.set('a', 1);
  const move = moving(keyv, { timeoutMs: 100 });
  await move.run();
  await gone.kill();
  for (const action of ['finish', 'undo'] as const)
    await expect(move[action]()).rejects.toEqual(refusal('storage_unavailable'));
  expect((await move.status())?.state).toBe('finishing');
  await expect(moving(keyv, { timeoutMs: 100 }).run()).rejects.toEqual(refusal('storage_unavailable'));
  await (keyv.store as KeyvRedis<unknown>).disconnect(true);
});

it('brings back any keys and values, as they were', async () => {
  const segment = fc.string({
    unit: fc.constantFrom('a', 'B', '9', '_', '-', ' ', 'é', '日', '😀', ':', '.x'),
    minLength: 1,
    maxLength: 5,
  });
  const key = fc.array(segment, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(key, fc.jsonValue({ maxDepth: 2 }), { maxKeys: 8 }),
      fc.boolean(),
      async (all, finished) => {
        fc.pre(
          !Object.keys(all).some(
            (each) => each.normalize('NFC') !== each || each.startsWith('system/') || each.startsWith('keyv:'),
          ),
        );
        const keyv = new Keyv();
        for (const [name, value] of Object.entries(all)) await keyv.set(name, value);
        const before = await contents(keyv);
        const move = moving(keyv);
        const { steps } = await move.run();
        expect(steps[0]?.counts).toEqual({ copied: Object.keys(before).length });
        if (finished) await move.finish();
        await move.undo();
        expect(await contents(keyv)).toEqual(before);
      },
    ),
    { numRuns: 60 },
  );
});
