import { createHash } from 'node:crypto';
import { PortcullisError, type TenantId } from '@portcullis/core';

/** How buckets are named. */
export interface BucketPerTenantOptions {
  /**
   * What every bucket name begins with: 3 to 30 of `[a-z0-9-]`, the first and the last no `-`. Keep it for tenants
   * alone: with `app`, a tenant that is called `logs` has the bucket `app-logs`.
   */
  readonly prefix: string;
}

/** A bucket for each tenant. */
export interface BucketPerTenant {
  /** The name of the tenant’s bucket: no two tenants have the same. */
  readonly bucketOf: (tenant: TenantId) => string;
}

const maxBucketLength = 63;
/** 130 bits of SHA-256: nobody finds two tenant ids that share them. */
const hashLength = 26;
const looksHashed = new RegExp(`(?:^|-)h[a-z2-7]{${String(hashLength)}}$`);
/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html, as of 2025 */
const reservedPrefix = /^(?:xn--|sthree-|amzn-s3-demo-)/;
const reservedSuffix = /(?:-s3alias|--ol-s3|--x-s3|--table-s3)$/;

/**
 * The strategy of a bucket for each tenant: `PREFIX-TENANT` where the tenant id can stand in a bucket’s name as it is,
 * and `PREFIX-READABLE-hHASH` for every other one (capital letters, `_`, too long), with a hash of the exact id. A
 * tenant id that looks as if it ended in a hash is hashed, too, so that no plain name is ever a hashed one.
 *
 * Bucket names are shared by all AWS accounts: whoever guesses one can make it first. Give `expectedBucketOwner` to
 * the storage, and no object goes to a bucket of somebody else’s.
 *
 * @throws PortcullisError `config_invalid` for a prefix that is not acceptable
 * @example
 * ```ts
 * import { tenantId } from '@portcullis/core';
 * import { bucketPerTenant } from '@portcullis/storage/s3';
 *
 * const { bucketOf } = bucketPerTenant({ prefix: 'notes-data' });
 * console.log(bucketOf(tenantId('acme'))); // prints: notes-data-acme
 * console.log(bucketOf(tenantId('Acme'))); // prints: notes-data-acme-hg4bwzwhzorwtguby5sus7cttvz
 * ```
 */
export function bucketPerTenant({ prefix }: BucketPerTenantOptions): BucketPerTenant {
  if (!/^[a-z0-9][a-z0-9-]{1,28}[a-z0-9]$/.test(prefix) || reservedPrefix.test(prefix))
    throw new PortcullisError(
      'config_invalid',
      `the bucket prefix \`${prefix}\` is not 3 to 30 of \`[a-z0-9-]\`, or is reserved`,
    );
  return { bucketOf: (tenant) => `${prefix}-${plain(prefix, tenant) ?? hashed(prefix, tenant)}` };
}

function plain(prefix: string, tenant: string): string | undefined {
  const fits = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(tenant) && prefix.length + 1 + tenant.length <= maxBucketLength;
  return fits && !looksHashed.test(tenant) && !reservedSuffix.test(tenant) ? tenant : undefined;
}

function hashed(prefix: string, tenant: string): string {
  const hash = base32(createHash('sha256').update(tenant).digest()).slice(0, hashLength);
  const room = maxBucketLength - prefix.length - hashLength - 3;
  const readable = tenant
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, room);
  return `${readable}-h${hash}`;
}

/** RFC 4648, in small letters and without padding. */
function base32(bytes: Uint8Array): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  const digits = bits.match(/.{5}/g) ?? [];
  return digits.map((digit) => 'abcdefghijklmnopqrstuvwxyz234567'.charAt(parseInt(digit, 2))).join('');
}
