import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CreateBucketCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { tenantId, type OperatorAccess } from '@portcullis/core';
import { contextFor, operatorFor } from '@portcullis/testing/contexts';
import { startS3, type S3Server } from '@portcullis/testing/s3';
import { bucketPerTenant, s3Storage, type S3StorageOptions, type TenantObjects } from './s3.js';
import { compareKeys } from './tenant-key.js';

const acme = contextFor({ tenant: 'acme' });
const globex = contextFor({ tenant: 'globex' });
const refusal = { code: 'storage_refused' };
const failure = { code: 'storage_unavailable' };
const MiB = 1024 * 1024;

let server: S3Server;
let client: S3Client;
const clients: S3Client[] = [];
const clientOf = (endpoint: string): S3Client => {
  const { region, credentials } = server;
  const made = new S3Client({ endpoint, region, credentials, forcePathStyle: true, maxAttempts: 1 });
  clients.push(made);
  return made;
};
beforeAll(async () => {
  server = await startS3({ buckets: ['data', 'other', 'app-acme'] });
  client = clientOf(server.endpoint);
});
afterAll(async () => {
  for (const one of clients) one.destroy();
  await server.stop();
});

const storageOf = (options: Partial<S3StorageOptions> = {}) => s3Storage({ client, bucket: 'data', ...options });
const text = async (own: TenantObjects, key: string): Promise<string | undefined> => {
  const object = await own.get(key);
  return object === undefined ? undefined : Buffer.from(object.body).toString();
};
const keysOf = async (own: TenantObjects, options = {}): Promise<readonly string[]> =>
  (await own.list(options)).objects.map(({ key }) => key);
const every = (own: TenantObjects, key: string): readonly (() => Promise<unknown>)[] => [
  () => own.get(key),
  () => own.getStream(key),
  () => own.head(key),
  () => own.exists(key),
  () => own.put(key, 'x'),
  () => own.put(key, new Blob(['x']).stream()),
  () => own.delete(key),
  () => own.deleteMany(['fine', key]),
  () => own.copy(key, 'to'),
  () => own.copy('from', key),
  () => own.uploads.create(key),
  () => own.signGet(key, { expiresInMs: 1000 }),
  () => own.signPut(key, { expiresInMs: 1000, contentType: 'text/plain', contentLengthBytes: 1 }),
];
/** All that asks the server. */
const asking = (own: TenantObjects): readonly (() => Promise<unknown>)[] => [
  ...every(own, 'a').slice(0, -2),
  () => own.list(),
  () => own.clear(),
];

