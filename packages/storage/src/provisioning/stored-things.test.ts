import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, DeleteBucketCommand, S3Client } from '@aws-sdk/client-s3';
import fc from 'fast-check';
import { Keyv } from 'keyv';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tenantId, type OperatorAccess, type TenantId } from '@portcullis/core';
import { contextFor, operatorFor } from '@portcullis/testing/contexts';
import { startS3, type S3Server } from '../../../testing/src/s3.js';
import { folderStorage, type FolderStorage } from '../folder.js';
import { keyvStorage } from '../keyv.js';
import { bucketPerTenant, s3Storage, type S3StorageOptions } from '../s3.js';
import { folderResource } from './folder-resource.js';
import { keysResource } from './keys-resource.js';
import { objectsResource } from './objects-resource.js';
import type { ResourceCall, ResourceEntry, TenantResource } from './tenant-resource.js';

const refusal = (code: string): unknown => expect.objectContaining({ code });
const operator = operatorFor();
const call = (tenant: TenantId): ResourceCall => ({ tenant, operator, signal: new AbortController().signal });
const acme = tenantId('acme');
const acm = tenantId('acm');
const accesses: OperatorAccess[] = [];
const operatorAccess = (access: OperatorAccess): Promise<void> => {
  accesses.push(access);
  return Promise.resolve();
};

interface Held {
  readonly name: string;
  readonly attributes?: Readonly<Record<string, string>> | undefined;
  readonly content: Buffer;
}

async function exported(resource: TenantResource, tenant: TenantId): Promise<readonly Held[]> {
  const held: Held[] = [];
  await resource.export(call(tenant), async ({ name, attributes, content }) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of content) chunks.push(chunk);
    held.push({ name, attributes, content: Buffer.concat(chunks) });
  });
  return held;
}

function entriesOf(held: readonly Held[]): AsyncIterable<ResourceEntry> {
  return ReadableStream.from(
    held.map(({ name, attributes, content }) => ({ name, attributes, content: ReadableStream.from([content]) })),
  );
}

/** What each of these resources has to do, for a tenant whose neighbour has as much under a name that begins alike. */
async function comesBack(resource: TenantResource, fill: (tenant: TenantId) => Promise<void>): Promise<void> {
  for (const tenant of [acme, acm]) {
    expect(await resource.has(call(tenant))).toBe(false);
    await resource.remove(call(tenant));
    await resource.provision(call(tenant));
    await resource.provision(call(tenant));
    await fill(tenant);
    expect(await resource.has(call(tenant))).toBe(true);
  }
  const before = await exported(resource, acme);
  const neighbour = await exported(resource, acm);
  const counts = await resource.describe(call(acme));
  expect(Buffer.concat(before.map(({ content }) => content)).includes('of acm ')).toBe(false);
  await resource.remove(call(acme));
  await resource.remove(call(acme));
  expect(await resource.has(call(acme))).toBe(false);
  expect(await exported(resource, acm)).toEqual(neighbour);
  await resource.restore(call(acme), entriesOf(before));
  expect(await exported(resource, acme)).toEqual(before);
  expect(await resource.describe(call(acme))).toEqual(counts);
  expect(await exported(resource, acm)).toEqual(neighbour);
  expect(accesses.at(-1)).toMatchObject({ operator, tenant: acm });
}

const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
const names = ['a', 'a/b', 'a/b c', 'é/\u{1F600}', '..a', '__proto__', `${'x'.repeat(100)}/y`];

describe('keys', () => {
  const storage = keyvStorage({ keyv: new Keyv(), operatorAccess });
  afterAll(() => storage.close());
  const resource = keysResource(storage);

  it('come back as they were, beside a neighbour’s', async () => {
    await comesBack(resource, async (tenant) => {
      const own = storage.forTenant(contextFor({ tenant }));
      for (const [index, name] of names.entries())
        await own.set(name, {
          mark: `of ${tenant} `,
          index,
          none: null,
          text: 'line\n\u2028"\\',
          deep: [[], {}, 1e300],
        });
      await own.set('proto', JSON.parse('{"__proto__":{"x":1}}'));
    });
  });

  it('of any name and JSON value come back', async () => {
    const tenant = tenantId('any');
    const own = storage.forTenant(contextFor({ tenant }));
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), fc.jsonValue()), async (values) => {
        await own.clear();
        const kept = JSON.parse(JSON.stringify(values)) as Record<string, unknown>;
        for (const [key, value] of Object.entries(kept)) await own.set(key, value);
        const held = await exported(resource, tenant);
        await resource.remove(call(tenant));
        await resource.restore(call(tenant), entriesOf(held));
        const { keys } = await own.list({ limit: 1000 });
        expect([...keys]).toEqual(Object.keys(kept).sort());
        for (const key of keys) expect(await own.get(key)).toEqual(kept[key]);
      }),
      { numRuns: 50 },
    );
  });

  it('are not exported when a value would come back as another, nor restored from another’s entries', async () => {
    const tenant = tenantId('odd');
    const map = new Map<string, unknown>();
    // A store that serializes nothing keeps what JSON cannot say.
    const keyv = new Keyv({ store: map });
    keyv.serialize = undefined;
    keyv.deserialize = undefined;
    const loose = keyvStorage({ keyv, operatorAccess });
    for (const value of [new Date(0), new Uint8Array(3), Number.NaN, { gone: undefined }]) {
      await loose.forTenant(contextFor({ tenant })).set('odd', value);
      await expect(exported(keysResource(loose), tenant)).rejects.toEqual(refusal('storage_refused'));
    }
    await expect(
      resource.restore(call(tenant), entriesOf([{ name: 'others', content: Buffer.from('') }])),
    ).rejects.toEqual(refusal('storage_refused'));
  });

  it('of a storage that cannot let operators in on record are refused', async () => {
    const shut = keysResource(keyvStorage({ keyv: new Keyv() }));
    await expect(shut.has(call(acme))).rejects.toEqual(refusal('storage_refused'));
    await expect(shut.remove(call(acme))).rejects.toEqual(refusal('storage_refused'));
  });
});

