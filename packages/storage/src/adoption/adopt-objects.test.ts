import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tenantId } from '@portcullis/core';
import { contextFor } from '@portcullis/testing/contexts';
import { startS3, type S3Server } from '@portcullis/testing/s3';
import { bucketPerTenant } from '../objects/bucket-per-tenant.js';
import { s3Storage } from '../objects/s3-storage.js';
import { adoptObjects, type AdoptObjectsOptions } from './adopt-objects.js';
import { adoption, type Adoption } from './adoption.js';
import { memoryAdoptionJournal } from './job/memory-adoption-journal.js';

const system = tenantId('system');
const refusal = (code: string, detail = ''): unknown =>
  expect.objectContaining({ code, detail: expect.stringContaining(detail) as unknown });

let server: S3Server;
let client: S3Client;
const buckets = Array.from({ length: 8 }, (_, index) => `old-${String(index)}`);
beforeAll(async () => {
  server = await startS3({ buckets: [...buckets, 'of-system'], pageLimit: 3 });
  const { endpoint, region, credentials } = server;
  client = new S3Client({ endpoint, region, credentials, forcePathStyle: true, maxAttempts: 1 });
});
afterAll(async () => {
  client.destroy();
  await server.stop();
});

const put = (Bucket: string, Key: string, Body: string | Uint8Array, more: object = {}): Promise<unknown> =>
  client.send(new PutObjectCommand({ Bucket, Key, Body, ...more }));

/** Keys, contents, types and metadata. */
async function contents(Bucket: string): Promise<Readonly<Record<string, unknown>>> {
  const found: Record<string, unknown> = {};
  let ContinuationToken: string | undefined;
  do {
    const page = await client.send(new ListObjectsV2Command({ Bucket, ContinuationToken }));
    for (const { Key } of page.Contents ?? []) {
      const { Body, ContentType, Metadata } = await client.send(new GetObjectCommand({ Bucket, Key }));
      found[Key!] = [await Body?.transformToString('base64'), ContentType, Metadata];
    }
    ContinuationToken = page.NextContinuationToken;
  } while (ContinuationToken !== undefined);
  return found;
}

async function filled(): Promise<string> {
  const bucket = buckets.pop()!;
  await put(bucket, 'reports/2024 (final)+é?.pdf', 'pdf', {
    ContentType: 'application/pdf',
    Metadata: { author: 'ada' },
  });
  await put(bucket, 'a.bin', Uint8Array.from([0, 255, 10]));
  await put(bucket, 'empty', '');
  for (const n of [1, 2, 3, 4, 5]) await put(bucket, `many/${String(n)}`, String(n));
  return bucket;
}

function moving(bucket: string, options: Partial<AdoptObjectsOptions> = {}): Adoption {
  const steps = [adoptObjects({ client, bucket, ...options })];
  return adoption({ tenant: system, steps, journal: memoryAdoptionJournal() });
}

describe('adopting objects', () => {
  it('copies to the tenant’s prefix, and deletes at the end; goes back from both', async () => {
    const bucket = await filled();
    const before = await contents(bucket);
    const move = moving(bucket);
    expect((await move.dryRun()).steps[0]).toMatchObject({
      counts: { toCopy: 8 },
      plan: { obstacles: [], exposedTo: ['many', 'reports'] },
    });
    expect((await move.run()).steps).toEqual([{ step: 'objects', counts: { copied: 8 } }]);
    expect(await contents(bucket)).toMatchObject(before);
    const storage = s3Storage({ client, bucket });
    const own = storage.forTenant(contextFor({ tenant: 'system' }));
    const found = await own.get('reports/2024 (final)+é?.pdf');
    expect(found).toMatchObject({ contentType: 'application/pdf', metadata: { author: 'ada' } });
    expect((await storage.forTenant(contextFor({ tenant: 'globex' })).list()).objects).toHaveLength(0);

    await move.undo();
    expect(await contents(bucket)).toEqual(before);

    await move.run();
    expect((await move.finish()).steps).toEqual([{ step: 'objects', counts: { deleted: 8 } }]);
    expect(Object.keys(await contents(bucket)).every((key) => key.startsWith('system/'))).toBe(true);
    await own.put('since', 'new');
    await move.undo();
    const { since, ...rest } = await contents(bucket);
    expect(rest).toEqual(before);
    expect(since).toBeDefined();
  });

  it('moves into another bucket', async () => {
    const bucket = await filled();
    const before = await contents(bucket);
    const to = bucketPerTenant({ prefix: 'of0' });
    const move = moving(bucket, { to: 'of-system' });
    expect((await move.dryRun()).steps[0]?.plan?.exposedTo).toEqual([]);
    await move.run();
    await move.finish();
    expect(await contents(bucket)).toEqual({});
    expect(Object.keys(await contents('of-system'))).toHaveLength(8);
    await move.undo();
    expect(await contents(bucket)).toEqual(before);
    expect(await contents('of-system')).toEqual({});
    await expect(moving(bucket, { to }).run()).rejects.toEqual(refusal('storage_not_provisioned'));
  });

  it('names folder markers and others’ objects, and moves nothing until it is told to leave them', async () => {
    const bucket = await filled();
    await put(bucket, 'many/', '');
    await put(bucket, 'acme/secret', 'theirs');
    const otherTenants = [tenantId('acme')];
    await expect(moving(bucket, { otherTenants }).run()).rejects.toEqual(refusal('storage_refused', '`many/`'));
    const move = moving(bucket, { otherTenants, obstacles: 'skip' });
    expect((await move.run()).steps[0]?.counts).toEqual({ copied: 8, skipped: 2 });
    await move.finish();
    const left = Object.keys(await contents(bucket)).filter((key) => !key.startsWith('system/'));
    expect(left).toEqual(['acme/secret', 'many/']);
  });

  it('deletes nothing that was written after it had been copied', async () => {
    const bucket = await filled();
    const move = moving(bucket);
    await move.run();
    await put(bucket, 'a.bin', 'changed by the old server');
    await expect(move.finish()).rejects.toEqual(refusal('storage_conflict', '`a.bin`'));
    expect(Object.keys(await contents(bucket))).toHaveLength(16);
  });

  it('tells copies apart by content where the server’s ETags do', async () => {
    const bucket = await filled();
    const corrupting = new S3Client({ ...server, forcePathStyle: true, maxAttempts: 1 });
    corrupting.middlewareStack.add(
      (next, context) => async (args) => {
        const result = await next(args);
        const { Key } = args.input as { Key?: string };
        // A server that says it has copied, and has something else of the same size.
        if (context.commandName === 'CopyObjectCommand' && Key?.endsWith('many/3') === true)
          await put(bucket, Key, 'X');
        return result;
      },
      { step: 'initialize' },
    );
    await expect(moving(bucket, { client: corrupting }).run()).rejects.toEqual(
      refusal('storage_unavailable', '`many/3` is not what was copied'),
    );
    corrupting.destroy();
  });

  it('tells a missing bucket as such', async () => {
    await expect(moving('not-there').run()).rejects.toEqual(refusal('storage_not_provisioned'));
  });
});