describe('objects of tenants in one bucket', () => {
  let [a, g]: readonly TenantObjects[] = [];
  beforeEach(async () => {
    const storage = storageOf();
    [a, g] = [storage.forTenant(acme), storage.forTenant(globex)];
    await a.clear();
    await g.clear();
  });
  const own = (): TenantObjects => a!;
  const other = (): TenantObjects => g!;

  it('keeps the same key of two tenants apart', async () => {
    await own().put('doc/1', 'of acme', { contentType: 'text/plain', metadata: { author: 'alice' } });
    await other().put('doc/1', Buffer.from('of globex'));
    const object = await own().get('doc/1');
    expect(object).toMatchObject({
      key: 'doc/1',
      sizeBytes: 7,
      contentType: 'text/plain',
      metadata: { author: 'alice' },
    });
    expect(await own().head('doc/1')).toEqual({ ...object, body: undefined });
    expect(await keysOf(own())).toEqual(['doc/1']);
    await other().delete('doc/1');
    await other().delete('doc/1');
    expect([await other().exists('doc/1'), await own().exists('doc/1')]).toEqual([false, true]);
    expect([await other().get('doc/1'), await other().head('doc/1'), await other().getStream('doc/1')]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(await other().clear()).toBe(0);
    expect(await text(own(), 'doc/1')).toBe('of acme');
    const { Contents } = await client.send(new ListObjectsV2Command({ Bucket: 'data' }));
    expect(Contents?.map(({ Key }) => Key)).toEqual(['acme/doc/1']);
  });

  const odd = [
    'a b',
    ' a',
    'a ',
    '+',
    'a+b',
    '?x=1',
    '#',
    'a&b;c',
    "!'()*",
    '=,:@$',
    'ünï',
    '日本/語',
    '😀',
    '"<>&amp;',
    '\uFFFF',
  ];

  it.each(odd)('writes, reads, lists, copies, signs and deletes the key %j', async (key) => {
    await own().put(key, key);
    await own().put('other', 'x');
    expect(await text(own(), key)).toBe(key);
    expect([...(await keysOf(own()))].sort()).toEqual([key, 'other'].sort());
    expect(await keysOf(own(), { prefix: key })).toEqual([key]);
    expect(await own().copy(key, `${key}2`)).toBeDefined();
    expect(await text(own(), `${key}2`)).toBe(key);
    expect(await own().copy(`${key}2`, 'plain')).toBeDefined();
    const { url } = await own().signGet(key, { expiresInMs: 60_000 });
    expect(await (await fetch(url)).text()).toBe(key);
    await own().deleteMany([key, 'plain', `${key}2`]);
    expect(await keysOf(own())).toEqual(['other']);
  });

  it('refuses keys that are not acceptable, before anything is asked', async () => {
    const dead = s3Storage({ client: clientOf('http://127.0.0.1:1'), bucket: 'data' }).forTenant(acme);
    for (const key of [
      '',
      '.',
      '..',
      '../globex/x',
      'a/../../globex/x',
      '/a',
      'a//b',
      'a\u0000',
      'a%2F',
      'x'.repeat(513),
      7,
    ])
      for (const operation of every(dead, key as string)) await expect(operation()).rejects.toMatchObject(refusal);
    for (const prefix of ['../', '..', '/', 'a//', '%'])
      await expect(dead.list({ prefix })).rejects.toMatchObject(refusal);
  });

  it('refuses what it could not store or would not mean', async () => {
    for (const operation of [
      () => own().put('a', 7 as never),
      () => own().put('a', new ReadableStream({ start: (controller) => controller.enqueue('text' as never) })),
      () => own().put('a', 'x', { contentType: 'text/plain\r\nx-amz-acl: public-read' }),
      () => own().put('a', 'x', { metadata: { Upper: 'x' } }),
      () => own().put('a', 'x', { metadata: { 'a b': 'x' } }),
      () => own().put('a', 'x', { metadata: { a: 'é' } }),
      () => own().put('a', 'x', { metadata: { a: 'x\ny' } }),
      () => own().put('a', 'x', { metadata: { a: 'x'.repeat(1000), b: 'x'.repeat(1000), c: 'x'.repeat(100) } }),
      () => own().put('a', 'x', { ifNoneMatch: '"etag"' as never }),
      () => own().put('a', 'x', { ifNoneMatch: '*', ifMatch: '"etag"' }),
      () => own().copy('a', 'a'),
      () => own().list({ limit: 0 }),
      () => own().list({ limit: 1.5 }),
      () => own().list({ delimiter: '' as never }),
      () => own().list({ delimiter: 'a' as never }),
    ])
      await expect(operation()).rejects.toMatchObject(refusal);
    expect(await keysOf(own())).toEqual([]);
  });

  it('reads no more into memory than it may, and any size as a stream', async () => {
    const small = storageOf({ maxGetBytes: 3 }).forTenant(acme);
    await small.put('a', 'abcd');
    await expect(small.get('a')).rejects.toMatchObject(refusal);
    const streamed = await small.getStream('a');
    expect(streamed?.sizeBytes).toBe(4);
    expect(await new Response(streamed?.body).text()).toBe('abcd');
    const left = await small.getStream('a');
    await left?.body.cancel();
    await small.put('b', '');
    expect((await small.get('b'))?.body).toEqual(new Uint8Array());
  });

  it('sends a long stream in parts, and leaves none of a broken one', async () => {
    const parts = storageOf({ partSizeBytes: 5 * MiB }).forTenant(acme);
    const body = new Uint8Array(11 * MiB).map((_, at) => at % 251);
    await parts.put('long', new Blob([body]).stream(), { contentType: 'a/b', metadata: { a: 'b' } });
    const object = await parts.get('long');
    expect(object).toMatchObject({ sizeBytes: body.length, contentType: 'a/b', metadata: { a: 'b' } });
    expect(Buffer.compare(object!.body, body)).toBe(0);
    await parts.put('exact', new Blob([body.subarray(0, 5 * MiB)]).stream());
    await parts.put('empty', new Blob([]).stream());
    expect([(await parts.head('exact'))?.sizeBytes, (await parts.head('empty'))?.sizeBytes]).toEqual([5 * MiB, 0]);
    let pulled = 0;
    const broken = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled += 1;
        if (pulled > 12) throw new Error('broken');
        controller.enqueue(new Uint8Array(MiB));
      },
    });
    await expect(parts.put('broken', broken)).rejects.toMatchObject(failure);
    expect(await parts.exists('broken')).toBe(false);
    expect(await uploadsLeft()).toBe(0);
  });

  it('gives up a source that stands still, and cancels it', async () => {
    let cancelled = false;
    const still = new ReadableStream<Uint8Array>({ cancel: () => void (cancelled = true) });
    await expect(storageOf({ timeoutMs: 50 }).forTenant(acme).put('a', still)).rejects.toMatchObject(failure);
    expect(cancelled).toBe(true);
  });

  it('writes on a condition', async () => {
    const { etag } = await own().put('a', '1', { ifNoneMatch: '*' });
    await expect(own().put('a', '2', { ifNoneMatch: '*' })).rejects.toMatchObject({ code: 'conflict' });
    await expect(own().put('a', '2', { ifMatch: '"none"' })).rejects.toMatchObject({ code: 'conflict' });
    await expect(own().copy('a', 'a2', { ifMatch: '"none"' })).rejects.toMatchObject({ code: 'conflict' });
    await own().put('a', '2', { ifMatch: etag });
    expect(await text(own(), 'a')).toBe('2');
    const first = new Blob([new Uint8Array(9 * MiB)]).stream();
    await expect(own().put('a', first, { ifNoneMatch: '*' })).rejects.toMatchObject({ code: 'conflict' });
    expect(await text(own(), 'a')).toBe('2');
    expect(await uploadsLeft()).toBe(0);
  });

  it('copies within the tenant alone', async () => {
    await other().put('secret', 'of globex');
    expect(await own().copy('secret', 'mine')).toBeUndefined();
    for (const from of ['../globex/secret', '/data/globex/secret', 'data/../globex/secret', '%2e%2e/globex/secret'])
      await expect(own().copy(from, 'mine')).rejects.toMatchObject(refusal);
    expect(await own().copy('data/globex/secret', 'mine')).toBeUndefined();
    expect(await own().copy('globex/secret?versionId=null', 'mine')).toBeUndefined();
    expect(await keysOf(own())).toEqual([]);
  });

  it('pages in the order of keys, below exactly the prefix, with groups', async () => {
    const keys = ['a', 'a-1', 'a/1', 'a/2', 'a/b/3', 'ab', 'b/1', 'b/\u{10FFFF}x', 'c', '\uFF5E', '\u{1F600}'];
    for (const key of keys) await own().put(key, key);
    await other().put('a/9', 'x');
    const pages = async (options: object): Promise<readonly unknown[]> => {
      const seen: unknown[] = [];
      let cursor: string | undefined;
      do {
        const page = await own().list({ ...options, cursor });
        seen.push([...page.prefixes, ...page.objects.map(({ key }) => key)].sort(compareKeys));
        cursor = page.cursor;
      } while (cursor !== undefined);
      return seen;
    };
    const sorted = [...keys].sort(compareKeys);
    expect((await pages({ limit: 4 })).flat()).toEqual(sorted);
    expect((await pages({ limit: 1 })).flat()).toEqual(sorted);
    expect(await pages({ prefix: 'a/' })).toEqual([['a/1', 'a/2', 'a/b/3']]);
    for (const limit of [1, 2, 100])
      expect((await pages({ limit, delimiter: '/' })).flat()).toEqual([
        'a',
        'a-1',
        'a/',
        'ab',
        'b/',
        'c',
        '\uFF5E',
        '\u{1F600}',
      ]);
    expect(await pages({ prefix: 'a/', delimiter: '/' })).toEqual([['a/1', 'a/2', 'a/b/']]);
    expect(await pages({ prefix: 'none' })).toEqual([[]]);
  });

  it('takes any cursor for a place in the tenant’s own listing, and nothing else', async () => {
    for (const key of ['a', 'b', 'z']) await own().put(key, key);
    for (const key of ['a', 'm', 'z']) await other().put(key, key);
    const { cursor } = await other().list({ limit: 2 });
    expect(await keysOf(own(), { cursor })).toEqual(['z']);
    const written = (last: string): string => Buffer.from(last).toString('base64url');
    for (const last of ['../globex/', '/', 'globex/a', '\u0000', '%', '\u{10FFFF}', '..', 'a\n'])
      for (const key of await keysOf(own(), { cursor: written(last) })) expect(['a', 'b', 'z']).toContain(key);
    for (const cursor of ['', '!', 'a', `${written('a')}=`, 'acme/a'])
      await expect(own().list({ cursor })).rejects.toMatchObject(refusal);
  });

  it('does not show what the codec would not have named, and clears it away', async () => {
    for (const Key of ['acme/folder/', 'acme/a\\b', 'acme/e\u0301'])
      await client.send(new PutObjectCommand({ Bucket: 'data', Key, Body: 'x' }));
    await own().put('a', 'x');
    expect(await keysOf(own())).toEqual(['a']);
    expect((await own().list({ limit: 1 })).objects).toHaveLength(1);
    expect(await own().clear()).toBe(4);
    expect((await client.send(new ListObjectsV2Command({ Bucket: 'data' }))).Contents).toBeUndefined();
  });

  it('clears and lists over many pages, uploads included, and nothing of another tenant’s', async () => {
    const paging = await startS3({ buckets: ['data'], pageLimit: 10 });
    const storage = s3Storage({ client: clientOf(paging.endpoint), bucket: 'data' });
    const [mine, others] = [storage.forTenant(acme), storage.forTenant(globex)];
    const keys = Array.from({ length: 35 }, (_, at) => `k/${String(at)}`);
    await Promise.all(keys.map((key) => mine.put(key, '')));
    await mine.uploads.create('u');
    await others.put('k/1', 'x');
    await others.uploads.create('u');
    expect(await keysOf(mine, { limit: 30 })).toEqual([...keys].sort(compareKeys).slice(0, 30));
    expect(await keysOf(mine, { limit: 1000 })).toHaveLength(35);
    expect(await mine.clear()).toBe(35);
    expect([await keysOf(mine), await keysOf(others)]).toEqual([[], ['k/1']]);
    expect(await uploadsLeft(paging)).toBe(1);
    await paging.stop();
  });

  describe('uploads in parts', () => {
    it('become an object', async () => {
      const id = await own().uploads.create('m', { contentType: 'a/b' });
      const [one, two] = [await own().uploads.part('m', id, 1, 'one'), await own().uploads.part('m', id, 2, 'two')];
      expect(await own().exists('m')).toBe(false);
      await own().uploads.complete('m', id, [one, two]);
      expect(await text(own(), 'm')).toBe('onetwo');
      await own().uploads.abort('m', id);
    });

    it('are of one key of one tenant in one bucket, also on a server that does not look', async () => {
      const uploadSecret = 's'.repeat(32);
      const [mine, theirs] = [acme, globex].map((context) => storageOf({ uploadSecret }).forTenant(context).uploads);
      const elsewhere = storageOf({ uploadSecret, bucket: 'other' }).forTenant(acme).uploads;
      const id = await theirs!.create('m');
      const part = await theirs!.part('m', id, 1, 'of globex');
      const [raw] = id.split('.');
      const [, seal] = (await mine!.create('m')).split('.');
      const forged = [id, `${raw!}.${seal!}`, raw!, `${raw!}.`, '', `${raw!}.${'A'.repeat(43)}`, 7 as never];
      for (const bad of [...forged, await elsewhere.create('m'), await mine!.create('n')])
        for (const operation of [
          () => mine!.part('m', bad, 1, 'x'),
          () => mine!.complete('m', bad, [part]),
          () => mine!.abort('m', bad),
        ])
          await expect(operation()).rejects.toMatchObject(refusal);
      const stranger = storageOf().forTenant(globex).uploads;
      await expect(stranger.complete('m', id, [part])).rejects.toMatchObject(refusal);
      await theirs!.complete('m', id, [part]);
      expect(await text(other(), 'm')).toBe('of globex');
      expect(await own().exists('m')).toBe(false);
    });

    it('go on in another process that has the secret', async () => {
      const uploadSecret = 's'.repeat(32);
      const [one, two] = [storageOf({ uploadSecret }), storageOf({ uploadSecret })].map((of) => of.forTenant(acme));
      const id = await one!.uploads.create('m');
      const part = await two!.uploads.part('m', id, 1, Buffer.from('x'));
      await one!.uploads.complete('m', id, [part]);
      expect(await text(two!, 'm')).toBe('x');
    });

    it('refuse parts that are none', async () => {
      const id = await own().uploads.create('m');
      const part = await own().uploads.part('m', id, 1, 'x');
      for (const operation of [
        () => own().uploads.part('m', id, 0, 'x'),
        () => own().uploads.part('m', id, 10_001, 'x'),
        () => own().uploads.part('m', id, 1.5, 'x'),
        () => own().uploads.part('m', id, 1, 7 as never),
        () => own().uploads.complete('m', id, []),
        () => own().uploads.complete('m', id, [part, part]),
        () => own().uploads.complete('m', id, [{ partNumber: 1, etag: '\n' }]),
      ])
        await expect(operation()).rejects.toMatchObject(refusal);
      await own().uploads.abort('m', id);
      await own().uploads.abort('m', id);
      await expect(own().uploads.complete('m', id, [part])).rejects.toMatchObject(failure);
    });
  });

  describe('signed requests', () => {
    const minute = 60_000;
    const how = { expiresInMs: minute, contentType: 'text/plain', contentLengthBytes: 3 };
    const send = async (url: string, body: string, headers: Record<string, string>): Promise<number> =>
      (await fetch(url, { method: 'PUT', body, headers })).status;

    it('read one object, and say what the options say', async () => {
      await own().put('a', 'abc', { contentType: 'text/html' });
      const { url, method, headers, expiresAt } = await own().signGet('a', {
        expiresInMs: minute,
        contentDisposition: 'attachment; filename="a.txt"',
        contentType: 'text/plain',
      });
      expect([method, headers]).toEqual(['GET', {}]);
      expect(Math.abs(expiresAt - Date.now() - minute)).toBeLessThan(10_000);
      const answer = await fetch(url);
      expect(await answer.text()).toBe('abc');
      expect(answer.headers.get('content-disposition')).toBe('attachment; filename="a.txt"');
      expect(answer.headers.get('content-type')).toBe('text/plain');
    });

    it('are good for no other key, tenant, method or option', async () => {
      await own().put('a', 'abc');
      await own().put('b', 'abc');
      await other().put('a', 'abc');
      const { url } = await own().signGet('a', { expiresInMs: minute });
      const changed = [
        url.replace('/acme/a', '/acme/b'),
        url.replace('/acme/a', '/globex/a'),
        url.replace('/acme/a', '/acme/../globex/a'),
        url.replace('/acme/a', '/acme/%2e%2e/globex/a'),
        url.replace('X-Amz-Expires=60', 'X-Amz-Expires=6000'),
        `${url}&response-content-type=text%2Fhtml`,
        url.replace('/data/acme/a?', '/data?list-type=2&prefix=&'),
      ];
      expect((await fetch(url)).status).toBe(200);
      for (const bad of changed.slice(0, -1)) expect((await fetch(bad)).status).toBe(403);
      expect(await send(url, 'new', {})).toBe(403);
      expect((await fetch(url, { method: 'DELETE' })).status).toBe(403);
      expect(await text(own(), 'a')).toBe('abc');
    });

    it('write one object, of one type and one length', async () => {
      const { url, headers, method } = await own().signPut('a', how);
      expect([method, headers]).toEqual(['PUT', { 'content-type': 'text/plain' }]);
      expect(await send(url, 'abcd', headers)).toBe(403);
      expect(await send(url, 'ab', headers)).toBe(403);
      expect(await send(url, 'abc', { 'content-type': 'text/html' })).toBe(403);
      expect(await send(url.replace('/acme/', '/globex/'), 'abc', headers)).toBe(403);
      expect(await own().exists('a')).toBe(false);
      expect(await send(url, 'abc', headers)).toBe(200);
      expect(await own().get('a')).toMatchObject({ contentType: 'text/plain', sizeBytes: 3 });
      expect(url).not.toContain('checksum-crc32');
    });

    it('write only where nothing is, when they say so', async () => {
      const { url, headers } = await own().signPut('a', { ...how, ifNoneMatch: '*' });
      expect(await send(url, 'abc', { 'content-type': 'text/plain' })).toBe(403);
      expect(await send(url, 'abc', headers)).toBe(200);
      expect(await send(url, 'abc', headers)).toBe(412);
    });

    it('expire', async () => {
      await own().put('a', 'abc');
      const { url } = await own().signGet('a', { expiresInMs: 1000 });
      await expect.poll(async () => (await fetch(url)).status, { timeout: 20_000, interval: 300 }).toBe(403);
    });

    it('end within the bound, and in whole seconds', async () => {
      const longer = storageOf({ maxExpiresInMs: 20 * minute }).forTenant(acme);
      await longer.signGet('a', { expiresInMs: 20 * minute });
      for (const expiresInMs of [0, -1000, 999, 1500, Number.NaN, Number.POSITIVE_INFINITY, 16 * minute, undefined]) {
        await expect(own().signGet('a', { expiresInMs: expiresInMs! })).rejects.toMatchObject(refusal);
        await expect(own().signPut('a', { ...how, expiresInMs: expiresInMs! })).rejects.toMatchObject(refusal);
      }
      for (const bad of [-1, 1.5, Number.NaN, undefined])
        await expect(own().signPut('a', { ...how, contentLengthBytes: bad! })).rejects.toMatchObject(refusal);
      for (const contentDisposition of ['a\r\nb', '', 'é'])
        await expect(own().signGet('a', { expiresInMs: 1000, contentDisposition })).rejects.toMatchObject(refusal);
      await expect(own().signPut('a', { ...how, contentType: 'a\nb' })).rejects.toMatchObject(refusal);
    });
  });

  it('agrees with a map a tenant, whatever the tenants, the keys and the order', async () => {
    const storage = storageOf();
    const contexts = ['a', 'A', 'ab', 'a_b'].map((tenant) => contextFor({ tenant }));
    const key = fc.oneof(
      fc.constantFrom('a', 'ab', 'a/b', 'b/a', 'A', 'a*', '_', 'a+b', 'a b', '?'),
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 5 }),
    );
    const what = fc.constantFrom('put', 'put', 'delete', 'get', 'copy', 'list', 'clear');
    const step = fc.record({ who: fc.nat(3), key, to: key, what, value: fc.string() });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        const model = contexts.map(() => new Map<string, string>());
        for (const context of contexts) await storage.forTenant(context).clear();
        for (const { who, key: of, to, what: operation, value } of steps) {
          const objects = storage.forTenant(contexts[who]!);
          const expected = model[who]!;
          const accepted = await Promise.all([objects.exists(of), objects.exists(to)]).then(
            () => of !== to,
            () => false,
          );
          if (operation === 'clear') {
            expect(await objects.clear()).toBe(expected.size);
            expected.clear();
          } else if (operation === 'list')
            expect(await keysOf(objects, { limit: 1000 })).toEqual([...expected.keys()].sort(compareKeys));
          else if (!accepted) continue;
          else if (operation === 'put') {
            await objects.put(of, value);
            expected.set(of, value);
          } else if (operation === 'delete') {
            await objects.delete(of);
            expected.delete(of);
          } else if (operation === 'copy') {
            expect((await objects.copy(of, to)) !== undefined).toBe(expected.has(of));
            if (expected.has(of)) expected.set(to, expected.get(of)!);
          } else expect(await text(objects, of)).toBe(expected.get(of));
        }
        for (const [index, context] of contexts.entries())
          expect(await keysOf(storage.forTenant(context), { limit: 1000 })).toEqual(
            [...model[index]!.keys()].sort(compareKeys),
          );
      }),
      { numRuns: 20 },
    );
  }, 60_000);
});

