import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { CopyObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { PortcullisError, type TenantId } from '@portcullis/core';
import { unavailable } from '../access.js';
import { boundedCall } from '../objects/bounded-call.js';
import type { BucketPerTenant } from '../objects/bucket-per-tenant.js';
import { deleteObjects } from '../objects/delete-objects.js';
import { boundsOf, type ObjectBackend } from '../objects/object-backend.js';
import { objectPlace, type ObjectPlace } from '../objects/object-place.js';
import { listRaw, type RawEntry } from '../objects/raw-listing.js';
import { getObjectStream, headObject } from '../objects/read-object.js';
import { ownKey, requireKey } from '../tenant-key.js';
import type { AdoptionStep } from './adoption-step.js';
import { ownSide } from './copying/own-side.js';
import { copyingStep, type ObstacleOptions } from './copying/copying-step.js';
import { detailOf } from './copying/detail-of.js';
import type { Found, Side, SideBySide } from './copying/side-by-side.js';

/** Which objects are adopted. */
export interface AdoptObjectsOptions extends ObstacleOptions {
  /** Stays the caller’s, who closes it. May list, read, write and delete in the bucket, and in the tenant’s. */
  readonly client: S3Client;
  /** The bucket of the server that knew no tenants. All of it is taken for that server’s. */
  readonly bucket: string;
  /** Where the tenant’s objects will be, as `s3Storage` has it. @defaultValue the same bucket */
  readonly to?: string | BucketPerTenant | undefined;
  /** The AWS account (12 digits) that owns the buckets. */
  readonly expectedBucketOwner?: string | undefined;
  /** Tenants that have objects in the bucket already. @defaultValue none */
  readonly otherTenants?: readonly TenantId[] | undefined;
  /** @defaultValue `objects` */
  readonly name?: string | undefined;
  /** How long one request may take, retries included, in milliseconds. @defaultValue 60000 */
  readonly timeoutMs?: number | undefined;
}

/** What CopyObject copies at once. @see https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html */
const maxCopyBytes = 5 * 1024 ** 3;

/**
 * Adopts the objects of a bucket: each is copied to the tenant’s prefix, where `s3Storage` finds it, with its type and
 * metadata, and compared; `finish` deletes the originals.
 *
 * The server copies, nothing comes through this process unless the ETags differ. Storage classes, access lists and older
 * versions are not copied. Objects over 5 GiB, and keys that `s3Storage` would refuse (a console’s folder markers), are
 * obstacles.
 *
 * @example
 * ```ts
 * import { S3Client } from '@aws-sdk/client-s3';
 * import { adoptObjects } from '@portcullis/storage/adoption';
 *
 * const client = new S3Client({ region: 'eu-central-1' });
 * console.log(adoptObjects({ client, bucket: 'notes-data' }).name); // prints: objects
 * client.destroy();
 * ```
 */
export function adoptObjects(options: AdoptObjectsOptions): AdoptionStep {
  const { name = 'objects', timeoutMs = 60_000 } = options;
  if (!Number.isSafeInteger(timeoutMs) || timeoutMs < 1)
    throw new PortcullisError('config_invalid', '`timeoutMs` must be a positive whole number');
  return copyingStep(name, (tenant) => objectsOf(options, tenant), { ...options, what: 'objects' });
}

function objectsOf(options: AdoptObjectsOptions, tenant: TenantId): SideBySide {
  const { client, bucket, to = bucket, expectedBucketOwner: owner, timeoutMs = 60_000 } = options;
  const target = typeof to === 'string' ? to : to.bucketOf(tenant);
  const backend = (place: ObjectPlace): ObjectBackend => ({
    client,
    place,
    timeoutMs,
    maxGetBytes: 0,
    partSizeBytes: 0,
    maxExpiresInMs: 0,
    uploadSecret: new Uint8Array(),
  });
  const sides: Readonly<Record<Side, ObjectBackend>> = {
    original: backend(wholeBucket(bucket, owner)),
    copy: backend(objectPlace(target, tenant, owner)),
  };
  return {
    apart: target !== bucket,
    async *walk(signal) {
      for await (const entry of objectsIn(sides.original, '', signal)) {
        const own = target === bucket ? ownKey(tenant, entry.name) : undefined;
        yield own === undefined ? asOriginal(entry, options) : ownSide(own, entry.name);
      }
      if (target === bucket) return;
      for await (const { name } of objectsIn(sides.copy, sides.copy.place.prefix, signal))
        yield ownSide(name.slice(sides.copy.place.prefix.length), name);
    },
    async stamp(side, key) {
      const head = await headObject(sides[side], key);
      return head && JSON.stringify([head.etag, head.sizeBytes, head.modifiedAt]);
    },
    write: (side, key) => copyObject(sides[side === 'copy' ? 'original' : 'copy'], sides[side], key),
    same: (key) => sameObject(sides, key),
    remove: (side, keys) => deleteObjects(sides[side], keys),
  };
}

/** All of a bucket, by full keys. */
function wholeBucket(bucket: string, owner: string | undefined): ObjectPlace {
  return {
    bucket,
    prefix: '',
    target: { Bucket: bucket, ...(owner === undefined ? {} : { ExpectedBucketOwner: owner }) },
    full: (key) => key,
    own: (full) => full,
  };
}

type ListedObject = Extract<RawEntry, { kind: 'object' }>;

async function* objectsIn(backend: ObjectBackend, prefix: string, signal: AbortSignal): AsyncGenerator<ListedObject> {
  let after: string | undefined;
  for (;;) {
    const { entries, more } = await listRaw(backend, { prefix, limit: 1000, after, signal });
    for (const entry of entries) if (entry.kind === 'object') yield entry;
    after = entries.at(-1)?.name;
    if (!more) return;
  }
}

function asOriginal({ name, sizeBytes }: ListedObject, { otherTenants = [] }: AdoptObjectsOptions): Found {
  const other = otherTenants.find((tenant) => ownKey(tenant, name) !== undefined);
  if (other !== undefined) return { side: 'obstacle', key: name, why: `is tenant \`${other}\`’s already` };
  if (sizeBytes > maxCopyBytes) return { side: 'obstacle', key: name, why: 'is larger than 5 GiB: copy it by parts' };
  try {
    requireKey(name);
    return { side: 'original', key: name };
  } catch (error) {
    return { side: 'obstacle', key: name, why: detailOf(error) };
  }
}

async function copyObject(from: ObjectBackend, to: ObjectBackend, key: string): Promise<void> {
  const { ExpectedBucketOwner: owner } = from.place.target;
  const source = [from.place.bucket, ...from.place.full(key).split('/')].map(encoded).join('/');
  const { CopyObjectResult } = await boundedCall(boundsOf(to), (signal) =>
    to.client.send(
      new CopyObjectCommand({
        ...to.place.target,
        ...(owner === undefined ? {} : { ExpectedSourceBucketOwner: owner }),
        Key: to.place.full(key),
        CopySource: source,
      }),
      { abortSignal: signal },
    ),
  );
  if (CopyObjectResult?.ETag === undefined) throw unavailable(undefined, 'the server copied without an ETag');
}

/** S3 decodes the whole header, and takes what follows a `?` for a version. */
function encoded(segment: string): string {
  return encodeURIComponent(segment).replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
}

async function sameObject(sides: Readonly<Record<Side, ObjectBackend>>, key: string): Promise<boolean> {
  const [original, copy] = await Promise.all([headObject(sides.original, key), headObject(sides.copy, key)]);
  if (copy === undefined || original?.sizeBytes !== copy.sizeBytes) return false;
  if (original.contentType !== copy.contentType || !isDeepStrictEqual(original.metadata, copy.metadata)) return false;
  // An ETag is a hash of the content only for some objects; where both are the same, the content is.
  if (original.etag === copy.etag) return true;
  const [one, two] = await Promise.all([hashOf(sides.original, key), hashOf(sides.copy, key)]);
  return one !== undefined && one === two;
}

async function hashOf(backend: ObjectBackend, key: string): Promise<string | undefined> {
  const found = await getObjectStream(backend, key);
  if (found === undefined) return undefined;
  const hash = createHash('sha256');
  const reader = found.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return hash.digest('hex');
    hash.update(value);
  }
}
