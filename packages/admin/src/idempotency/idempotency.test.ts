import { createClient } from '@keyv/redis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PortcullisError } from '@portcullis/core';
import { contextFor, identityFor } from '@portcullis/testing/contexts';
import { skipWithoutRedis, startRedis, type RedisServer } from '@portcullis/testing/redis';
import type { Answer } from '../answer.js';
import { memoryIdempotency } from './memory.js';
import { once, type OnceOptions, type OnceRequest } from './once.js';
import { redisIdempotency } from './redis.js';
import { openAnswer, sealAnswer } from './sealed-answer.js';
import type { IdempotencyKey, IdempotencyStore } from './store.js';

const answer = (body: object = { done: true }): Answer => ({ status: 201, body });
const codeOf = (run: Promise<unknown>): Promise<unknown> =>
  run.then(
    () => undefined,
    (error: unknown) => (error as { code: unknown }).code,
  );

const keyOf = (id: string, person = 'alice', scope = 'acme'): IdempotencyKey => ({ id, person, scope });

function contract(stores: () => { readonly here: IdempotencyStore; readonly there: IdempotencyStore }): void {
  let count = 0;
  let key = '';
  beforeEach(() => {
    key = `key-${String(++count)}`;
  });
  const options = (store: IdempotencyStore, more: Partial<OnceOptions> = {}): OnceOptions => ({
    store,
    ttlMs: 60_000,
    leaseMs: 60_000,
    timeoutMs: 10_000,
    closing: new AbortController().signal,
    onError: () => undefined,
    ...more,
  });
  const request = (more: Partial<OnceRequest> = {}): OnceRequest => ({
    key,
    caller: { kind: 'person', identity: identityFor({ subject: 'alice' }) },
    method: 'POST',
    target: '/admin/tenants',
    body: '{}',
    ...more,
  });

  it('runs once of many at one time, on all replicas', async () => {
    const { here, there } = stores();
    let runs = 0;
    const all = await Promise.allSettled(
      Array.from({ length: 20 }, (_, at) =>
        once(options(at % 2 === 0 ? here : there), request(), () => {
          runs++;
          return Promise.resolve(answer());
        }),
      ),
    );
    expect(runs).toBe(1);
    for (const each of all) {
      if (each.status === 'rejected')
        expect(each.reason).toMatchObject({ code: 'conflict', data: { retryAfterMs: 1000 } });
    }
    const again = await once(options(there), request(), () => Promise.reject(new Error('never')));
    expect(again).toEqual({ answer: answer(), replayed: true });
  });

  it.each<[string, Partial<OnceRequest>]>([
    ['method', { method: 'PUT' }],
    ['path', { target: '/admin/tenants/acme' }],
    ['body', { body: '{"id":"other"}' }],
  ])('takes the key for another %s as a mistake', async (_what, other) => {
    const { here } = stores();
    await once(options(here), request(), () => Promise.resolve(answer()));
    expect(await codeOf(once(options(here), request(other), () => Promise.resolve(answer())))).toBe(
      'idempotency_mismatch',
    );
  });

  it.each([
    ['person', identityFor({ subject: 'bob' })],
    ['provider', identityFor({ subject: 'alice', provider: 'other' })],
    ['client', identityFor({ subject: 'alice', clientId: 'other' })],
  ])('gives another %s nothing', async (_what, identity) => {
    const { here } = stores();
    await once(options(here), request(), () => Promise.resolve(answer({ secret: 1 })));
    const other = await once(options(here), request({ caller: { kind: 'person', identity } }), () =>
      Promise.resolve(answer({ own: 1 })),
    );
    expect(other).toEqual({ answer: answer({ own: 1 }), replayed: false });
  });

  it('is free when nothing was done', async () => {
    const { here } = stores();
    const failing = once(options(here), request(), () => Promise.reject(new PortcullisError('pdp_unavailable')));
    expect(await codeOf(failing)).toBe('pdp_unavailable');
    expect((await once(options(here), request(), () => Promise.resolve(answer()))).replayed).toBe(false);
  });

  /** A request that goes on after nobody waits for it any more. */
  const slow = async (more: Partial<OnceOptions>): Promise<{ end: (result: Promise<Answer>) => void }> => {
    const { here } = stores();
    let end = (_result: Promise<Answer>): void => undefined;
    const ends = new Promise<Answer>((resolve) => (end = resolve));
    const first = once(options(here, { timeoutMs: 20, ...more }), request(), () => ends);
    expect(await codeOf(first)).toBe('store_unavailable');
    return { end };
  };
  const again = (more: Partial<OnceOptions> = {}): Promise<unknown> =>
    once(options(stores().there, more), request(), () => Promise.resolve(answer({ second: true }))).then(
      (value) => value,
      (error: unknown) => (error as { code: unknown }).code,
    );

  it('is taken for as long as the request runs, and then has its answer', async () => {
    const { end } = await slow({ leaseMs: 600 });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(await again()).toBe('conflict');
    end(Promise.resolve(answer({ first: true })));
    await expect.poll(() => again()).toEqual({ answer: answer({ first: true }), replayed: true });
  });

  it('is free when a request failed that nobody waited for', async () => {
    const { end } = await slow({});
    expect(await again()).toBe('conflict');
    end(Promise.reject(new PortcullisError('pdp_unavailable')));
    await expect.poll(() => again()).toEqual({ answer: answer({ second: true }), replayed: false });
  });

  it('is held no longer than its lease when the process ends', async () => {
    const closing = new AbortController();
    const { end } = await slow({ leaseMs: 600, closing: closing.signal });
    closing.abort();
    await expect
      .poll(() => again(), { timeout: 10_000 })
      .toEqual({ answer: answer({ second: true }), replayed: false });
    end(Promise.resolve(answer({ first: true })));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await again()).toEqual({ answer: answer({ second: true }), replayed: true });
  });

  it('is renewed by whoever holds it alone, and only while there is no answer', async () => {
    const { here, there } = stores();
    const [lapsed, done] = [keyOf(`${key}-lapsed`), keyOf(`${key}-done`)];
    await here.begin(lapsed, 'mine', 'f', 900);
    await there.renew(lapsed, 'other', 60_000);
    await here.begin(done, 'mine', 'f', 60_000);
    await here.finish(done, 'mine', 'answer', 900);
    await there.renew(done, 'mine', 60_000);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    for (const each of [lapsed, done]) expect((await here.begin(each, 'new', 'f', 60_000)).state).toBe('claimed');
    await here.renew(keyOf(`${key}-none`), 'mine', 60_000);
    expect((await here.begin(keyOf(`${key}-none`), 'mine', 'f', 60_000)).state).toBe('claimed');
  });

  it('is kept long for what was done, and no longer than a lease for a refusal', async () => {
    const { here } = stores();
    const short = options(here, { leaseMs: 900 });
    await once(short, request(), () => Promise.resolve(answer()));
    await once(short, request({ key: `${key}-bad` }), () => Promise.resolve({ ...answer(), status: 400 }));
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(await once(short, request(), () => Promise.reject(new Error('never')))).toMatchObject({ replayed: true });
    expect(await once(short, request({ key: `${key}-bad` }), () => Promise.resolve(answer({ second: true })))).toEqual({
      answer: answer({ second: true }),
      replayed: false,
    });
  });

  it('counts as the person’s with whatever client, and as the tenant’s', async () => {
    const { here } = stores();
    const begun: IdempotencyKey[] = [];
    const watched = options({
      ...here,
      begin: (id, ...more) => {
        begun.push(id);
        return here.begin(id, ...more);
      },
    });
    const as = (caller: OnceRequest['caller']): Promise<unknown> =>
      once(watched, request({ caller }), () => Promise.resolve(answer()));
    const member = (tenant: string, clientId: string): OnceRequest['caller'] => {
      const context = contextFor({ tenant, subject: 'alice', clientId });
      return { kind: 'member', identity: context.identity, context };
    };
    await as(member('acme', 'one'));
    await as(member('acme', 'two'));
    await as(member('globex', 'one'));
    await as({ kind: 'person', identity: identityFor({ subject: 'alice', clientId: 'one' }) });
    const [one, two, globex, alone] = begun;
    expect(new Set(begun.map(({ id }) => id)).size).toBe(4);
    expect([two!.scope, two!.person]).toEqual([one!.scope, one!.person]);
    expect(globex!.scope).not.toBe(one!.scope);
    expect(alone!.scope).toBe(alone!.person);
  });

  it('keeps nothing for a claim whose lease was over, and takes nothing from the one after', async () => {
    const { here } = stores();
    let wake = (): void => undefined;
    // As one whose process stood still for longer than its lease.
    const still = { ...here, renew: () => Promise.resolve() };
    const slow = once(options(still, { leaseMs: 20 }), request(), async () => {
      await new Promise<void>((resolve) => (wake = resolve));
      return answer({ slow: true });
    });
    await new Promise((resolve) => setTimeout(resolve, 60));
    await once(options(here), request(), () => Promise.resolve(answer({ second: true })));
    wake();
    await slow;
    const kept = await once(options(here), request(), () => Promise.reject(new Error('never')));
    expect(kept.answer).toEqual(answer({ second: true }));
  });
}

