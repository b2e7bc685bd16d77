import { randomBytes } from 'node:crypto';
import type { S3Client } from '@aws-sdk/client-s3';
import { PortcullisError, type OperatorContext, type TenantContext, type TenantId } from '@portcullis/core';
import { tenantOf, tenantOfOperator, type OperatorAccessOptions } from '../access.js';
import type { BucketPerTenant } from './bucket-per-tenant.js';
import { copyObject } from './copy-object.js';
import { clearObjects, deleteObject, deleteObjects } from './delete-objects.js';
import { listObjects } from './list-objects.js';
import type { ObjectBackend } from './object-backend.js';
import { objectPlace } from './object-place.js';
import { objectUploads } from './object-uploads.js';
import { putObject } from './put-object.js';
import { getObject, getObjectStream, headObject } from './read-object.js';
import { signGet, signPut } from './sign-request.js';
import type { TenantObjects } from './tenant-objects.js';

/** How the storage is set up. */
export interface S3StorageOptions extends OperatorAccessOptions {
  /** A client for S3 or for a server that speaks its API. It stays the caller’s, who closes it. */
  readonly client: S3Client;
  /** One bucket for all tenants, or `bucketPerTenant(…)`. In both, keys stand below the tenant’s prefix. */
  readonly bucket: string | BucketPerTenant;
  /** The AWS account (12 digits) that owns the bucket: sent with every request, S3 refuses those for other buckets. */
  readonly expectedBucketOwner?: string | undefined;
  /** How long one request may take, retries included, in milliseconds. @defaultValue 10000 */
  readonly timeoutMs?: number | undefined;
  /** The largest object that `get` reads into memory. @defaultValue 64 MiB */
  readonly maxGetBytes?: number | undefined;
  /** How much of a stream is sent at once, from AWS’s least of 5 MiB to 5 GiB. @defaultValue 8 MiB */
  readonly partSizeBytes?: number | undefined;
  /** The longest that a signed URL may be good, in milliseconds: at most 7 days. @defaultValue 900000, 15 minutes */
  readonly maxExpiresInMs?: number | undefined;
  /**
   * Binds upload ids to their keys, 32 characters or more. Processes that go on with one another’s uploads share it.
   *
   * @defaultValue random: an upload is of this storage object alone
   */
  readonly uploadSecret?: string | undefined;
}

/** Storage for all tenants, of which each context opens its own part. */
export interface S3Storage {
  /**
   * The objects of the context’s tenant.
   *
   * @throws PortcullisError `storage_refused` for anything but a context that a tenant resolver made
   */
  forTenant(context: TenantContext): TenantObjects;
  /**
   * The objects of a tenant, for an operator, on record.
   *
   * @throws PortcullisError `storage_refused`, or what the recorder rejects with
   */
  forTenantAsOperator(operator: OperatorContext, tenant: TenantId): Promise<TenantObjects>;
}

const day = 86_400_000;
const MiB = 1024 * 1024;

/**
 * Isolation by key prefix, or by bucket and key prefix, over S3.
 *
 * Every request names the tenant’s bucket and a key below the tenant’s prefix; every key that the server names has to
 * be there, too. Give the role of the client no more than it needs: `s3:GetObject`, `s3:PutObject`, `s3:DeleteObject`,
 * `s3:AbortMultipartUpload` on the objects, `s3:ListBucket` and `s3:ListBucketMultipartUploads` on the bucket. Without
 * `s3:ListBucket` S3 answers 403 where there is no object, which is told as `storage_unavailable` and not as a miss.
 *
 * Bodies are sent whole, with a checksum in a header: servers that do not understand checksums in trailers
 * (`aws-chunked`) work, and `requestChecksumCalculation: 'WHEN_REQUIRED'` is needed only for those that refuse the
 * header, too. Listings rely on the order of UTF-8 bytes that S3 documents for general purpose buckets; directory
 * buckets (S3 Express) have none, and are refused at the first page that shows it.
 *
 * @throws PortcullisError `config_invalid` for an option that is not acceptable
 * @example
 * ```ts
 * import { S3Client } from '@aws-sdk/client-s3';
 * import { s3Storage } from '@portcullis/storage/s3';
 *
 * const client = new S3Client({ region: 'eu-central-1' });
 * const storage = s3Storage({ client, bucket: 'notes-data', expectedBucketOwner: '111122223333' });
 * console.log(typeof storage.forTenant); // prints: function
 * client.destroy();
 * ```
 */
export function s3Storage(options: S3StorageOptions): S3Storage {
  const { client, bucket, expectedBucketOwner } = options;
  if (typeof bucket === 'string' && !/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket))
    throw new PortcullisError('config_invalid', `\`${bucket}\` is not a bucket’s name`);
  if (expectedBucketOwner !== undefined && !/^\d{12}$/.test(expectedBucketOwner))
    throw new PortcullisError('config_invalid', '`expectedBucketOwner` is not an AWS account of 12 digits');
  const limits = {
    timeoutMs: bounded('timeoutMs', options.timeoutMs ?? 10_000, 1, 2 ** 31 - 1),
    maxGetBytes: bounded('maxGetBytes', options.maxGetBytes ?? 64 * MiB, 0, Number.MAX_SAFE_INTEGER),
    partSizeBytes: bounded('partSizeBytes', options.partSizeBytes ?? 8 * MiB, 5 * MiB, 5 * 1024 * MiB),
    maxExpiresInMs: bounded('maxExpiresInMs', options.maxExpiresInMs ?? 900_000, 1000, 7 * day),
  };
  const uploadSecret = secretOf(options.uploadSecret);

  const open = (tenant: TenantId): TenantObjects => {
    const name = typeof bucket === 'string' ? bucket : bucket.bucketOf(tenant);
    return tenantObjects({ client, place: objectPlace(name, tenant, expectedBucketOwner), uploadSecret, ...limits });
  };
  const kind = typeof bucket === 'string' ? 's3/prefix' : 's3/bucket-per-tenant';
  return {
    forTenant: (context) => open(tenantOf(context)),
    forTenantAsOperator: async (operator, tenant) => open(await tenantOfOperator(operator, tenant, kind, options)),
  };
}

function tenantObjects(backend: ObjectBackend): TenantObjects {
  return {
    get: (key, options) => getObject(backend, key, options),
    getStream: (key, options) => getObjectStream(backend, key, options),
    head: (key, options) => headObject(backend, key, options),
    exists: async (key, options) => (await headObject(backend, key, options)) !== undefined,
    put: (key, content, options) => putObject(backend, key, content, options),
    delete: (key, options) => deleteObject(backend, key, options),
    deleteMany: (keys, options) => deleteObjects(backend, keys, options),
    copy: (from, to, options) => copyObject(backend, from, to, options),
    list: (options) => listObjects(backend, options),
    clear: (options) => clearObjects(backend, options),
    uploads: objectUploads(backend),
    signGet: (key, options) => signGet(backend, key, options),
    signPut: (key, options) => signPut(backend, key, options),
  };
}

function bounded(name: string, value: number, least: number, most: number): number {
  if (!Number.isSafeInteger(value) || value < least || value > most)
    throw new PortcullisError(
      'config_invalid',
      `\`${name}\` must be a whole number from ${String(least)} to ${String(most)}`,
    );
  return value;
}

function secretOf(given: string | undefined): Uint8Array {
  if (given === undefined) return randomBytes(32);
  if (given.length < 32) throw new PortcullisError('config_invalid', '`uploadSecret` must have 32 characters or more');
  return Buffer.from(given);
}