describe('a bucket for each tenant', () => {
  it('has the objects of one, and is missed aloud', async () => {
    const storage = s3Storage({ client, bucket: bucketPerTenant({ prefix: 'app' }) });
    const own = storage.forTenant(acme);
    await own.put('a', 'x');
    const { Contents } = await client.send(new ListObjectsV2Command({ Bucket: 'app-acme' }));
    expect(Contents?.map(({ Key }) => Key)).toEqual(['acme/a']);
    for (const operation of asking(storage.forTenant(globex)))
      await expect(operation()).rejects.toMatchObject({ code: 'storage_not_provisioned' });
    await client.send(new CreateBucketCommand({ Bucket: 'app-globex' }));
    expect(await storage.forTenant(globex).get('a')).toBeUndefined();
  });
});

it('names the owner of the bucket in every request', async () => {
  const recording = clientOf(server.endpoint);
  const requests: Record<string, string>[] = [];
  recording.middlewareStack.add(
    (next) => (args) => {
      requests.push({ ...(args.request as { headers: Record<string, string> }).headers });
      return next(args);
    },
    { step: 'finalizeRequest', name: 'recording' },
  );
  const own = s3Storage({
    client: recording,
    bucket: 'data',
    expectedBucketOwner: '111122223333',
    partSizeBytes: 5 * MiB,
  }).forTenant(acme);
  await own.put('a', 'x');
  for (const operation of asking(own)) await operation();
  await own.put('a', new Blob([new Uint8Array(6 * MiB)]).stream());
  const id = await own.uploads.create('m');
  await own.uploads.complete('m', id, [await own.uploads.part('m', id, 1, 'x')]);
  await own.uploads.abort('m', id);
  await own.uploads.create('m');
  await own.clear();
  const { url } = await own.signGet('a', { expiresInMs: 1000 });
  expect(url).toContain('x-amz-expected-bucket-owner=111122223333');
  const put = await own.signPut('a', { expiresInMs: 1000, contentType: 'a/b', contentLengthBytes: 1 });
  expect(put.url).toContain('x-amz-expected-bucket-owner=111122223333');
  expect(requests.length).toBeGreaterThan(20);
  for (const headers of requests) expect(headers['x-amz-expected-bucket-owner']).toBe('111122223333');
  const copies = requests.filter((headers) => 'x-amz-copy-source' in headers);
  expect(copies.map((headers) => headers['x-amz-source-expected-bucket-owner'])).toEqual(
    copies.map(() => '111122223333'),
  );
});