/** Laws of a store in which one person may have 3 keys and one tenant 5. */
function sharing(stores: () => IdempotencyStore): void {
  let count = 0;
  let tenant = '';
  const take = async (person: string, at = tenant, leaseMs = 60_000): Promise<unknown> => {
    const key = keyOf(`share-${String(++count)}`, `${at}/${person}`, at);
    return stores()
      .begin(key, 'claim', 'f', leaseMs)
      .then(
        ({ state }) => state,
        (error: unknown) => (error as { data: unknown }).data,
      );
  };
  const full = (scope: string): unknown => ({ limit: 'idempotencyKeys', scope });
  beforeEach(() => {
    tenant = `tenant-${String(++count)}`;
  });

  it('leaves room for others when one person has used its share, and when one tenant has', async () => {
    for (let at = 0; at < 3; at++) expect(await take('ann')).toBe('claimed');
    expect(await take('ann')).toEqual(full('user'));
    expect(await take('bob')).toBe('claimed');
    expect(await take('carol')).toBe('claimed');
    expect(await take('dave')).toEqual(full('tenant'));
    expect(await take('dave', `${tenant}-b`)).toBe('claimed');
  });

  it('counts a person alone once where no tenant is', async () => {
    const person = `person-${String(++count)}`;
    const own = (id: string): Promise<unknown> =>
      codeOf(stores().begin({ id: `${person}-${id}`, person, scope: person }, 'c', 'f', 60_000));
    expect([await own('1'), await own('2'), await own('3'), await own('4')]).toEqual([
      undefined,
      undefined,
      undefined,
      'limit_exceeded',
    ]);
  });

  it('gives the room of a key back that is over or abandoned, once, and not that of one that is kept', async () => {
    const store = stores();
    const [kept, given] = [keyOf(`${tenant}-kept`, tenant, tenant), keyOf(`${tenant}-given`, tenant, tenant)];
    const short = (id: string): Promise<unknown> => codeOf(store.begin(keyOf(id, tenant, tenant), 'c', 'f', 900));
    await store.begin(kept, 'c', 'f', 900);
    await store.finish(kept, 'c', 'answer', 60_000);
    await store.begin(given, 'c', 'f', 900);
    await store.renew(given, 'c', 60_000);
    await store.abandon(given, 'another');
    expect(await short(`${tenant}-1`)).toBeUndefined();
    expect(await short(`${tenant}-2`)).toBe('limit_exceeded');
    await store.abandon(given, 'c');
    await store.abandon(given, 'c');
    expect(await short(`${tenant}-2`)).toBeUndefined();
    expect(await short(`${tenant}-3`)).toBe('limit_exceeded');
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect([await short(`${tenant}-4`), await short(`${tenant}-5`), await short(`${tenant}-6`)]).toEqual([
      undefined,
      undefined,
      'limit_exceeded',
    ]);
  });
}
const shares = { maxPerPerson: 3, maxPerTenant: 5 };