describe('files', () => {
  let root: string;
  let storage: FolderStorage;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'portcullis-files-'));
    storage = await folderStorage({ root, operatorAccess, fsync: false });
  });
  afterAll(async () => {
    await storage.close();
    await rm(root, { recursive: true });
  });

  it('come back byte for byte, beside a neighbour’s', async () => {
    await comesBack(folderResource(storage), async (tenant) => {
      const own = storage.forTenant(contextFor({ tenant }));
      for (const name of names.slice(1)) await own.put(name, Buffer.concat([everyByte, Buffer.from(`of ${tenant} `)]));
      await own.put('empty', '');
      await own.put('big', Buffer.alloc(300_000, everyByte));
    });
  }, 120_000);
});

describe('objects', () => {
  let server: S3Server;
  let client: S3Client;
  beforeAll(async () => {
    server = await startS3({ buckets: ['data'] });
    const { endpoint, region, credentials } = server;
    client = new S3Client({ endpoint, region, credentials, forcePathStyle: true, maxAttempts: 1 });
  });
  afterAll(async () => {
    client.destroy();
    await server.stop();
  });

  const filling =
    (bucket: S3StorageOptions['bucket']) =>
    async (tenant: TenantId): Promise<void> => {
      const own = s3Storage({ client, bucket }).forTenant(contextFor({ tenant }));
      for (const name of ['a/b', 'é', 'x/y z'])
        await own.put(name, Buffer.concat([everyByte, Buffer.from(`of ${tenant} `)]));
      await own.put('typed', 'text', { contentType: 'text/plain; charset=utf-8', metadata: { author: 'alice' } });
      await own.put('empty', new Uint8Array());
    };

  it('come back byte for byte, with type and metadata, beside a neighbour’s', async () => {
    const resource = objectsResource(s3Storage({ client, bucket: 'data', operatorAccess }));
    await comesBack(resource, filling('data'));
    const typed = await s3Storage({ client, bucket: 'data' })
      .forTenant(contextFor({ tenant: 'acme' }))
      .get('typed');
    expect(typed).toMatchObject({ contentType: 'text/plain; charset=utf-8', metadata: { author: 'alice' } });
  });

  it('come back in a bucket of the tenant’s own, which is made and deleted with it', async () => {
    const bucket = bucketPerTenant({ prefix: 'own' });
    const isThere = new Set<TenantId>();
    const resource = objectsResource(s3Storage({ client, bucket, operatorAccess }), {
      place: {
        async make({ tenant }) {
          if (!isThere.has(tenant)) await client.send(new CreateBucketCommand({ Bucket: bucket.bucketOf(tenant) }));
          isThere.add(tenant);
        },
        async remove({ tenant }) {
          if (isThere.delete(tenant)) await client.send(new DeleteBucketCommand({ Bucket: bucket.bucketOf(tenant) }));
        },
      },
    });
    await comesBack(resource, filling(bucket));
  });

  it('of a server that does not answer are a failure, and not a tenant that has nothing', async () => {
    const gone = await startS3({ buckets: ['data'] });
    const { endpoint, region, credentials } = gone;
    const lost = new S3Client({ endpoint, region, credentials, forcePathStyle: true, maxAttempts: 1 });
    await gone.stop();
    const resource = objectsResource(s3Storage({ client: lost, bucket: 'data', operatorAccess, timeoutMs: 2000 }));
    for (const work of [resource.has(call(acme)), resource.describe(call(acme)), resource.remove(call(acme))])
      await expect(work).rejects.toEqual(refusal('storage_unavailable'));
    lost.destroy();
  });
});