describe('a server that fails', () => {
  it('is unavailable when it died, and nothing is said not to be there', async () => {
    const victim = await startS3({ buckets: ['data'] });
    const own = s3Storage({ client: clientOf(victim.endpoint), bucket: 'data', timeoutMs: 10_000 }).forTenant(acme);
    await own.put('a', 'x');
    await victim.kill();
    for (const operation of asking(own)) await expect(operation()).rejects.toMatchObject(failure);
    await victim.stop();
  });

  it('is unavailable when it takes the credentials for wrong, and the error has none of them', async () => {
    const stranger = new S3Client({
      endpoint: server.endpoint,
      region: server.region,
      credentials: { accessKeyId: 'S3RVER', secretAccessKey: 'very-secret', sessionToken: 'session-token' },
      forcePathStyle: true,
    });
    clients.push(stranger);
    const error: unknown = await s3Storage({ client: stranger, bucket: 'data' })
      .forTenant(acme)
      .get('a')
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ ...failure, detail: expect.stringContaining('SignatureDoesNotMatch') });
    const said: string[] = [];
    for (let at = error; at instanceof Error; at = at.cause)
      said.push(at.message, JSON.stringify(Object.entries(at)), ...Object.getOwnPropertyNames(at));
    expect(said.join()).not.toMatch(/very-secret|session-token|\$response|AWS4-HMAC/);
  });

  it.each(['2', '4'])('is unavailable when 3 bytes come in place of the %s that were announced', async (length) => {
    await storageOf().forTenant(acme).put('three', 'abc');
    const changing = clientOf(server.endpoint);
    changing.middlewareStack.add(
      (next) => async (args) => {
        const result = await next(args);
        (result.response as { headers: Record<string, string> }).headers['content-length'] = length;
        return result;
      },
      { step: 'deserialize', priority: 'low', name: 'changing' },
    );
    const changed = s3Storage({ client: changing, bucket: 'data' }).forTenant(acme);
    await expect(changed.get('three')).rejects.toMatchObject(failure);
    const streamed = await changed.getStream('three');
    await expect(new Response(streamed?.body).text()).rejects.toMatchObject(failure);
  });

  describe('on purpose', () => {
    let answer: (request: IncomingMessage, response: ServerResponse) => void;
    const http = createServer((request, response) => {
      request.resume();
      answer(request, response);
    });
    let lied: TenantObjects;
    beforeAll(async () => {
      await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
      const { port } = http.address() as AddressInfo;
      lied = s3Storage({
        client: clientOf(`http://127.0.0.1:${String(port)}`),
        bucket: 'data',
        timeoutMs: 2000,
      }).forTenant(acme);
    });
    afterAll(() => {
      http.closeAllConnections();
      http.close();
    });
    const listing = (keys: readonly string[], rest = ''): void => {
      const contents = keys.map(
        (key) =>
          `<Contents><Key>${key}</Key><Size>1</Size><ETag>"e"</ETag><LastModified>2026-01-01T00:00:00Z</LastModified></Contents>`,
      );
      answer = (_, response) =>
        response.end(`<?xml version="1.0"?><ListBucketResult>${contents.join('')}${rest}</ListBucketResult>`);
    };

    it.each([
      ['another tenant’s key', ['globex/secret'], ''],
      ['another tenant’s key among the tenant’s own', ['acme/a', 'globex/secret'], ''],
      ['a key that begins almost like the tenant’s', ['acme2/secret'], ''],
      ['another tenant’s key, encoded', ['%67lobex/secret'], '<EncodingType>url</EncodingType>'],
      ['a key that is not encoded as it says', ['acme/%'], '<EncodingType>url</EncodingType>'],
      ['another tenant’s group', [], '<CommonPrefixes><Prefix>globex/</Prefix></CommonPrefixes>'],
      ['keys out of order', ['acme/b', 'acme/a'], ''],
      ['a key twice', ['acme/a', 'acme/a'], ''],
      ['an empty page of a longer listing', [], '<IsTruncated>true</IsTruncated>'],
      ['nothing of an object', [], '<Contents><Size>1</Size></Contents>'],
    ])('is not believed when it lists %s', async (_what, keys, rest) => {
      listing(keys, rest);
      await expect(lied.list()).rejects.toMatchObject(failure);
      await expect(lied.list({ delimiter: '/' })).rejects.toMatchObject(failure);
      await expect(lied.clear()).rejects.toMatchObject(failure);
    });

    it('is not believed when it lists what comes before the cursor, or is not below the prefix', async () => {
      listing(['acme/a']);
      expect((await lied.list()).objects).toHaveLength(1);
      await expect(lied.list({ cursor: Buffer.from('b').toString('base64url') })).rejects.toMatchObject(failure);
      await expect(lied.list({ prefix: 'b' })).rejects.toMatchObject(failure);
    });

    it('is not believed when it says that it deleted, and lists it again, or deleted less', async () => {
      const there =
        '<Contents><Key>acme/a</Key><Size>1</Size><ETag>"e"</ETag><LastModified>2026-01-01T00:00:00Z</LastModified></Contents>';
      answer = (request, response) =>
        response.end(
          request.method === 'POST'
            ? '<DeleteResult><Deleted><Key>acme/a</Key></Deleted></DeleteResult>'
            : `<ListBucketResult>${there}</ListBucketResult>`,
        );
      await expect(lied.clear()).rejects.toMatchObject(failure);
      answer = (_, response) =>
        response.end(
          '<DeleteResult><Deleted><Key>acme/a</Key></Deleted><Error><Key>acme/a</Key><Code>InternalError</Code></Error></DeleteResult>',
        );
      await expect(lied.deleteMany(['a'])).rejects.toMatchObject(failure);
      answer = (_, response) => response.end('<DeleteResult></DeleteResult>');
      await expect(lied.deleteMany(['a'])).rejects.toMatchObject(failure);
      answer = (_, response) =>
        response.end(
          '<DeleteResult><Deleted><Key>acme/a</Key></Deleted><Error><Key>acme/b</Key><Code>AccessDenied</Code></Error></DeleteResult>',
        );
      await expect(lied.deleteMany(['a', 'b'])).rejects.toMatchObject({
        ...failure,
        detail: expect.stringContaining('AccessDenied'),
      });
    });

    it.each([
      [404, ''],
      [404, 'not found'],
      [404, '<Error><Code>NoSuchUpload</Code></Error>'],
      [403, '<Error><Code>NoSuchKey</Code></Error>'],
      [500, '<Error><Code>NoSuchKey</Code></Error>'],
      [503, ''],
      [200, ''],
    ])('has not said that there is nothing by %i %j', async (status, body) => {
      answer = (request, response) => {
        response.statusCode = status;
        response.end(request.method === 'HEAD' ? '' : body);
      };
      for (const operation of [
        () => lied.get('a'),
        () => lied.getStream('a'),
        () => lied.head('a'),
        () => lied.exists('a'),
        () => lied.copy('a', 'b'),
      ])
        await expect(operation()).rejects.toMatchObject(failure);
    });

    it('cannot cut an object short without being found out', async () => {
      answer = (_, response) => {
        response.writeHead(200, {
          'content-length': '10',
          etag: '"e"',
          'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT',
        });
        response.write('abc');
        setTimeout(() => response.destroy(), 20);
      };
      await expect(lied.get('a')).rejects.toMatchObject(failure);
      const streamed = await lied.getStream('a');
      await expect(new Response(streamed?.body).text()).rejects.toMatchObject(failure);
    });

    it('is given up when it is silent, at the headers or in the middle', async () => {
      answer = () => undefined;
      await Promise.all(asking(lied).map((operation) => expect(operation()).rejects.toMatchObject(failure)));
      answer = (_, response) => {
        response.writeHead(200, {
          'content-length': '10',
          etag: '"e"',
          'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT',
        });
        response.write('abc');
      };
      await expect(lied.get('a')).rejects.toMatchObject(failure);
      const streamed = await lied.getStream('a');
      await expect(new Response(streamed?.body).text()).rejects.toMatchObject(failure);
    });

    it('is not waited for when the caller gives up', async () => {
      answer = () => undefined;
      const slow = s3Storage({
        client: clientOf(`http://127.0.0.1:${String((http.address() as AddressInfo).port)}`),
        bucket: 'data',
        timeoutMs: 60_000,
      }).forTenant(acme);
      const signal = AbortSignal.abort();
      await expect(slow.get('a', { signal })).rejects.toMatchObject(failure);
      const later = new AbortController();
      const waiting = Promise.allSettled([
        slow.get('a', { signal: later.signal }),
        slow.list({ signal: later.signal }),
        slow.put('a', 'x', { signal: later.signal }),
        slow.put('a', new ReadableStream(), { signal: later.signal }),
        slow.clear({ signal: later.signal }),
      ]);
      later.abort();
      for (const outcome of await waiting) expect(outcome).toMatchObject({ status: 'rejected', reason: failure });
    });
  });
});