describe('a key in memory', () => {
  const store = memoryIdempotency();
  contract(() => ({ here: store, there: store }));
  const small = memoryIdempotency(shares);
  sharing(() => small);

  it('is forgotten in its time, and not before: a full store takes no new ones', async () => {
    let now = 0;
    const small = memoryIdempotency({ maxEntries: 2, clock: () => now });
    await small.begin(keyOf('a'), '1', 'f', 100);
    await small.begin(keyOf('b'), '1', 'f', 200);
    expect(await codeOf(small.begin(keyOf('c'), '1', 'f', 100))).toBe('limit_exceeded');
    expect((await small.begin(keyOf('a'), '1', 'f', 100)).state).toBe('running');
    now = 100;
    expect((await small.begin(keyOf('c'), '1', 'f', 100)).state).toBe('claimed');
  });
});

const connect = async (url: string) => {
  const client = createClient({ url, disableOfflineQueue: true });
  client.on('error', () => undefined);
  return client.connect();
};

describe.skipIf(skipWithoutRedis())('a key on Redis', () => {
  let server: RedisServer;
  let clients: readonly Awaited<ReturnType<typeof connect>>[];
  let here: IdempotencyStore;
  let there: IdempotencyStore;
  beforeAll(async () => {
    server = await startRedis();
    clients = await Promise.all([connect(server.url), connect(server.url)]);
    [here, there] = clients.map((client) => redisIdempotency({ client, timeoutMs: 2000 })) as [
      IdempotencyStore,
      IdempotencyStore,
    ];
  });
  afterAll(async () => {
    for (const client of clients) client.destroy();
    await server.stop();
  });
  contract(() => ({ here, there }));
  sharing(() => redisIdempotency({ client: clients[0]!, timeoutMs: 2000, ...shares }));

  it('leaves nothing behind when its time is over, and takes no prefix that would move keys apart', async () => {
    const brief = redisIdempotency({ client: clients[0]!, prefix: 'brief:' });
    await brief.begin(keyOf('a'), '1', 'f', 900);
    await brief.begin(keyOf('b'), '1', 'f', 900);
    await brief.finish(keyOf('b'), '1', 'answer', 1000);
    expect((await clients[0]!.keys('brief:*')).length).toBe(4);
    await expect.poll(() => clients[0]!.keys('brief:*'), { timeout: 10_000 }).toEqual([]);
    expect(() => redisIdempotency({ client: clients[0]!, prefix: '{a}' })).toThrow('prefix');
  });

  it('shows nothing of the answer to whoever reads Redis', async () => {
    const caller = { kind: 'person', identity: identityFor() } as const;
    const request = { key: 'visible?', caller, method: 'POST', target: '/', body: '' };
    const options = {
      ...{ store: redisIdempotency({ client: clients[0]!, prefix: 'secret:' }), ttlMs: 60_000 },
      ...{ leaseMs: 60_000, timeoutMs: 10_000 },
      ...{ closing: new AbortController().signal, onError: () => undefined },
    };
    await once(options, request, () => Promise.resolve(answer({ token: 'shown-once' })));
    const [client] = clients;
    const stored: string[] = [];
    for (const key of await client!.keys('secret:*')) {
      const isSet = (await client!.type(key)) === 'zset';
      stored.push(key, ...(isSet ? await client!.zRange(key, 0, -1) : [(await client!.get(key)) ?? '']));
    }
    expect(stored.length).toBe(6);
    expect(stored.join()).not.toMatch(/shown-once|visible\?|alice/);
  });

  it('is not taken for free when an entry is malformed, or Redis is gone', async () => {
    await clients[0]?.set('portcullis:idempotency:{acme}:key:bad', '{"claim":7}');
    expect(await codeOf(here.begin(keyOf('bad'), '1', 'f', 1000))).toBe('store_unavailable');
    await server.kill();
    expect(await codeOf(here.begin(keyOf('new'), '1', 'f', 1000))).toBe('store_unavailable');
  });
});

describe('a kept answer', () => {
  it('opens with the key and for the caller that it was made for, and whole', () => {
    const sealed = sealAnswer(answer(), 'key', 'alice');
    expect(openAnswer(sealed, 'key', 'alice')).toEqual(answer());
    const flipped = Buffer.from(sealed, 'base64url');
    flipped[30] = (flipped[30] ?? 0) ^ 1;
    for (const [text, key, caller] of [
      [sealed, 'other', 'alice'],
      [sealed, 'key', 'bob'],
      [flipped.toString('base64url'), 'key', 'alice'],
      ['', 'key', 'alice'],
    ] as const) {
      expect(() => openAnswer(text, key, caller)).toThrow(
        expect.objectContaining({ code: 'store_unavailable' }) as Error,
      );
    }
  });
});
