import { createClient } from '@keyv/redis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PortcullisError } from '@portcullis/core';
import { identityFor } from '@portcullis/testing/contexts';
import { skipWithoutRedis, startRedis, type RedisServer } from '@portcullis/testing/redis';
import type { Answer } from '../answer.js';
import { StillRunning } from '../still-running.js';
import { memoryIdempotency } from './memory.js';
import { once, type OnceOptions, type OnceRequest } from './once.js';
import { redisIdempotency } from './redis.js';
import { openAnswer, sealAnswer } from './sealed-answer.js';
import type { IdempotencyStore } from './store.js';

const answer = (body: object = { done: true }): Answer => ({ status: 201, body });
const codeOf = (run: Promise<unknown>): Promise<unknown> =>
  run.then(
    () => undefined,
    (error: unknown) => (error as { code: unknown }).code,
  );

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

  it('frees the key when nothing was done, and keeps it when nobody knows', async () => {
    const { here } = stores();
    const failing = once(options(here), request(), () => Promise.reject(new PortcullisError('pdp_unavailable')));
    expect(await codeOf(failing)).toBe('pdp_unavailable');
    const late = once(options(here), request(), () => Promise.reject(new StillRunning(10)));
    expect(await codeOf(late)).toBe('store_unavailable');
    expect(await codeOf(once(options(here), request(), () => Promise.resolve(answer())))).toBe('conflict');
  });

  it('keeps nothing for a claim whose lease was over, and takes nothing from the one after', async () => {
    const { here } = stores();
    let wake = (): void => undefined;
    const slow = once(options(here, { leaseMs: 20 }), request(), async () => {
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

describe('a key in memory', () => {
  const store = memoryIdempotency();
  contract(() => ({ here: store, there: store }));

  it('is forgotten in its time, and not before: a full store takes no new ones', async () => {
    let now = 0;
    const small = memoryIdempotency({ maxEntries: 2, clock: () => now });
    await small.begin('a', '1', 'f', 100);
    await small.begin('b', '1', 'f', 200);
    expect(await codeOf(small.begin('c', '1', 'f', 100))).toBe('limit_exceeded');
    expect((await small.begin('a', '1', 'f', 100)).state).toBe('running');
    now = 100;
    expect((await small.begin('c', '1', 'f', 100)).state).toBe('claimed');
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

  it('shows nothing of the answer to whoever reads Redis', async () => {
    const caller = { kind: 'person', identity: identityFor() } as const;
    const request = { key: 'visible?', caller, method: 'POST', target: '/', body: '' };
    const options = { store: here, ttlMs: 60_000, leaseMs: 60_000, onError: () => undefined };
    await once(options, request, () => Promise.resolve(answer({ token: 'shown-once' })));
    const [client] = clients;
    const stored: string[] = [];
    for (const key of await client!.keys('*')) stored.push(key, (await client!.get(key)) ?? '');
    expect(stored.join()).not.toMatch(/shown-once|visible\?|alice/);
  });

  it('is not taken for free when an entry is malformed, or Redis is gone', async () => {
    await clients[0]?.set('portcullis:idempotency:bad', '{"claim":7}');
    expect(await codeOf(here.begin('bad', '1', 'f', 1000))).toBe('store_unavailable');
    await server.kill();
    expect(await codeOf(here.begin('new', '1', 'f', 1000))).toBe('store_unavailable');
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