describe('who is let in', () => {
  it('is no context that no resolver made', () => {
    for (const forged of [{ ...acme }, { tenant: { id: 'acme' } }, undefined, null, 'acme', operatorFor()])
      expect(() => storageOf().forTenant(forged as never)).toThrow(expect.objectContaining(refusal) as Error);
  });

  it('is an operator on record alone', async () => {
    const records: OperatorAccess[] = [];
    const operatorAccess = (access: OperatorAccess): Promise<void> => Promise.resolve(void records.push(access));
    const operator = operatorFor({ tenants: ['acme'] });
    const own = await storageOf({ operatorAccess }).forTenantAsOperator(operator, tenantId('acme'));
    await own.put('by-operator', 'x');
    expect(await storageOf().forTenant(acme).exists('by-operator')).toBe(true);
    expect(records.map(({ tenant, storage }) => [tenant, storage])).toEqual([['acme', 's3/prefix']]);
    await expect(storageOf({ operatorAccess }).forTenantAsOperator(operator, tenantId('globex'))).rejects.toMatchObject(
      refusal,
    );
    await expect(storageOf().forTenantAsOperator(operator, tenantId('acme'))).rejects.toMatchObject(refusal);
    await expect(
      storageOf({ operatorAccess }).forTenantAsOperator(acme as never, tenantId('acme')),
    ).rejects.toMatchObject(refusal);
  });
});

it.each([
  { bucket: '' },
  { bucket: 'Data' },
  { bucket: 'a/b' },
  { expectedBucketOwner: '123' },
  { timeoutMs: 0 },
  { timeoutMs: Number.POSITIVE_INFINITY },
  { maxGetBytes: -1 },
  { partSizeBytes: 1024 },
  { maxExpiresInMs: 8 * 86_400_000 },
  { uploadSecret: 'short' },
])('refuses the configuration %j', (options) => {
  expect(() => storageOf(options)).toThrow(expect.objectContaining({ code: 'config_invalid' }) as Error);
});

async function uploadsLeft(of: S3Server = server): Promise<number> {
  const answer = await fetch(`${of.endpoint}/data?uploads`);
  return [...(await answer.text()).matchAll(/<UploadId>/g)].length;
}
